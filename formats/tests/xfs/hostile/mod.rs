//! Each structure corrupted with a right checksum.

mod attributes;
mod directories;
mod groups;
mod inodes;

use amiforge_formats::xfs::read::XfsDefect;

use crate::fixture::{Image, defect};

/// A corruption: its name, the bytes that it changes, and what is expected of the reader (`true`) or only of the checker.
type Case = (&'static str, fn(&mut Image) -> usize, bool, fn(&XfsDefect) -> bool);

fn put(image: &mut Image, at: usize, bytes: &[u8]) -> usize {
    image.put(at, bytes);
    at
}

fn run(name: &str, cases: &[Case]) {
    let pristine = Image::new(name);
    for (case, corrupt, refused, is_right) in cases {
        let mut image = pristine.clone();
        let at = corrupt(&mut image);
        image.repair(at);
        let (refusal, findings) = image.outcome();
        assert!(findings.iter().any(is_right), "{case}: findings {findings:#?}");
        match refusal {
            Some(error) if *refused => {
                let why = defect(error);
                assert!(is_right(&why), "{case}: {why:?}");
            }
            refusal => assert_eq!(refusal.is_some(), *refused, "{case}: {refusal:?}"),
        }
        image.explain();
    }
}

#[test]
fn every_structure_is_under_its_checksum() {
    for name in ["plain", "small-blocks"] {
        let pristine = Image::new(name);
        // One of each kind of structure.
        let mut kinds = std::collections::BTreeSet::new();
        for one in pristine.structures.clone() {
            let kind = (one.crc, one.len, pristine.bytes[one.at..one.at + 2].to_vec());
            if !kinds.insert(kind) {
                continue;
            }
            let mut image = pristine.clone();
            image.bytes[one.at + one.crc] ^= 1;
            let (_, findings) = image.outcome();
            let found = findings.iter().any(|why| matches!(why, XfsDefect::Checksum { .. }));
            // What is left of a structure that is not in use any more has a checksum too.
            if !found {
                assert_eq!(findings, [], "{name} at {}", one.at);
            }
        }
        assert!(kinds.len() > 8, "{kinds:?}");
    }
}
