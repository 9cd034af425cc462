//! Blocks of directory entries: entries and the unused bytes between them.

use super::block::XfsBlock;
use super::error::{XfsCorruptionSink, XfsDefect, XfsReadError, value};
use crate::fields;
use crate::xfs::spec::{DIR_DATA_HEADER, DIR_FREE_TAG};

/// Where entries begin.
pub(crate) const FIRST: usize = DIR_DATA_HEADER;
/// Bytes of an entry before its name.
const HEAD: usize = 9;
/// Bytes of an entry behind its name: type and tag.
const BEHIND: usize = 3;
/// Entries of the table of the longest unused runs.
const BESTS: usize = 3;

/// An entry as stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DirBlockEntry<'b> {
    pub(crate) inode: u64,
    pub(crate) name: &'b [u8],
    pub(crate) file_type: u8,
    /// Bytes of it.
    pub(crate) len: usize,
}

/// A part of a block: an entry or unused bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DirBlockPart<'b> {
    /// An entry.
    Entry(DirBlockEntry<'b>),
    /// As many unused bytes, their tags included.
    Unused(usize),
}

impl DirBlockPart<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Entry(entry) => entry.len,
            Self::Unused(len) => *len,
        }
    }
}

/// Goes through the entries of a block up to `end`.
pub(crate) fn entries<'b>(
    block: &'b XfsBlock,
    end: usize,
    sink: &mut dyn XfsCorruptionSink,
    take: &mut dyn FnMut(usize, DirBlockEntry<'b>),
) -> Result<(), XfsReadError> {
    parts(block, end, sink, &mut |at, part| {
        if let DirBlockPart::Entry(entry) = part {
            take(at, entry);
        }
    })
}

/// Goes through the parts of a block up to `end`. A part that cannot be ends the block.
pub(crate) fn parts<'b>(
    block: &'b XfsBlock,
    end: usize,
    sink: &mut dyn XfsCorruptionSink,
    take: &mut dyn FnMut(usize, DirBlockPart<'b>),
) -> Result<(), XfsReadError> {
    let bytes = block.bytes.get(..end).unwrap_or(&block.bytes);
    let mut at = FIRST;
    let mut unused = Vec::new();
    while at < bytes.len() {
        let part = match part(bytes, at) {
            Ok(part) => part,
            Err(why) => return sink.report(block.corruption(why)),
        };
        if let DirBlockPart::Unused(len) = part {
            unused.push((len, at));
        }
        take(at, part);
        at += part.len();
    }
    bests(block, unused, sink)
}

/// The part at a byte.
fn part(bytes: &[u8], at: usize) -> Result<DirBlockPart<'_>, XfsDefect> {
    let left = (bytes.len() - at) as u64;
    let (part, len) = if fields::be16(bytes, at) == DIR_FREE_TAG {
        let len = usize::from(fields::be16(bytes, at + 2));
        (DirBlockPart::Unused(len), len)
    } else {
        let name_len = usize::from(fields::u8(bytes, at + 8));
        let len = (HEAD + name_len + BEHIND).next_multiple_of(8);
        let name = bytes.get(at + HEAD..at + HEAD + name_len).unwrap_or(&[]);
        let file_type = fields::u8(bytes, at + HEAD + name_len);
        let entry = DirBlockEntry { inode: fields::be64(bytes, at), name, file_type, len };
        (DirBlockPart::Entry(entry), len)
    };
    if len < 8 || len % 8 != 0 || len as u64 > left {
        return Err(XfsDefect::Range {
            field: "length of an entry",
            found: len as u64,
            least: 8,
            most: left,
        });
    }
    let tag = fields::be16(bytes, at + len - 2);
    value("tag of an entry", tag.into(), at as u64).map_or(Ok(part), Err)
}

/// The table of the longest unused runs is right: as long as they are, and where there are some.
fn bests(
    block: &XfsBlock,
    mut unused: Vec<(usize, usize)>,
    sink: &mut dyn XfsCorruptionSink,
) -> Result<(), XfsReadError> {
    unused.sort_unstable_by(|a, b| b.cmp(a));
    for slot in 0..BESTS {
        let entry = |at: usize| usize::from(fields::be16(&block.bytes, 48 + slot * 4 + at));
        let (found, at) = (entry(2), entry(0));
        let expected = unused.get(slot).map_or(0, |(len, _)| *len);
        if let Some(why) = value("length of an unused run", found as u64, expected as u64) {
            sink.report(block.corruption(why))?;
        } else if found > 0 && !unused.contains(&(found, at)) {
            let why = XfsDefect::Meaningless { field: "offset of an unused run", found: at as u64 };
            sink.report(block.corruption(why))?;
        }
    }
    Ok(())
}
