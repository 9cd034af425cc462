//! Fuzzes the XFS reader, checker, map and survey: they may refuse what they are given, they may not panic, hang or take
//! unbounded memory. What the reader refuses the checker has a finding for, and contents are within the image.
//!
//! Random bytes would never be a file system, so the first bytes change a small one (a seed of `cargo fuzz` may be longer):
//! each eight are a structure, an offset in it, and bytes. The checksum of the structure is repaired. The image has 20 MiB, of
//! which a tenth is not zero: it is changed in place and put right again, and readers know its holes.
#![no_main]

use std::io;
use std::ops::Range;
use std::sync::{LazyLock, Mutex, PoisonError};

use amiforge_formats::plan::SourceId;
use amiforge_formats::read_at::ReadAt;
use amiforge_formats::tree::{NodeKind, Origin};
use amiforge_formats::volume::FsKind;
use amiforge_formats::xfs::check::check;
use amiforge_formats::xfs::read::open;
use libfuzzer_sys::fuzz_target;

/// Bytes of a change: number of the structure, offset, and four bytes to be put there.
const CHANGE: usize = 8;

/// A structure: first byte, length, and where its checksum is.
type Summed = (usize, usize, usize);

/// Bytes of a page, of which is known whether it is all zeros.
const PAGE: usize = 4096;

/// An image with holes.
struct Image {
    bytes: Vec<u8>,
    /// Whether a page has data. Structures have, so changes do not make other ones.
    pages: Vec<bool>,
    structures: Vec<Summed>,
}

impl ReadAt for Image {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.bytes.read_exact_at(offset, buf)
    }

    fn data_from(&self, from: u64, to: u64) -> io::Result<Option<Range<u64>>> {
        let page = |at: u64| at as usize / PAGE;
        let last = self.pages.len().min(page(to.saturating_add(PAGE as u64 - 1)));
        let Some(first) = (page(from)..last).find(|page| self.pages[*page]) else { return Ok(None) };
        let end = (first..last).find(|page| !self.pages[*page]).unwrap_or(last);
        let data = ((first * PAGE) as u64).max(from)..((end * PAGE) as u64).min(to);
        Ok((data.start < data.end).then_some(data))
    }
}

/// The image of a file system with all kinds of nodes, and its structures.
static IMAGE: LazyLock<Mutex<Image>> = LazyLock::new(|| {
    let packed = include_bytes!("../../fixtures/xfs/small-blocks.z");
    let packed = miniz_oxide::inflate::decompress_to_vec_zlib(packed).expect("the fixture is packed by zlib");
    let number = |at: usize| u64::from_le_bytes(packed[at..at + 8].try_into().expect("eight")) as usize;
    let mut bytes = vec![0; number(0)];
    let mut at = 8;
    while at < packed.len() {
        let (offset, len) = (number(at), number(at + 8));
        bytes[offset..offset + len].copy_from_slice(&packed[at + 16..at + 16 + len]);
        at += 16 + len;
    }
    let structures = (0..bytes.len()).step_by(512).filter_map(|at| structure(&bytes, at)).collect();
    let pages = bytes.chunks(PAGE).map(|page| page.iter().any(|byte| *byte != 0)).collect();
    Mutex::new(Image { bytes, pages, structures })
});

/// The structure at a byte, by its magic number. Blocks and those of directories have 1 KiB, sectors and inodes 512 bytes.
fn structure(image: &[u8], at: usize) -> Option<Summed> {
    Some(match image.get(at..at + 10)? {
        [b'X', b'F', b'S', b'B', ..] => (at, 512, 224),
        [b'X', b'A', b'G', b'F', ..] => (at, 512, 216),
        [b'X', b'A', b'G', b'I', ..] => (at, 512, 312),
        [b'X', b'A', b'F', b'L', ..] => (at, 512, 32),
        [b'A', b'B', b'3', _, ..] | [b'I', b'A', b'B', b'3', ..] => (at, 1024, 52),
        [b'B', b'M', b'A', b'3', ..] => (at, 1024, 64),
        [b'X', b'D', _, b'3', ..] => (at, 1024, 4),
        [b'X', b'A', b'R', b'M', ..] => (at, 1024, 12),
        [b'X', b'S', b'L', b'M', ..] => (at, 2048, 12),
        [b'I', b'N', ..] => (at, 512, 100),
        [.., 0x3b, 0xee] | [.., 0x3d, 0xf1 | 0xff] | [.., 0x3e, 0xbe] => (at, 1024, 12),
        _ => return None,
    })
}

/// Applies the changes, and gives what was there before.
fn change(image: &mut Image, changes: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let mut before = Vec::new();
    for change in changes.chunks_exact(CHANGE).take(8) {
        let number = usize::from(u16::from_le_bytes([change[0], change[1]]));
        let (at, len, crc) = image.structures[number % image.structures.len()];
        before.push((at, image.bytes[at..at + len].to_vec()));
        let within = usize::from(u16::from_le_bytes([change[2], change[3]])) % (len - 4);
        image.bytes[at + within..at + within + 4].copy_from_slice(&change[4..]);
        image.bytes[at + crc..at + crc + 4].fill(0);
        let sum = crc32c::crc32c(&image.bytes[at..at + len]).to_le_bytes();
        image.bytes[at + crc..at + crc + 4].copy_from_slice(&sum);
    }
    before
}

/// Reads, checks, maps and surveys an image.
fn judge(image: &Image) {
    let read = open(image).and_then(|system| system.tree(SourceId(0)));
    if let Ok(tree) = &read {
        for entry in tree.walk() {
            let NodeKind::File(content) = &tree.node(entry.id).kind else { continue };
            for segment in content.segments() {
                let Origin::Slice { at, .. } = segment.origin else { continue };
                assert!(at + segment.len <= image.size());
            }
        }
    }
    if let Ok(report) = check(image) {
        assert!(read.is_ok() || !report.is_clean());
    }
    let _ = FsKind::Xfs.format().map(image);
    let _ = FsKind::Xfs.format().residue(image);
}

fuzz_target!(|bytes: &[u8]| {
    let mut image = IMAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = change(&mut image, bytes);
    judge(&image);
    for (at, bytes) in before.into_iter().rev() {
        image.bytes[at..at + bytes.len()].copy_from_slice(&bytes);
    }
    // Bytes as they come, for what is before the first checksum.
    let _ = check(&bytes);
});
