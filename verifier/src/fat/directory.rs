//! Directories: short and long names, the entries of a folder for itself and its parent, sizes and chains.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::table::Table;
use super::{facts, title, Geometry};
use crate::bytes::{byte, le16, le32, part, word};
use crate::listing::{Entry, EntryKind};
use crate::report::Log;
use crate::source::{bytes_at, ByteSource, ReadFailure};

/// Bytes of an entry, and the most bytes of a directory (65,536 entries).
const ENTRY: usize = 32;
const LEN_MAX: usize = 65_536 * ENTRY;
/// Folders in folders that are followed.
const DEPTH: usize = 128;

const FOLDER: u8 = 0x10;
const LABEL: u8 = 0x08;
const LONG: u8 = 0x0f;

/// What the directories have.
pub(super) struct Names {
    pub(super) entries: Vec<Entry>,
    pub(super) label: Option<Vec<u8>>,
}

/// A folder that is still to be read.
struct Pending {
    path: Vec<u8>,
    first: u32,
    parent: u32,
    depth: usize,
}

struct Walk<'a> {
    volume: &'a dyn ByteSource,
    geometry: &'a Geometry,
    table: &'a mut Table,
    names: Names,
    pending: Vec<Pending>,
    /// Numbers for entries without a cluster of their own.
    empty: u64,
}

/// Reads all directories.
pub(super) fn walk(
    volume: &dyn ByteSource,
    geometry: &Geometry,
    table: &mut Table,
    log: &mut Log<'_>,
) -> Result<Names, ReadFailure> {
    let root = Entry { path: Vec::new(), inode: u64::from(geometry.root), facts: facts(EntryKind::Folder) };
    let names = Names { entries: alloc::vec![root], label: None };
    let first = Pending { path: Vec::new(), first: geometry.root, parent: 0, depth: 0 };
    let mut walk = Walk { volume, geometry, table, names, pending: alloc::vec![first], empty: 1 << 32 };
    while let Some(folder) = walk.pending.pop() {
        walk.folder(&folder, log)?;
    }
    Ok(walk.names)
}

