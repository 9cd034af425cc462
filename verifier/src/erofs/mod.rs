//! EROFS without compression, after the kernel's documentation (filesystems/erofs, `erofs_fs.h`): superblock, every inode
//! that a directory names, directories in order, extended attributes, ranges of content.

mod directory;
mod inode;
mod xattr;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::bytes::{array, byte, le16, le32, le64, part, uuid_text, word};
use crate::crc::crc32c;
use crate::listing::{Entry, EntryKind, FileFacts, Volume};
use crate::report::Log;
use crate::source::{bytes_at, ByteSource, ReadFailure};

use inode::Inode;

/// Where the superblock is, and its length.
const SUPERBLOCK: u64 = 1024;
const SUPERBLOCK_LEN: usize = 128;
/// Optional features that change nothing for a reader: checksum, mtime, filter of attributes.
const COMPATIBLE: u32 = 1 | 2 | 4;
/// Required features that are known: chunks.
const CHUNKED: u32 = 4;
/// Folders in folders that are followed.
const DEPTH: usize = 1024;

/// Numbers of the superblock.
#[derive(Debug, Clone, Copy)]
struct Layout {
    block: u64,
    bits: u32,
    blocks: u64,
    root: u64,
    inodes: u64,
    meta: u64,
    xattrs: u64,
    build_secs: i64,
    build_nanos: u32,
}

impl Layout {
    /// First byte of the inode of a number.
    fn inode_at(&self, nid: u64) -> Option<u64> {
        self.meta.checked_mul(self.block)?.checked_add(nid.checked_mul(32)?)
    }

    /// Bytes of the blocks that there are.
    fn len(&self) -> u64 {
        self.blocks.saturating_mul(self.block)
    }
}

/// Checks a volume and lists its names.
///
/// # Errors
/// [`ReadFailure`].
pub fn check(volume: &dyn ByteSource, log: &mut Log<'_>) -> Result<Option<Volume>, ReadFailure> {
    let bytes = bytes_at(volume, SUPERBLOCK, SUPERBLOCK_LEN)?;
    let Some(layout) = superblock(volume, &bytes, log)? else { return Ok(None) };
    let mut walk = Walk {
        volume,
        layout,
        entries: Vec::new(),
        inodes: BTreeMap::new(),
        links: BTreeMap::new(),
        subfolders: BTreeMap::new(),
        ranges: Vec::new(),
        work: 0,
    };
    walk.all(log)?;
    walk.check_counts(log);
    walk.check_overlaps(log);
    let id = Some(uuid_text(array(&bytes, 48)));
    Ok(Some(Volume { id, entries: Some(walk.entries), names_only: false }))
}

fn superblock(
    volume: &dyn ByteSource,
    bytes: &[u8],
    log: &mut Log<'_>,
) -> Result<Option<Layout>, ReadFailure> {
    let at = SUPERBLOCK;
    if le32(bytes, 0) != 0xe0f5_e1e2 {
        log.wrong(at, "it has no superblock of EROFS");
        return Ok(None);
    }
    let (compatible, required) = (le32(bytes, 8), le32(bytes, 80));
    if compatible & !COMPATIBLE != 0 || required & !CHUNKED != 0 {
        log.unknown(format!("features {compatible:#x} and {required:#x} of EROFS are not all known"));
        return Ok(None);
    }
    let bits = u32::from(byte(bytes, 12));
    if !(9..=16).contains(&bits) || byte(bytes, 90) != 0 {
        log.wrong(
            at + 12,
            format!("blocks of 2^{bits} bytes, or blocks of directories of another size, are not known"),
        );
        return Ok(None);
    }
    let block = 1_u64 << bits;
    if compatible & 1 != 0 {
        let len = block.saturating_sub(SUPERBLOCK).max(SUPERBLOCK_LEN as u64);
        let mut covered = bytes_at(volume, SUPERBLOCK, len as usize)?;
        if let Some(sum) = covered.get_mut(4..8) {
            sum.fill(0);
        }
        log.equal(at + 4, "the checksum of the superblock", crc32c(!0, &covered), le32(bytes, 4));
    } else {
        log.wrong(at + 8, "the superblock has no checksum");
    }
    let layout = Layout {
        block,
        bits,
        blocks: u64::from(le32(bytes, 36)),
        root: u64::from(le16(bytes, 14)),
        inodes: le64(bytes, 16),
        meta: u64::from(le32(bytes, 40)),
        xattrs: u64::from(le32(bytes, 44)),
        build_secs: le64(bytes, 24) as i64,
        build_nanos: le32(bytes, 32),
    };
    if layout.len() > volume.size() || layout.blocks == 0 {
        log.wrong(at + 36, format!("{} blocks do not fit in {} bytes", layout.blocks, volume.size()));
        return Ok(None);
    }
    if layout.meta.max(layout.xattrs) > layout.blocks {
        log.wrong(at + 40, "inodes or shared attributes begin behind the last block");
        return Ok(None);
    }
    log.equal(at + 13, "the slots of the superblock", 0, byte(bytes, 13));
    Ok(Some(layout))
}

/// Why a range is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum RangeUse {
    Metadata,
    Content,
}

struct Walk<'a> {
    volume: &'a dyn ByteSource,
    layout: Layout,
    entries: Vec<Entry>,
    inodes: BTreeMap<u64, Inode>,
    links: BTreeMap<u64, u64>,
    subfolders: BTreeMap<u64, u64>,
    ranges: Vec<(u64, u64, RangeUse, u64)>,
    /// Bytes of directories, lists and attributes that were read. Inodes may share them, so their sum has a bound.
    work: u64,
}

