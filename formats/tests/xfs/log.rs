//! The state of the log.

use amiforge_formats::xfs::check::check;
use amiforge_formats::xfs::read::{XfsReadError, open};

use super::fixture::Image;

const SECTOR: usize = 512;

/// First and last sector of the log, as bytes, and the header of its last record.
fn log(image: &Image) -> (usize, usize, usize) {
    let system = open(&image.bytes).unwrap();
    let superblock = system.superblock();
    let log = superblock.log_start;
    let group = (log >> superblock.logs.group) * u64::from(superblock.group_blocks);
    let start =
        (group + (log & ((1 << superblock.logs.group) - 1))) as usize * superblock.block_size as usize;
    let end = start + superblock.log_blocks as usize * superblock.block_size as usize;
    let header =
        (start..end).step_by(SECTOR).rfind(|&at| image.bytes[at..].starts_with(&[0xfe, 0xed, 0xba, 0xbe]));
    (start, end, header.unwrap())
}

fn is_dirty(image: &Image) -> bool {
    let dirty = matches!(open(&image.bytes).map(|_| ()), Err(XfsReadError::DirtyLog));
    assert_eq!(dirty, matches!(check(&image.bytes), Err(XfsReadError::DirtyLog)));
    dirty
}

#[test]
fn a_log_whose_last_record_is_not_that_of_an_unmount_is_refused() {
    for name in ["plain", "large-sectors", "empty"] {
        let image = Image::new(name);
        let (start, end, header) = log(&image);
        assert!(!is_dirty(&image));
        let size = u32::from_be_bytes(image.bytes[header + 320..header + 324].try_into().unwrap());
        let operation = header + SECTOR * size.div_ceil(32 << 10).max(1) as usize;
        for (at, bytes) in [
            (operation + 9, &[0][..]),
            (header + 40, &[0, 0, 0, 2]),
            (header + 304, &[1]),
            (header + 12, &[0, 0, 0, 0]),
            (header + 12, &[0xff; 4]),
            (header, &[0]),
            (operation + 100, &[1]),
        ] {
            let mut image = image.clone();
            image.put(at, bytes);
            assert!(is_dirty(&image), "{name}: {at}");
        }
        // A further record, begun or whole.
        let mut further = image.clone();
        let (round, behind) = (image.bytes[header + 4..header + 8].to_vec(), operation + SECTOR);
        let behind = (behind..end).step_by(SECTOR).find(|&at| image.bytes[at..at + 4] != round[..]).unwrap();
        further.put(behind, &round);
        assert!(is_dirty(&further));
        let mut zeroed = image.clone();
        zeroed.bytes[start..end].fill(0);
        assert!(!is_dirty(&zeroed));
        zeroed.bytes[end - SECTOR] = 1;
        assert!(is_dirty(&zeroed));
    }
}

#[test]
fn the_refusal_says_what_to_do() {
    let mut image = Image::new("plain");
    let (_, _, header) = log(&image);
    image.put(header + 40, &[7]);
    let error = open(&image.bytes).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "the log was not replayed: mount the file system once, and unmount it");
}
