//! The images of `fixtures/xfs`, and their checksums made right again after a change.

use std::path::PathBuf;

use amiforge_formats::plan::SourceId;
use amiforge_formats::read_at::ReadAt;
use amiforge_formats::tree::{NodeKind, Origin};
use amiforge_formats::volume::FsKind;
use amiforge_formats::xfs::check::check;
use amiforge_formats::xfs::read::{XfsDefect, XfsInode, XfsReadError, open};

/// The images there are.
pub(crate) const NAMES: [&str; 6] =
    ["plain", "small-blocks", "large-blocks", "large-directories", "large-sectors", "empty"];

fn unpacked(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/xfs").join(name);
    miniz_oxide::inflate::decompress_to_vec_zlib(&std::fs::read(path).unwrap()).unwrap()
}

/// The lines that the kernel gave for an image.
pub(crate) fn lines(name: &str) -> String {
    String::from_utf8(unpacked(&format!("{name}.txt.z"))).unwrap()
}

/// A structure with a checksum: its first byte, its length, and where the checksum is in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Summed {
    pub(crate) at: usize,
    pub(crate) len: usize,
    pub(crate) crc: usize,
}

/// An image in memory.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) bytes: Vec<u8>,
    pub(crate) structures: Vec<Summed>,
}

impl Image {
    pub(crate) fn new(name: &str) -> Self {
        let packed = unpacked(&format!("{name}.z"));
        let number = |at: usize| u64::from_le_bytes(packed[at..at + 8].try_into().unwrap()) as usize;
        let mut bytes = vec![0; number(0)];
        let mut at = 8;
        while at < packed.len() {
            let (offset, len) = (number(at), number(at + 8));
            bytes[offset..offset + len].copy_from_slice(&packed[at + 16..at + 16 + len]);
            at += 16 + len;
        }
        let structures = structures(&bytes);
        Self { bytes, structures }
    }

    /// The inode at a path.
    pub(crate) fn node(&self, path: &str) -> XfsInode {
        let system = open(&self.bytes).unwrap();
        system.inode(system.inode_of(path.as_bytes()).unwrap().unwrap()).unwrap()
    }

    /// First byte of the inode at a path.
    pub(crate) fn inode(&self, path: &str) -> usize {
        self.node(path).offset as usize
    }

    /// First byte of a block of the content at a path.
    pub(crate) fn block(&self, path: &str, logical: u64) -> usize {
        let system = open(&self.bytes).unwrap();
        let linear = system.mapping(&self.node(path)).unwrap().find(logical).unwrap();
        (linear * u64::from(system.superblock().block_size)) as usize
    }

    /// First byte of the first structure with a magic number of its own in its first bytes.
    pub(crate) fn with_magic(&self, magic: &[u8]) -> usize {
        self.structures.iter().find(|one| self.bytes[one.at..].starts_with(magic)).unwrap().at
    }

    /// First byte of the first block of a tree with a magic number that has records or keys.
    pub(crate) fn with_records(&self, magic: &[u8]) -> usize {
        let is_one = |at: usize| self.bytes[at..].starts_with(magic) && self.bytes[at + 6..at + 8] != [0, 0];
        self.structures.iter().map(|one| one.at).find(|at| is_one(*at)).unwrap()
    }

    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Makes the checksum of the structure around a byte right.
    pub(crate) fn repair(&mut self, at: usize) {
        let after = self.structures.partition_point(|one| one.at <= at);
        let Some(one) = after.checked_sub(1).map(|last| self.structures[last]) else { return };
        if at < one.at + one.len {
            repair(&mut self.bytes[one.at..one.at + one.len], one.crc);
        }
    }

    /// The error of the reader, and the findings of the checker. Contents that the reader gives are within the image.
    pub(crate) fn outcome(&self) -> (Option<XfsReadError>, Vec<XfsDefect>) {
        let read = open(&self.bytes).and_then(|system| system.tree(SourceId(0)));
        if let Ok(tree) = &read {
            for entry in tree.walk() {
                let NodeKind::File(content) = &tree.node(entry.id).kind else { continue };
                for segment in content.segments() {
                    let Origin::Slice { at, .. } = segment.origin else { panic!("bytes of nowhere") };
                    assert!(at + segment.len <= self.bytes.len() as u64);
                }
            }
        }
        let findings = match check(&self.bytes) {
            Ok(report) => report.findings.into_iter().map(|finding| finding.corruption.why).collect(),
            Err(error) => vec![defect(error)],
        };
        (read.err(), findings)
    }

    /// Maps and surveys: they may refuse, they may not panic.
    pub(crate) fn explain(&self) {
        let volume: &dyn ReadAt = &self.bytes;
        let _ = FsKind::Xfs.format().map(volume);
        let _ = FsKind::Xfs.format().residue(volume);
    }
}

fn repair(structure: &mut [u8], crc: usize) {
    structure[crc..crc + 4].fill(0);
    let sum = crc32c::crc32c(structure).to_le_bytes();
    structure[crc..crc + 4].copy_from_slice(&sum);
}

/// The structures with a right checksum, by their magic numbers.
fn structures(bytes: &[u8]) -> Vec<Summed> {
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let short = |at: usize| usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
    let (block, sector, inode) = (number(4), short(102), short(104));
    let dir = block << bytes[192];
    let mut found = Vec::new();
    let mut at = 0;
    while at + 512 <= bytes.len() {
        let of_sector = |crc| Some((sector, crc));
        let shape = match &bytes[at..at + 4] {
            b"XFSB" => of_sector(224),
            b"XAGF" => of_sector(216),
            b"XAGI" => of_sector(312),
            b"XAFL" => of_sector(32),
            b"AB3B" | b"AB3C" | b"IAB3" | b"FIB3" | b"RMB3" | b"R3FC" => Some((block, 52)),
            b"BMA3" => Some((block, 64)),
            b"XDB3" | b"XDD3" | b"XDF3" => Some((dir, 4)),
            b"XARM" | b"XSLM" => Some((block, 12)),
            [b'I', b'N', ..] => Some((inode, 100)),
            _ => match short(at + 8) {
                0x3bee => Some((block, 12)),
                0x3df1 | 0x3dff => Some((dir, 12)),
                // Of a directory or of attributes: the length with which the checksum is right.
                0x3ebe => Some((if is_right(&bytes[at..], block, 12) { block } else { dir }, 12)),
                _ => None,
            },
        };
        match shape {
            Some((len, crc)) if is_right(&bytes[at..], len, crc) => {
                found.push(Summed { at, len, crc });
                at += len;
            }
            _ => at += 512,
        }
    }
    found
}

fn is_right(bytes: &[u8], len: usize, crc: usize) -> bool {
    let Some(structure) = bytes.get(..len) else { return false };
    let mut repaired = structure.to_vec();
    repair(&mut repaired, crc);
    repaired == structure
}

/// The defect of an error; one that is none stands for errors of other kinds.
pub(crate) fn defect(error: XfsReadError) -> XfsDefect {
    match error {
        XfsReadError::Corrupt(corruption) => corruption.why,
        other => XfsDefect::Missing { what: Box::leak(other.to_string().into_boxed_str()) },
    }
}
