//! Extended attributes: those behind an inode, and those that it shares with others.

use super::ErofsFileSystem;
use super::error::{ErofsCorruption, ErofsCorruptionSink, ErofsDefect, ErofsLocation, ErofsReadError};
use super::inode::ErofsInode;
use super::read_exact;
use crate::erofs::spec::{XATTR_ENTRY, XATTR_HEADER, XATTR_PREFIXES};
use crate::fields;
use crate::read_at::ReadAt;
use crate::tree::Xattrs;

/// Bytes of shared attributes that may be read, where the image is shorter.
const SHARED_LEAST: u64 = 16 << 20;

/// Reads the attributes of an inode; `shared` counts the bytes of shared ones over all inodes.
pub(super) fn read<R: ReadAt + ?Sized>(
    file_system: &ErofsFileSystem<'_, R>,
    inode: &ErofsInode,
    shared: &mut u64,
    sink: &mut dyn ErofsCorruptionSink,
) -> Result<Xattrs, ErofsReadError> {
    let mut xattrs = Xattrs::new();
    if inode.xattr_size == 0 {
        return Ok(xattrs);
    }
    let offset = inode.offset + inode.inode_size;
    let mut bytes = vec![0; inode.xattr_size as usize];
    read_exact(file_system.image, offset, &mut bytes)?;
    let corrupt = |why| ErofsCorruption { location: ErofsLocation::Xattrs { nid: inode.nid }, offset, why };
    let count = usize::from(fields::u8(&bytes, 4));
    let mut at = XATTR_HEADER + count * 4;
    if at > bytes.len() {
        let most = (bytes.len() - XATTR_HEADER) as u64 / 4;
        sink.report(corrupt(ErofsDefect::Range {
            field: "h_shared_count",
            found: count as u64,
            least: 0,
            most,
        }))?;
        return Ok(xattrs);
    }
    let mut found = Vec::new();
    for id in 0..count {
        let id = fields::u32(&bytes, XATTR_HEADER + id * 4);
        let at = file_system.superblock.xattrs.saturating_add(u64::from(id) * 4);
        found.push(shared_entry(file_system, at, shared).map_err(|why| match why {
            SharedError::Defect(why) => corrupt(why).into(),
            SharedError::Read(error) => error,
        })?);
    }
    while at < bytes.len() {
        match entry(&bytes[at..]) {
            Ok((stored, len)) => {
                found.push(stored);
                at += len;
            }
            Err(why) => {
                sink.report(corrupt(why))?;
                break;
            }
        }
    }
    for (index, name, value) in found {
        let Some(full) = full_name(index, &name) else {
            sink.report(corrupt(ErofsDefect::Meaningless { field: "e_name_index", found: index.into() }))?;
            continue;
        };
        if xattrs.insert(full.clone(), value).is_some() {
            sink.report(corrupt(ErofsDefect::Duplicate { name: full }))?;
        }
    }
    Ok(xattrs)
}

/// Index, rest of the name, and value.
type Stored = (u8, Box<[u8]>, Box<[u8]>);

/// Why a shared attribute cannot be read.
enum SharedError {
    Defect(ErofsDefect),
    Read(ErofsReadError),
}

/// An attribute at a byte of the image.
fn shared_entry<R: ReadAt + ?Sized>(
    file_system: &ErofsFileSystem<'_, R>,
    at: u64,
    shared: &mut u64,
) -> Result<Stored, SharedError> {
    let end = file_system.superblock.end;
    let within = |len: u64| {
        if at.checked_add(len).is_some_and(|last| last <= end) {
            return Ok(());
        }
        let end = at.saturating_add(len);
        Err(SharedError::Defect(ErofsDefect::Outside {
            what: "a shared attribute",
            at,
            end,
            limit: "the file system",
        }))
    };
    within(XATTR_ENTRY as u64)?;
    let mut head = [0; XATTR_ENTRY];
    read_exact(file_system.image, at, &mut head).map_err(SharedError::Read)?;
    let len = XATTR_ENTRY as u64 + u64::from(fields::u8(&head, 0)) + u64::from(fields::u16(&head, 2));
    within(len)?;
    *shared = shared.saturating_add(len);
    let most = end.max(SHARED_LEAST);
    if *shared > most {
        return Err(SharedError::Defect(ErofsDefect::TooMuch { most }));
    }
    let mut bytes = vec![0; len as usize];
    read_exact(file_system.image, at, &mut bytes).map_err(SharedError::Read)?;
    Ok(entry(&bytes).map_err(SharedError::Defect)?.0)
}

/// The attribute at the front of some bytes, and its padded length.
fn entry(bytes: &[u8]) -> Result<(Stored, usize), ErofsDefect> {
    let (name_len, index) = (usize::from(fields::u8(bytes, 0)), fields::u8(bytes, 1));
    let value_at = XATTR_ENTRY + name_len;
    let len = value_at + usize::from(fields::u16(bytes, 2));
    let (name, value) = (bytes.get(XATTR_ENTRY..value_at), bytes.get(value_at..len));
    let (Some(name), Some(value)) = (name, value) else {
        let most = bytes.len() as u64;
        return Err(ErofsDefect::Range {
            field: "length of an attribute",
            found: len as u64,
            least: 0,
            most,
        });
    };
    Ok(((index, name.into(), value.into()), len.next_multiple_of(XATTR_ENTRY)))
}

/// The full name; `None` when the prefix is not known, or an ACL has a name behind it.
fn full_name(index: u8, name: &[u8]) -> Option<Box<[u8]>> {
    let (_, prefix) = XATTR_PREFIXES.iter().find(|(known, _)| *known == index)?;
    (prefix.ends_with(b".") != name.is_empty()).then(|| [*prefix, name].concat().into())
}
