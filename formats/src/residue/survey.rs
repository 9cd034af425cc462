//! The survey of a volume or disk: which bytes are taken, which should be zero, and the one pass that reads the latter.

use std::io;
use std::ops::Range;

use super::{Residue, ResidueKind};
use crate::read_at::ReadAt;

/// Bytes that are read at a time.
const PORTION: u64 = 256 << 10;

/// Ranges from this length on are asked for their holes first.
const HOLES_FROM: u64 = 64 << 10;

/// Most runs; above, neighbours are joined over ever longer gaps.
const RUNS_MAX: usize = 1 << 16;

/// Whose bytes they are. The words are made when there is something to report only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ResidueOwner {
    /// The whole volume.
    Volume,
    /// A part of it, by name.
    Part(&'static str),
    /// One of several parts, such as `group 3`.
    Numbered(&'static str, u64),
    /// A node by the format's own number; the format knows its name.
    Node(u64),
}

/// Bytes that should all be `filler`.
#[derive(Debug, Clone, Copy)]
struct Suspect {
    start: u64,
    end: u64,
    kind: ResidueKind,
    owner: ResidueOwner,
    filler: u8,
}

/// A run of bytes that are not what they should be.
#[derive(Debug, Clone, Copy)]
struct ResidueRun {
    start: u64,
    end: u64,
    kind: ResidueKind,
    owner: ResidueOwner,
}

/// A survey under way. Ranges in bytes; those that run backwards or past the end of the medium are cut.
#[derive(Debug, Default)]
pub(crate) struct ResidueSurvey {
    claims: Vec<(u64, u64)>,
    suspects: Vec<Suspect>,
}

impl ResidueSurvey {
    /// Takes bytes that a structure or a content holds.
    pub(crate) fn claim(&mut self, range: Range<u64>) {
        if range.start < range.end {
            self.claims.push((range.start, range.end));
        }
    }

    /// Bytes that should be zero, whether they are claimed or not.
    pub(crate) fn suspect(&mut self, kind: ResidueKind, owner: ResidueOwner, range: Range<u64>) {
        self.filled(kind, owner, range, 0);
    }

    /// Bytes that should all have one value.
    pub(crate) fn filled(&mut self, kind: ResidueKind, owner: ResidueOwner, range: Range<u64>, filler: u8) {
        if range.start < range.end {
            self.suspects.push(Suspect { start: range.start, end: range.end, kind, owner, filler });
        }
    }

    /// Whatever of a range is not claimed so far should be zero.
    pub(crate) fn unclaimed(&mut self, kind: ResidueKind, owner: ResidueOwner, range: Range<u64>) {
        self.claims.sort_unstable();
        let mut at = range.start;
        let mut gaps = Vec::new();
        for &(start, end) in &self.claims {
            if start >= range.end {
                break;
            }
            if start > at {
                gaps.push(at..start);
            }
            at = at.max(end);
        }
        gaps.push(at..range.end);
        for gap in gaps {
            self.suspect(kind, owner, gap);
        }
    }

    /// Reads every suspect range once, in the order of the medium, and gives the runs; `name` gives the words for a node.
    pub(crate) fn read(
        mut self,
        medium: &dyn ReadAt,
        name: &mut dyn FnMut(u64) -> String,
    ) -> io::Result<Vec<Residue>> {
        self.suspects.sort_by_key(|suspect| (suspect.start, suspect.end));
        let mut runs = ResidueRuns { runs: Vec::new(), gap: Residue::GAP };
        let mut buf = Vec::new();
        for suspect in &self.suspects {
            let end = suspect.end.min(medium.size());
            let mut at = suspect.start;
            while at < end {
                let data = if suspect.filler == 0 && end.saturating_sub(at) >= HOLES_FROM {
                    medium.data_from(at, end)?
                } else {
                    Some(at..end)
                };
                let Some(data) = data else { break };
                let data = data.start.clamp(at, end)..data.end.clamp(at, end);
                read_range(medium, suspect, data.clone(), &mut buf, &mut runs)?;
                // An answer without progress would never end.
                at = data.end.max(at.saturating_add(1));
            }
        }
        let words = |run: ResidueRun| Residue {
            kind: run.kind,
            offset: run.start,
            len: run.end.saturating_sub(run.start),
            owner: words(run.owner, name),
        };
        Ok(runs.runs.into_iter().map(words).collect())
    }
}

/// Reads a range in portions.
fn read_range(
    medium: &dyn ReadAt,
    suspect: &Suspect,
    range: Range<u64>,
    buf: &mut Vec<u8>,
    runs: &mut ResidueRuns,
) -> io::Result<()> {
    let mut at = range.start;
    while at < range.end {
        let len = PORTION.min(range.end.saturating_sub(at));
        buf.resize(usize::try_from(len).unwrap_or(0), 0);
        medium.read_exact_at(at, buf)?;
        portion(buf, at, suspect, runs);
        at = at.saturating_add(len);
    }
    Ok(())
}

/// Finds the runs of a portion, sixty-four bytes at a time where all are as they should be.
fn portion(bytes: &[u8], at: u64, suspect: &Suspect, runs: &mut ResidueRuns) {
    let filler = suspect.filler;
    for (index, part) in bytes.chunks(64).enumerate() {
        if part.iter().fold(0, |all, byte| all | (byte ^ filler)) == 0 {
            continue;
        }
        let first = part.iter().position(|byte| *byte != filler).unwrap_or(0) as u64;
        let last = part.iter().rposition(|byte| *byte != filler).unwrap_or(0) as u64;
        let from = at.saturating_add((index as u64).saturating_mul(64));
        let (start, end) = (from.saturating_add(first), from.saturating_add(last).saturating_add(1));
        runs.push(ResidueRun { start, end, kind: suspect.kind, owner: suspect.owner }, suspect.start);
    }
}

/// The runs found so far.
struct ResidueRuns {
    runs: Vec<ResidueRun>,
    /// Bytes between two runs that join them.
    gap: u64,
}

impl ResidueRuns {
    /// Adds a run of the suspect range that begins at `from`. It is joined to the last one only where all between them is
    /// suspect too: what is in use, such as an inode between two that are not, is no residue.
    fn push(&mut self, run: ResidueRun, from: u64) {
        if let Some(last) = self.runs.last_mut()
            && last.kind == run.kind
            && last.owner == run.owner
            && last.end >= from
            && run.start <= last.end.saturating_add(self.gap)
        {
            last.end = last.end.max(run.end);
            return;
        }
        self.runs.push(run);
        while self.runs.len() > RUNS_MAX {
            self.join();
        }
    }

    /// Joins neighbours of one kind, over twice the gap than before.
    fn join(&mut self) {
        self.gap = self.gap.saturating_mul(2);
        let mut joined: Vec<ResidueRun> = Vec::new();
        for run in std::mem::take(&mut self.runs) {
            match joined.last_mut() {
                Some(last) if last.kind == run.kind && run.start <= last.end.saturating_add(self.gap) => {
                    last.end = last.end.max(run.end);
                    if last.owner != run.owner {
                        last.owner = ResidueOwner::Part("several");
                    }
                }
                _ => joined.push(run),
            }
        }
        // Kinds that alternate without end leave nothing to join: then the kind gives way too.
        if joined.len() > RUNS_MAX && self.gap > 1 << 40 {
            let end = joined.last().map_or(0, |last| last.end);
            joined.truncate(RUNS_MAX / 2);
            if let Some(last) = joined.last_mut() {
                last.end = last.end.max(end);
            }
        }
        self.runs = joined;
    }
}

/// The words for an owner.
fn words(owner: ResidueOwner, name: &mut dyn FnMut(u64) -> String) -> String {
    match owner {
        ResidueOwner::Volume => String::new(),
        ResidueOwner::Part(part) => part.to_owned(),
        ResidueOwner::Numbered(part, number) => format!("{part} {number}"),
        ResidueOwner::Node(number) => name(number),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;

    fn residues(survey: ResidueSurvey, medium: &[u8]) -> Vec<(ResidueKind, u64, u64, String)> {
        let found = survey.read(&medium, &mut |node| format!("/{node}")).unwrap();
        found.into_iter().map(|run| (run.kind, run.offset, run.len, run.owner)).collect()
    }

    #[test]
    fn what_is_not_claimed_is_read_and_runs_are_cut_to_their_bytes() {
        let mut medium = vec![0; 1 << 20];
        medium[100..110].fill(7);
        medium[300] = 1;
        medium[5000..5100].fill(9);
        medium[700_000..900_000].fill(3);
        let mut survey = ResidueSurvey::default();
        survey.claim(4990..5050);
        survey.claim(0..105);
        survey.claim(800_000..800_100);
        survey.unclaimed(ResidueKind::FreeSpace, ResidueOwner::Volume, 0..1 << 21);
        survey.suspect(ResidueKind::FileSlack, ResidueOwner::Node(12), 100..104);
        assert_eq!(
            residues(survey, &medium),
            [
                (ResidueKind::FileSlack, 100, 4, "/12".to_owned()),
                (ResidueKind::FreeSpace, 105, 196, String::new()),
                (ResidueKind::FreeSpace, 5050, 50, String::new()),
                // What is claimed between two remains is none of them.
                (ResidueKind::FreeSpace, 700_000, 100_000, String::new()),
                (ResidueKind::FreeSpace, 800_100, 99_900, String::new()),
            ]
        );
    }

    #[test]
    fn a_medium_of_noise_gives_few_runs() {
        let mut medium = vec![0; 64 << 20];
        medium.iter_mut().step_by(600).for_each(|byte| *byte = 1);
        let mut survey = ResidueSurvey::default();
        for at in (0..64 << 20).step_by(4096) {
            survey.suspect(ResidueKind::FileSlack, ResidueOwner::Node(at), at..at + 4096);
        }
        let found = survey.read(&medium, &mut |_| String::new()).unwrap();
        assert!(found.len() <= RUNS_MAX);
        assert_eq!((found[0].offset, found.last().unwrap().len > 0), (0, true));
        let covered: u64 = found.iter().map(|run| run.len).sum();
        assert!(covered >= (64 << 20) / 600);
    }

    #[test]
    fn a_filler_counts_as_nothing() {
        let mut medium = vec![0xff; 100];
        medium[50] = 0xfe;
        let mut survey = ResidueSurvey::default();
        survey.filled(ResidueKind::TableGap, ResidueOwner::Numbered("group", 3), 0..100, 0xff);
        assert_eq!(residues(survey, &medium), [(ResidueKind::TableGap, 50, 1, "group 3".to_owned())]);
    }
}