/// The parts of a long name that were read so far.
#[derive(Default)]
struct LongName {
    units: Vec<u16>,
    /// Sequence number that comes next; 0 when the name is whole.
    next: u8,
    sum: u8,
    broken: bool,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Pending, log: &mut Log<'_>) -> Result<(), ReadFailure> {
        let chain = self.table.take(folder.first, &title(&folder.path), log);
        let mut long: Option<LongName> = None;
        let mut seen = BTreeSet::new();
        let (mut index, mut ended) = (0_usize, false);
        for cluster in chain {
            let at = self.geometry.at(cluster);
            let bytes = bytes_at(self.volume, at, self.geometry.cluster as usize)?;
            for (number, entry) in bytes.chunks_exact(ENTRY).enumerate() {
                let at = at.saturating_add((number * ENTRY) as u64);
                index = index.saturating_add(1);
                ended |= byte(entry, 0) == 0;
                if ended {
                    if byte(entry, 0) != 0 {
                        log.wrong(at, format!("{} has entries behind its last one", title(&folder.path)));
                        return Ok(());
                    }
                    continue;
                }
                if byte(entry, 0) == 0xe5 {
                    check_whole(long.take().is_some(), at, log);
                } else if byte(entry, 11) & 0x3f == LONG {
                    long = Some(long_entry(long.take(), entry, at, log));
                } else {
                    let name = long.take();
                    self.entry(folder, entry, index, name, (&mut seen, at), log);
                }
            }
        }
        check_whole(long.is_some(), self.geometry.at(folder.first), log);
        if index.saturating_mul(ENTRY) > LEN_MAX {
            log.wrong(
                self.geometry.at(folder.first),
                format!("{} is longer than a directory may be", title(&folder.path)),
            );
        }
        if folder.depth > 0 && index < 2 {
            log.wrong(self.geometry.at(folder.first), format!("{} is no directory", title(&folder.path)));
        }
        Ok(())
    }

    fn entry(
        &mut self,
        folder: &Pending,
        entry: &[u8],
        index: usize,
        long: Option<LongName>,
        (seen, at): (&mut BTreeSet<Vec<u8>>, u64),
        log: &mut Log<'_>,
    ) {
        let attributes = byte(entry, 11);
        let first = u32::from(le16(entry, 20)) << 16 | u32::from(le16(entry, 26));
        let size = le32(entry, 28);
        if folder.depth > 0 && index <= 2 {
            dots(folder, entry, index, at, first, log);
            check_whole(long.is_some(), at, log);
            return;
        }
        if attributes & LABEL != 0 {
            check_whole(long.is_some(), at, log);
            if folder.depth > 0 || self.names.label.is_some() {
                log.wrong(at, "there is a second label, or one outside of the root directory");
            }
            self.names.label = Some(part(entry, 0, 11).to_vec());
            if first != 0 || size != 0 {
                log.wrong(at, "the label has a cluster or a size");
            }
            return;
        }
        if attributes & 0xc0 != 0 {
            log.wrong(at + 11, "an entry has reserved attributes");
        }
        let short = short_name(entry, at, log);
        let mut spellings = alloc::vec![upper(&short)];
        let name = match long.map(|long| long_name(&long, entry, at, log)) {
            Some(Some(name)) => {
                spellings.push(upper(&name));
                name
            }
            _ => short,
        };
        spellings.dedup();
        for spelling in spellings {
            if !seen.insert(spelling) {
                log.wrong(at, format!("{} has the name {} twice", title(&folder.path), word(&name)));
            }
        }
        let mut path = folder.path.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend(&name);
        self.node(
            Pending { path, first, parent: folder.first, depth: folder.depth + 1 },
            attributes,
            size,
            at,
            log,
        );
    }

    /// Takes what an entry names.
    fn node(&mut self, node: Pending, attributes: u8, size: u32, at: u64, log: &mut Log<'_>) {
        let (title, inode) =
            (title(&node.path), if node.first == 0 { self.empty } else { u64::from(node.first) });
        self.empty = self.empty.saturating_add(1);
        if attributes & FOLDER != 0 {
            log.equal(at + 28, &format!("the size of the folder {title}"), 0, size);
            let entry = Entry { path: node.path.clone(), inode, facts: facts(EntryKind::Folder) };
            self.names.entries.push(entry);
            if node.depth > DEPTH {
                log.unknown(format!("{title} is nested too deeply to be read"));
            } else {
                self.pending.push(node);
            }
            return;
        }
        let needed = u64::from(size).div_ceil(self.geometry.cluster);
        let chain = if node.first == 0 { 0 } else { self.table.take(node.first, &title, log).len() as u64 };
        log.equal(at + 28, &format!("the clusters of {title}, which has {size} bytes"), needed, chain);
        self.names.entries.push(Entry {
            path: node.path,
            inode,
            facts: facts(EntryKind::File(u64::from(size))),
        });
    }
}

/// The first two entries of a folder: itself, and the folder that it is in.
fn dots(folder: &Pending, entry: &[u8], index: usize, at: u64, first: u32, log: &mut Log<'_>) {
    let (name, expected): (&[u8], u32) = match index {
        1 => (b".          ", folder.first),
        // The root directory has number 0 here.
        _ => (b"..         ", if folder.depth == 1 { 0 } else { folder.parent }),
    };
    if part(entry, 0, 11) != name || byte(entry, 11) & (FOLDER | LABEL) != FOLDER {
        log.wrong(
            at,
            format!("{} does not begin with entries for itself and its parent", title(&folder.path)),
        );
    } else {
        log.equal(
            at + 26,
            &format!("the cluster of {} in {}", word(name), title(&folder.path)),
            expected,
            first,
        );
        log.equal(at + 28, "the size of such an entry", 0, le32(entry, 28));
    }
}

