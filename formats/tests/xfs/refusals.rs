//! What is no file system of version 5, or has what is not read, is refused by name.

use amiforge_formats::plan::SourceId;
use amiforge_formats::xfs::check::check;
use amiforge_formats::xfs::read::{XfsDefect, XfsReadError, open};

use super::fixture::{Image, defect};

/// What the reader says of an image with some bytes of the superblock changed.
fn refused(at: usize, bytes: &[u8]) -> XfsReadError {
    let mut image = Image::new("empty");
    image.put(at, bytes);
    image.repair(0);
    let error = open(&image.bytes).map(|_| ()).unwrap_err();
    assert!(check(&image.bytes).map_or(true, |report| !report.is_clean()));
    error
}

#[test]
fn features_that_are_not_read_are_named() {
    for (bits, name) in [
        (0x103_u32, "metadir"),
        (0x203, "zoned"),
        (0x403, "zone_gaps"),
        (0x8000_0003, "incompat bit 31"),
        (0x102, "metadir, ftype=0"),
    ] {
        match refused(216, &bits.to_be_bytes()) {
            XfsReadError::Features { names } => assert_eq!(names, name),
            error => panic!("{error}"),
        }
    }
    assert!(matches!(refused(216, &0x13_u32.to_be_bytes()), XfsReadError::NeedsRepair));
    match refused(100, &[0xf4, 0xb5]) {
        XfsReadError::Features { names } => assert_eq!(names, "ascii-ci"),
        error => panic!("{error}"),
    }
    let mut image = Image::new("empty");
    image.put(212, &0x8d_u32.to_be_bytes());
    image.repair(0);
    assert!(open(&image.bytes).is_ok());
    match check(&image.bytes).unwrap_err() {
        XfsReadError::Features { names } => assert_eq!(names, "ro_compat bit 7"),
        error => panic!("{error}"),
    }
}

#[test]
fn versions_states_and_lengths_are_refused() {
    assert!(matches!(refused(0, b"XFSC"), XfsReadError::NotXfs { found: 0x5846_5343 }));
    assert!(matches!(refused(100, &[0xb4, 0xb4]), XfsReadError::Version { version: 4 }));
    assert!(matches!(refused(126, &[1]), XfsReadError::InProgress));
    assert!(matches!(refused(48, &[0; 8]), XfsReadError::ExternalLog));
    let image = Image::new("empty");
    for len in (0..image.bytes.len()).step_by(100_003) {
        let short = image.bytes[..len].to_vec();
        assert!(matches!(open(&short).map(|_| ()), Err(XfsReadError::Truncated { .. })), "{len}");
        assert!(check(&short).is_err());
    }
}

#[test]
fn geometries_that_cannot_be_are_refused() {
    for (at, bytes) in [
        (4, &[0, 0, 16, 1][..]),
        (8, &[0xff; 8]),
        (8, &[0; 8]),
        (84, &[0, 0, 0, 0]),
        (84, &[0xff; 4]),
        (88, &[0, 0, 0, 0]),
        (88, &[0xff; 4]),
        (102, &[3, 0]),
        (104, &[1, 1]),
        (106, &[0, 0]),
        (120, &[17]),
        (120, &[0xff]),
        (121, &[0]),
        (121, &[16]),
        (122, &[8]),
        (122, &[12]),
        (123, &[9]),
        (124, &[63]),
        (192, &[9]),
        (192, &[0xff]),
        (96, &[0xff; 4]),
        (48, &[0xff; 8]),
    ] {
        let why = defect(refused(at, bytes));
        assert!(
            matches!(why, XfsDefect::Range { .. } | XfsDefect::Value { .. } | XfsDefect::Outside { .. }),
            "{at}: {why}"
        );
    }
    let why = defect(Image::new("empty").clone().changed_root(3));
    assert!(matches!(why, XfsDefect::Value { field: "di_magic", .. }), "{why}");
    let why = defect(Image::new("empty").clone().changed_root(1 << 60));
    assert!(matches!(why, XfsDefect::Outside { what: "an inode", .. }), "{why}");
}

impl Image {
    /// The refusal of an image with another number of the root.
    fn changed_root(mut self, root: u64) -> XfsReadError {
        self.put(56, &root.to_be_bytes());
        self.repair(0);
        open(&self.bytes).unwrap().tree(SourceId(0)).unwrap_err()
    }
}

#[test]
fn a_file_on_the_real_time_device_is_refused_by_its_number() {
    let mut image = Image::new("plain");
    let at = image.inode("kinds/odd");
    image.put(at + 91, &[1]);
    image.repair(at);
    let error = open(&image.bytes).unwrap().tree(SourceId(0)).unwrap_err();
    assert!(
        matches!(&error, XfsReadError::Corrupt(corruption) if corruption.why == XfsDefect::RealTime),
        "{error}"
    );
    assert!(error.to_string().contains(&format!("inode {}", Image::new("plain").node("kinds/odd").number)));
}
