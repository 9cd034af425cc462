//! Volumes alone: one bit or one field is changed in a file system, its checksums are made good again, and both checkers
//! look at it. Nothing is digested here, so thousands take seconds.

use amiforge_formats::dump;
use amiforge_formats::plan::SourceId;
use amiforge_formats::volume::FsKind;
use amiforge_verify::listing::{self, Volume};
use amiforge_verify::{Report, erofs, ext4, fat, swap, verity};

use crate::fixture::{Unpacked, reasons};
use crate::structures::{Repair, interesting};
use crate::tally::{Reasons, Sequence, Tally};

/// A volume with what both sides saw of it before it was changed.
struct Subject {
    kind: &'static str,
    bytes: Vec<u8>,
    listed: Vec<String>,
    repair: Repair,
    places: Vec<usize>,
}

impl Subject {
    fn new(bundle: &str, id: &str, kind: &'static str) -> Self {
        let bytes = Unpacked::new(bundle).partition(id);
        let repair = Repair::new(kind, &bytes);
        let places = interesting(kind, &bytes);
        let mut subject = Self { kind, bytes, listed: Vec::new(), repair, places };
        let (seen, reasons) = subject.amiforge(&subject.bytes);
        assert_eq!(reasons, [""; 0], "amiforge takes {kind} of {bundle}");
        subject.listed = seen;
        let (seen, reasons) = subject.independent(&subject.bytes);
        assert_eq!(reasons, [""; 0], "amiforge-verify takes {kind} of {bundle}");
        assert_eq!(seen, subject.listed, "both list {kind} of {bundle} alike");
        subject
    }

    /// What is compared of a line.
    fn key(&self, line: &str) -> String {
        let fields: Vec<_> = line.split(' ').collect();
        match (self.kind, fields.as_slice()) {
            ("fat32", [path, "file", _, _, _, size, ..]) => format!("{path} file {size}"),
            ("fat32", [path, kind, ..]) => format!("{path} {kind}"),
            _ => line.to_owned(),
        }
    }

    fn amiforge(&self, bytes: &Vec<u8>) -> (Vec<String>, Reasons) {
        let format = FsKind::by_written_name(self.kind).unwrap().format();
        let mut reasons = format.check(bytes).unwrap_or_else(|error| vec![error.to_string()]);
        match format.read(bytes, SourceId(0)) {
            Err(error) => {
                reasons.push(error.to_string());
                (Vec::new(), reasons)
            }
            Ok(volume) => {
                let id = format!("id {:?}", volume.id);
                let tree = volume.tree.as_ref().map(dump::to_string).unwrap_or_default();
                let lines = tree.lines().map(|line| self.key(line));
                let mut seen: Vec<String> = lines.chain([id]).collect();
                seen.sort();
                self.changed(&seen, &mut reasons);
                (seen, reasons)
            }
        }
    }

    fn independent(&self, bytes: &Vec<u8>) -> (Vec<String>, Reasons) {
        let mut report = Report::default();
        let mut log = report.part(self.kind, 0);
        let volume: Result<Option<Volume>, _> = match self.kind {
            "ext4" => ext4::check(bytes, &mut log),
            "fat32" => fat::check(bytes, &mut log),
            "erofs" => erofs::check(bytes, &mut log),
            "swap" => swap::check(bytes, &mut log),
            _ => verity::superblock(bytes, &mut log).and_then(|found| {
                let Some((tree, volume)) = found else { return Ok(None) };
                tree.check_tree(bytes, &mut log).map(|_| Some(volume))
            }),
        };
        let volume = volume.unwrap_or_else(|failure| {
            log.unread(&failure);
            None
        });
        let mut reasons = reasons(&report);
        let Some(volume) = volume else { return (Vec::new(), reasons) };
        let lines = volume.entries.as_deref().map(listing::lines).unwrap_or_default();
        let lines = lines.iter().map(|line| self.key(line));
        let mut seen: Vec<String> = lines.chain([format!("id {:?}", volume.id)]).collect();
        seen.sort();
        self.changed(&seen, &mut reasons);
        (seen, reasons)
    }