fn check_whole(unfinished: bool, at: u64, log: &mut Log<'_>) {
    if unfinished {
        log.wrong(at, "a long name is not followed by its short one");
    }
}

/// Adds a part of a long name; they come from the last to the first.
fn long_entry(before: Option<LongName>, entry: &[u8], at: u64, log: &mut Log<'_>) -> LongName {
    let (sequence, sum) = (byte(entry, 0), byte(entry, 13));
    let mut units: Vec<u16> = Vec::new();
    for (from, count) in [(1, 5), (14, 6), (28, 2)] {
        units.extend((0..count).map(|index| le16(entry, from + 2 * index)));
    }
    let number = sequence & 0x3f;
    if byte(entry, 12) != 0 || le16(entry, 26) != 0 || number == 0 || number > 20 {
        log.wrong(at, "a part of a long name is malformed");
        return LongName { broken: true, ..LongName::default() };
    }
    if sequence & 0x40 != 0 {
        check_whole(before.is_some(), at, log);
        return LongName { units, next: number - 1, sum, broken: false };
    }
    let Some(mut long) = before else {
        log.wrong(at, "a long name begins in its middle");
        return LongName { broken: true, ..LongName::default() };
    };
    if long.next != number || long.sum != sum {
        log.wrong(at, "the parts of a long name do not belong together");
        long.broken = true;
    }
    units.extend(&long.units);
    LongName { units, next: number - 1, ..long }
}

/// The long name, if it is whole and belongs to the short entry behind it.
fn long_name(long: &LongName, entry: &[u8], at: u64, log: &mut Log<'_>) -> Option<Vec<u8>> {
    let sum = part(entry, 0, 11).iter().fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
    if long.broken || long.next != 0 || long.sum != sum {
        log.wrong(at, "a long name is not that of the short one behind it");
        return None;
    }
    let end = long.units.iter().position(|unit| *unit == 0).unwrap_or(long.units.len());
    let (text, rest) = long.units.split_at(end);
    if rest.iter().skip(1).any(|unit| *unit != 0xffff) {
        log.wrong(at, "a long name has characters behind its end");
    }
    let name = String::from_utf16(text).ok();
    let bad = |one: char| one < ' ' || "\"*/:<>?\\|".contains(one);
    match name {
        Some(name) if !name.is_empty() && text.len() <= 255 && !name.contains(bad) => Some(name.into_bytes()),
        _ => {
            log.wrong(at, "a long name has characters that no name has");
            None
        }
    }
}

/// The short name, with the case that the bits of Windows NT give it.
fn short_name(entry: &[u8], at: u64, log: &mut Log<'_>) -> Vec<u8> {
    let raw = part(entry, 0, 11);
    let valid = |byte: u8| {
        byte >= 0x80
            || byte == 5
            || (byte > b' ' && !byte.is_ascii_lowercase() && !b"\"*+,./:;<=>?[\\]|\x7f".contains(&byte))
    };
    let (base, extension) = raw.split_at(8.min(raw.len()));
    let trimmed = |bytes: &[u8], lower: bool| -> Vec<u8> {
        let end = bytes.iter().rposition(|byte| *byte != b' ').map_or(0, |at| at + 1);
        let kept = bytes.iter().take(end);
        kept.map(|byte| if lower { byte.to_ascii_lowercase() } else { *byte }).collect()
    };
    let case = byte(entry, 12);
    let (mut name, extension) = (trimmed(base, case & 8 != 0), trimmed(extension, case & 16 != 0));
    if name.is_empty() || raw.iter().any(|byte| *byte != b' ' && !valid(*byte)) || name.contains(&b' ') {
        log.wrong(at, format!("{} is no short name", word(raw)));
    }
    if let Some(first) = name.first_mut().filter(|first| **first == 5) {
        *first = 0xe5;
    }
    if !extension.is_empty() {
        name.push(b'.');
        name.extend(extension);
    }
    name
}

/// For comparisons: names differ in more than case.
fn upper(name: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(name).to_uppercase().into_bytes()
}
