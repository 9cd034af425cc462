//! The superblock.

use amiforge_formats::erofs::check::check;
use amiforge_formats::erofs::read::{ErofsDefect, ErofsReadError, open};

use super::fixture::{Image, Outcome, SUPERBLOCK, run};

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn fields_without_a_meaning_are_refused() {
    run(&[
        (
            "block size",
            |image| image.put(SUPERBLOCK + 12, &[8]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Range { field: "blkszbits", found: 8, .. }),
        ),
        (
            "large block size",
            |image| image.put(SUPERBLOCK + 12, &[40]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Range { field: "blkszbits", .. }),
        ),
        (
            "blocks",
            |image| image.put(SUPERBLOCK + 36, &[0xff; 4]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Range { field: "blocks", .. }),
        ),
        (
            "extension",
            |image| image.put(SUPERBLOCK + 36, &[1, 0, 0, 0, 0, 0, 0, 0]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Outside { .. }),
        ),
        (
            "directory blocks",
            |image| image.put(SUPERBLOCK + 90, &[1]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Value { field: "dirblkbits", found: 1, expected: 0 }),
        ),
        (
            "nanoseconds",
            |image| image.put(SUPERBLOCK + 32, &[0xff; 4]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Range { field: "build_time_nsec", .. }),
        ),
        (
            "root is a file",
            |image| image.put(SUPERBLOCK + 14, &(image.nid("inline") as u16).to_le_bytes()),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Value { field: "type of the root", found: 1, expected: 2 }),
        ),
        (
            "root is nothing",
            |image| image.put(SUPERBLOCK + 14, &[0, 0]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Meaningless { field: "i_mode", found: 0 }),
        ),
        (
            "root is behind the end",
            |image| image.put(SUPERBLOCK + 40, &[0xff, 0xff, 0, 0]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Outside { what: "the inode", .. }),
        ),
        (
            "inodes",
            |image| image.put(SUPERBLOCK + 16, &[1]),
            Outcome::Found,
            |why| matches!(why, ErofsDefect::Value { field: "inos", .. }),
        ),
    ]);
}

#[test]
fn every_byte_of_the_first_block_is_under_the_checksum() {
    let image = Image::new();
    for at in [1028, 1040, 1100, 1151, 1152, 1500, 4095] {
        let mut image = image.clone();
        image.bytes[at] ^= 1;
        let Err(ErofsReadError::Corrupt(error)) = open(&image.bytes).map(|_| ()) else { panic!("byte {at}") };
        assert!(matches!(error.why, ErofsDefect::Checksum { .. } | ErofsDefect::Range { .. }), "{error}");
        assert!(!check(&image.bytes).unwrap().is_clean());
    }
}

#[test]
fn features_that_are_not_read_are_named() {
    let image = Image::new();
    for (bits, name) in [
        (0x8_u32, "device_table/compr_head2"),
        (0x40, "xattr_prefixes"),
        (0x80, "48bit"),
        (0x100, "metabox"),
        (0x8000_0000, "0x80000000"),
        (0x4180, "48bit, metabox, 0x4000"),
    ] {
        let mut image = image.clone();
        image.put(SUPERBLOCK + 80, &bits.to_le_bytes());
        image.repair();
        for error in [open(&image.bytes).map(|_| ()).unwrap_err(), check(&image.bytes).unwrap_err()] {
            let ErofsReadError::Features { names } = &error else { panic!("{error}") };
            assert_eq!(names, name);
        }
    }
    // What only compressed inodes use is no reason to refuse the others.
    let mut image = image;
    image.put(SUPERBLOCK + 80, &0x37_u32.to_le_bytes());
    image.repair();
    assert!(open(&image.bytes).is_ok());
}

#[test]
fn what_is_no_erofs_or_ends_early_is_refused() {
    let image = Image::new();
    assert!(matches!(open(&vec![0; 8192]).map(|_| ()), Err(ErofsReadError::NotErofs { found: 0 })));
    for len in (0..image.bytes.len()).step_by(509) {
        let short = Image { bytes: image.bytes[..len].to_vec(), ..image.clone() };
        assert!(short.outcome().0.is_some(), "{len}");
    }
}