impl Walk<'_> {
    fn all(&mut self, log: &mut Log<'_>) -> Result<(), ReadFailure> {
        let root = self.layout.root;
        if !self.load(root, b"", log)? {
            return Ok(());
        }
        if !self.is_folder(root) {
            log.wrong(None, "the root is no directory");
            return Ok(());
        }
        self.add(Vec::new(), root);
        let mut read = BTreeSet::new();
        let mut pending = alloc::vec![(Vec::new(), root, root, 0)];
        while let Some((path, nid, parent, depth)) = pending.pop() {
            if !read.insert(nid) {
                log.wrong(None, format!("the directory /{} is in two directories", word(&path)));
                continue;
            }
            let Some(inode) = self.inodes.get(&nid).cloned() else { continue };
            if !self.afford(inode.size, log) {
                return Ok(());
            }
            let Some(names) = directory::read(self.volume, &self.layout, &inode, (nid, parent), log)? else {
                continue;
            };
            for name in names {
                let mut path: Vec<u8> = path.clone();
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend(&name.name);
                if !self.load(name.nid, &path, log)? {
                    continue;
                }
                let kind = self.inodes.get(&name.nid).map_or(0, Inode::directory_type);
                log.equal(
                    name.at,
                    &format!("the type of /{} in its directory", word(&path)),
                    kind,
                    name.kind,
                );
                *self.links.entry(name.nid).or_default() += 1;
                self.add(path.clone(), name.nid);
                if !self.is_folder(name.nid) {
                    continue;
                }
                *self.subfolders.entry(nid).or_default() += 1;
                if depth >= DEPTH || path.len() > 65_536 {
                    log.unknown(format!("/{} is nested too deeply to be read", word(&path)));
                } else {
                    pending.push((path, name.nid, nid, depth + 1));
                }
            }
        }
        Ok(())
    }

    /// Whether further bytes may be read: no honest volume has more of them than four times its length.
    fn afford(&mut self, more: u64, log: &mut Log<'_>) -> bool {
        let before = self.work;
        self.work = before.saturating_add(more);
        let most = self.layout.len().saturating_mul(4);
        if before <= most && self.work > most {
            log.wrong(None, "its directories and attributes are longer than the volume can hold");
        }
        self.work <= most
    }

    fn is_folder(&self, nid: u64) -> bool {
        self.inodes.get(&nid).is_some_and(|inode| matches!(inode.facts.kind, EntryKind::Folder))
    }

    /// Reads an inode that was not read before; whether there is one.
    fn load(&mut self, nid: u64, path: &[u8], log: &mut Log<'_>) -> Result<bool, ReadFailure> {
        if self.inodes.contains_key(&nid) {
            return Ok(true);
        }
        let title = format!("/{}", word(path));
        if !self.afford(0, log) {
            return Ok(false);
        }
        let Some(inode) = Inode::read(self.volume, &self.layout, nid, &title, log)? else { return Ok(false) };
        let attributes = inode.facts.xattrs.values().map(|value| value.len() as u64).sum::<u64>();
        self.work = self.work.saturating_add(attributes).saturating_add(inode.blocks.len() as u64);
        self.ranges.push((inode.at, inode.end, RangeUse::Metadata, nid));
        let content = inode.blocks.iter().map(|range| (range.start, range.end, RangeUse::Content, nid));
        self.ranges.extend(content);
        self.inodes.insert(nid, inode);
        Ok(true)
    }

    fn add(&mut self, path: Vec<u8>, nid: u64) {
        if let Some(inode) = self.inodes.get(&nid) {
            self.entries.push(Entry { path, inode: nid, facts: inode.facts.clone() });
        }
    }

    /// Link counts, and the number of inodes in the superblock.
    fn check_counts(&self, log: &mut Log<'_>) {
        log.equal(
            SUPERBLOCK + 16,
            "the inodes of the superblock",
            self.inodes.len() as u64,
            self.layout.inodes,
        );
        for (nid, inode) in &self.inodes {
            let folders = self.subfolders.get(nid).copied().unwrap_or(0);
            let names = self.links.get(nid).copied().unwrap_or(0);
            let links = if self.is_folder(*nid) { folders.saturating_add(2) } else { names };
            log.equal(inode.at, &format!("the links of inode {nid}"), links, u64::from(inode.links));
        }
    }

    /// No byte belongs to two inodes, or to an inode and to content.
    fn check_overlaps(&mut self, log: &mut Log<'_>) {
        self.ranges.push((SUPERBLOCK, SUPERBLOCK + SUPERBLOCK_LEN as u64, RangeUse::Metadata, 0));
        self.ranges.sort_unstable();
        let mut last: Option<(u64, u64, RangeUse, u64)> = None;
        for range in &self.ranges {
            if let Some(before) = last.filter(|before| before.1 > range.0) {
                log.wrong(range.0, format!("bytes belong to the inodes {} and {}", before.3, range.3));
            }
            if last.map_or(true, |before| before.1 < range.1) {
                last = Some(*range);
            }
        }
    }
}

fn no_facts(kind: EntryKind) -> FileFacts {
    FileFacts { kind, mode: 0, uid: 0, gid: 0, secs: 0, nanos: 0, xattrs: BTreeMap::new() }
}

/// A name as a message has it.
fn quoted(name: &[u8]) -> String {
    word(part(name, 0, name.len().min(255)))
}
