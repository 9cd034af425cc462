//! Seeds for the fuzz target `xfs`: changes of every kind of structure, as the target applies them to the same image, and the
//! heads of whole images.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::fixture::{Image, NAMES};

/// Structures of each kind that are changed.
const EACH: usize = 2;

/// Offsets within a structure, and what is put there in turn.
const OFFSETS: [u16; 10] = [4, 8, 16, 24, 32, 40, 48, 56, 64, 76];
const VALUES: [u32; 4] = [0, 1, u32::MAX, 0x8000_0000];

/// Bytes of the head of an image.
const HEAD: usize = 64 << 10;

#[test]
#[ignore = "writes seeds"]
fn seeds_for_the_fuzz_target_are_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/xfs");
    fs::create_dir_all(&folder).unwrap();
    let image = Image::new("small-blocks");
    let mut of_kind: BTreeMap<[u8; 4], usize> = BTreeMap::new();
    let mut written = 0_usize;
    for (number, structure) in image.structures.iter().enumerate() {
        let magic: [u8; 4] = image.bytes[structure.at..structure.at + 4].try_into().unwrap();
        // Nodes of directories have theirs at another place, and inodes begin with two letters and a mode.
        let kind = if magic.starts_with(b"IN") { *b"IN\0\0" } else { magic };
        let count = of_kind.entry(kind).or_default();
        *count += 1;
        if *count > EACH || written > 400 {
            continue;
        }
        for (offset, value) in OFFSETS.iter().zip(VALUES.iter().cycle()) {
            let number = u16::try_from(number).unwrap().to_le_bytes();
            let seed = [&number[..], &offset.to_le_bytes(), &value.to_be_bytes()].concat();
            fs::write(folder.join(format!("change-{written}")), seed).unwrap();
            written += 1;
        }
    }
    for name in NAMES {
        let image = Image::new(name);
        fs::write(folder.join(format!("head-{name}")), &image.bytes[..HEAD]).unwrap();
    }
    assert!(written > 100, "{written}");
}
