//! What is below the files: bytes that no file has (the survey is that of [`amiforge_formats::residue`]), and partitions
//! that no reader understands, which are searched as bytes.

use std::collections::BTreeMap;

use amiforge_formats::digest::hex;
use amiforge_formats::read_at::ReadAt as _;
use amiforge_formats::residue::{DiskResidue, RecoveredContent, Residue, ResidueKind};
use amiforge_image::inspect::Medium;
use amiforge_progress::Monitor;
use sha2::{Digest as _, Sha256};

use crate::content::{ContentCoverage, ContentFinder};
use crate::finding::{DIGEST_DIGITS, FindingScope, LeakFinding, LeakSeverity, SecretFingerprint};
use crate::options::{LeakError, ScanOptions};
use crate::report::Report;
use crate::rule::{BELOW_TREE, LeakRule};

/// Bytes that are in memory at a time.
const CHUNK: usize = 4 << 20;

/// Bytes by which successive chunks overlap.
const OVERLAP: usize = 64 << 10;

/// Findings of one kind that are listed one by one; an image that a machine has used has thousands of each.
const LISTED: usize = 20;

/// What to do about bytes that a disk had before it was kept.
const KEPT_REMEDY: &str = "the disk that the image keeps had it already, and whoever gets the image can read it, too: `erase-free-space = true` under \
     `[disk]` writes zeros there, a table `[boot]` in place of `boot = \"keep\"` makes a new disk, and `[[allow]]` lets it leave";

/// Adds what is below the files.
pub(crate) fn scan(
    (medium, below): (&Medium, &DiskResidue),
    finder: &ContentFinder,
    options: &ScanOptions<'_>,
    report: &mut Report,
    monitor: Monitor<'_>,
) -> Result<(), LeakError> {
    monitor.progress.begin("looking for leaks below the files", None);
    let mut listed: BTreeMap<ResidueKind, usize> = BTreeMap::new();
    // Our writers leave none, so any of it in a bundle came later; other tools leave some, which may be harmless. A disk that was
    // kept has what those left, and what is amended in it leaves nothing behind.
    let ours = medium.bundle().is_some() && !options.kept_disk;
    let severity = if ours { LeakSeverity::Error } else { LeakSeverity::Warning };
    let remedy = if options.kept_disk { KEPT_REMEDY } else { BELOW_TREE.remedy };
    for residue in &below.residues {
        stop_if_cancelled(monitor)?;
        let range = Range { start: residue.offset, len: residue.len, owner: &in_words(residue) };
        report.findings.extend(secrets(medium, &range, (finder, remedy), monitor)?);
        report.scanned.raw_bytes += residue.len;
        let count = listed.entry(residue.kind).or_default();
        *count += 1;
        if options.filter.includes(BELOW_TREE.id) && *count <= LISTED {
            report.findings.push(finding(medium, residue, (severity, remedy))?);
        }
    }
    for (kind, count) in listed.iter().filter(|(_, count)| **count > LISTED) {
        let more = count - LISTED;
        report.unread.push(format!("{more} more ranges of {kind} below the files are not listed one by one"));
    }
    for unread in &below.unread {
        let owner = if unread.owner.is_empty() { "the disk" } else { &unread.owner };
        report
            .unread
            .push(format!("the files of {owner} are not known: {}; its bytes were searched", unread.reason));
        let range = Range { start: unread.offset, len: unread.len, owner };
        report.findings.extend(secrets(medium, &range, (finder, remedy), monitor)?);
        report.scanned.raw_bytes += unread.len;
    }
    Ok(())
}

/// Bytes of the disk, and what they are of.
struct Range<'a> {
    start: u64,
    len: u64,
    owner: &'a str,
}

/// What residue is and where, in words.
fn in_words(residue: &Residue) -> String {
    if residue.owner.is_empty() {
        residue.kind.to_string()
    } else {
        format!("{} ({})", residue.owner, residue.kind)
    }
}

/// The finding about residue.
fn finding(
    medium: &Medium,
    residue: &Residue,
    (severity, remedy): (LeakSeverity, &str),
) -> Result<LeakFinding, LeakError> {
    let failed = |source| LeakError::File { file: in_words(residue), source };
    let sample = residue.sample(medium, RecoveredContent::SAMPLE).map_err(failed)?;
    let content = RecoveredContent::of(&sample);
    let severity = if content == RecoveredContent::Key { LeakSeverity::Error } else { severity };
    let mut sha256 = hex(&Sha256::digest(&sample));
    sha256.truncate(DIGEST_DIGITS);
    Ok(LeakFinding {
        rule: BELOW_TREE.id.to_owned(),
        severity,
        scope: FindingScope::Disk,
        file: in_words(residue),
        line: None,
        offset: Some(residue.offset),
        what: format!("{} bytes of {}, which look like {content}", residue.len, residue.kind),
        remedy: remedy.to_owned(),
        sha256: None,
        secret: Some(SecretFingerprint {
            start: String::new(),
            len: usize::try_from(residue.len).unwrap_or(usize::MAX),
            sha256,
        }),
        package: None,
        allowed: None,
    })
}

/// Secrets in a range of the disk. Holes of a sparse file are passed over.
fn secrets(
    medium: &Medium,
    range: &Range<'_>,
    (finder, remedy): (&ContentFinder, &str),
    monitor: Monitor<'_>,
) -> Result<Vec<LeakFinding>, LeakError> {
    let failed = |source| LeakError::File { file: range.owner.to_owned(), source };
    let mut matched = Vec::new();
    let mut buffer = Vec::new();
    for (start, end) in
        medium.data_ranges(range.start, range.start.saturating_add(range.len)).map_err(failed)?
    {
        let mut at = start;
        while at < end {
            stop_if_cancelled(monitor)?;
            let count = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
            buffer.resize(count, 0);
            medium.read_exact_at(at, &mut buffer).map_err(failed)?;
            let last = at + count as u64 == end;
            let to = if last { count } else { count - OVERLAP };
            for hit in
                finder.find(&buffer, ContentCoverage::Strict).into_iter().filter(|hit| hit.secret.start < to)
            {
                let fingerprint = SecretFingerprint::of(&buffer[hit.secret.clone()]);
                matched.push(secret(
                    (hit.rule, remedy),
                    at + hit.secret.start as u64,
                    fingerprint,
                    range.owner,
                ));
            }
            at += to as u64;
        }
    }
    Ok(matched)
}

fn secret(
    (rule, remedy): (LeakRule, &str),
    offset: u64,
    fingerprint: SecretFingerprint,
    owner: &str,
) -> LeakFinding {
    LeakFinding {
        rule: rule.id.to_owned(),
        severity: rule.severity,
        scope: FindingScope::Disk,
        file: owner.to_owned(),
        line: None,
        offset: Some(offset),
        what: format!("{}, in bytes that no file has", rule.what),
        remedy: remedy.to_owned(),
        sha256: None,
        secret: Some(fingerprint),
        package: None,
        allowed: None,
    }
}

fn stop_if_cancelled(monitor: Monitor<'_>) -> Result<(), LeakError> {
    if monitor.cancel.is_cancelled() { Err(LeakError::Interrupted) } else { Ok(()) }
}