    /// A bundle's listing and manifest name what was there before.
    fn changed(&self, seen: &[String], reasons: &mut Reasons) {
        if !self.listed.is_empty() && self.listed != seen {
            let first =
                seen.iter().find(|line| !self.listed.contains(line)).map_or("a line is gone", |line| line);
            reasons.push(format!("listed otherwise: {first}"));
        }
    }

    /// Changes one place of a copy, makes the checksums around it good, and asks both.
    fn mutate(&self, copy: &mut Vec<u8>, sequence: &mut Sequence, tally: &mut Tally) {
        let at = self.places[sequence.below(self.places.len())];
        let (value, name) = match sequence.below(4) {
            0 => (copy[at].wrapping_add(1), "one more"),
            1 => (sequence.below(256) as u8, "another byte"),
            2 => (0, "zero"),
            _ => (copy[at] ^ 1 << sequence.below(8), "one bit"),
        };
        let value = if value == copy[at] { value ^ 1 } else { value };
        let repaired = sequence.below(4) > 0;
        copy[at] = value;
        let touched = if repaired { self.repair.around(copy, at) } else { Vec::new() };
        let mutation = format!(
            "{} byte {at} of {} {value:#04x} ({name}, repaired: {repaired})",
            self.kind, self.bytes[at]
        );
        tally.add(&mutation, &self.amiforge(copy).1, &self.independent(copy).1);
        copy[at] = self.bytes[at];
        for range in touched {
            copy[range.clone()].copy_from_slice(&self.bytes[range]);
        }
        debug_assert!(copy[at] == self.bytes[at]);
    }

    fn sweep(&self, seed: u64, count: usize) -> Tally {
        let threads = 2;
        std::thread::scope(|scope| {
            let work = |thread: u64| {
                let (mut copy, mut sequence, mut tally) =
                    (self.bytes.clone(), Sequence(seed + thread), Tally::default());
                for _ in 0..count / threads {
                    self.mutate(&mut copy, &mut sequence, &mut tally);
                }
                tally
            };
            let all: Vec<_> = (0..threads as u64).map(|thread| scope.spawn(move || work(thread))).collect();
            all.into_iter().fold(Tally::default(), |mut tally, one| {
                tally.merge(one.join().unwrap());
                tally
            })
        })
    }
}

/// Bundle, partition and kind of every volume.
const VOLUMES: [(&str, &str, &str); 7] = [
    ("ext4", "root", "ext4"),
    ("ext4", "swap", "swap"),
    ("journal", "root", "ext4"),
    ("verity-erofs", "esp", "fat32"),
    ("verity-erofs", "root", "erofs"),
    ("verity-erofs", "root-verity", "verity"),
    ("verity-ext4", "root", "ext4"),
];

fn sweep(count: usize) {
    let mut tally = Tally::default();
    for (bundle, id, kind) in VOLUMES {
        let begun = std::time::Instant::now();
        let subject = Subject::new(bundle, id, kind);
        // Those that take longer are looked at less often.
        let count = match kind {
            "swap" | "verity" => count / 4,
            _ if bundle == "journal" => count / 4,
            _ => count,
        };
        let one = subject.sweep(u64::from(u32::from_le_bytes(*b"amif")), count);
        println!("{kind} of {bundle}: {count} mutations in {:.1} s", begun.elapsed().as_secs_f32());
        tally.merge(one);
    }
    tally.finish("volumes", count);
}

#[test]
fn both_checkers_agree_about_changed_volumes() {
    sweep(400);
}

#[test]
#[ignore = "a long sweep, at night"]
fn both_checkers_agree_about_very_many_changed_volumes() {
    sweep(20_000);
}
