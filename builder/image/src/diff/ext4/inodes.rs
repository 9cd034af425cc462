//! Inodes of nodes that both file systems have: the fields that the tree does not hold.

use amiforge_formats::ext4::read::{EXTENTS_FL, FileKind, FileRun, ReadInode};
use amiforge_formats::time::Time;

use super::{Ext4Side, Sides};
use crate::diff::DiffError;
use crate::diff::fields;
use crate::diff::files::shown;
use crate::diff::images::RangePair;
use crate::diff::report::{DiffChange, DiffCollector, DifferenceWeight, below};
use crate::inspect::{Utc, hex};
use amiforge_formats::ext4::fields::{INODE, INODE_LEN};

/// Runs of blocks that are shown.
const RUNS_SHOWN: usize = 4;

/// Compares the inodes of all nodes that both have, then those that no name leads to.
pub(super) fn compare(
    sides: &Sides<'_>,
    pair: &RangePair<'_>,
    location: &[String],
    collector: &mut DiffCollector,
) -> Result<(), DiffError> {
    for common in &sides.outcome.common {
        let numbers = (sides.a.files.inode(common.a), sides.b.files.inode(common.b));
        let (Some(a), Some(b)) = numbers else { continue };
        one(sides, pair, (a, b), &below(location, shown(&common.path)), collector)?;
    }
    let reserved = |side: &Ext4Side<'_>| side.system.superblock().first_inode.min(32);
    for number in 1..reserved(&sides.a).min(reserved(&sides.b)) {
        // The root has a name.
        if number != 2 && !same_bytes(sides, pair, number)? {
            one(sides, pair, (number, number), &below(location, reserved_name(number)), collector)?;
        }
    }
    Ok(())
}

/// Whether a reserved inode has the same bytes on both sides: unused ones may lack a checksum, and a reader
/// then refuses them.
fn same_bytes(sides: &Sides<'_>, pair: &RangePair<'_>, number: u32) -> Result<bool, DiffError> {
    let (a, b) = (sides.a.system.inode_offset(number)?, sides.b.system.inode_offset(number)?);
    let len = u64::from(sides.a.system.superblock().inode_size);
    if a != b {
        return Ok(false);
    }
    let (a, b) = pair.both(a, len).map_err(DiffError::Partition)?;
    Ok(a == b)
}

/// The name of a reserved inode.
fn reserved_name(number: u32) -> String {
    let name = match number {
        1 => "bad blocks",
        3 => "user quota",
        4 => "group quota",
        5 => "boot loader",
        6 => "undelete",
        7 => "blocks reserved for growth",
        8 => "journal",
        9 => "exclude",
        10 => "replica",
        _ => "reserved",
    };
    format!("inode {number} ({name})")
}

/// Compares two inodes.
fn one(
    sides: &Sides<'_>,
    pair: &RangePair<'_>,
    (a, b): (u32, u32),
    location: &[String],
    collector: &mut DiffCollector,
) -> Result<(), DiffError> {
    let offsets = (sides.a.system.inode_offset(a)?, sides.b.system.inode_offset(b)?);
    let len = u64::from(sides.a.system.superblock().inode_size);
    let long = sides.a.system.superblock().inode_size == sides.b.system.superblock().inode_size;
    if long && pair.known_equal(offsets.0, offsets.1, len) {
        return Ok(());
    }
    let (in_a, in_b) = (sides.a.system.inode(a)?, sides.b.system.inode(b)?);
    collector.value(sides.placement(), location, "inode", a, b);
    if in_a.raw == in_b.raw {
        return Ok(());
    }
    let mut own = times((&in_a, &in_b), location, collector);
    own |= differ_in_tree(&in_a, &in_b);
    own |= mapping(sides, (&in_a, &in_b), location, collector)?;
    let attributes = |inode: &ReadInode| inode.raw.get(INODE_LEN..).unwrap_or(&[]).to_vec();
    let (tail_a, tail_b) = (attributes(&in_a), attributes(&in_b));
    if tail_a != tail_b {
        own = true;
        if sides.a.system.xattrs(&in_a)? == sides.b.system.xattrs(&in_b)? {
            let text = "the same ones are stored in another way".to_owned();
            collector.add(sides.placement(), location, "attributes in the inode", DiffChange::Note(text));
        }
    }
    let explained = fields::Explained { checksums: own || sides.reseeded || a != b, ..sides.explained() };
    let head = |inode: &ReadInode| inode.raw.get(..INODE_LEN.min(inode.raw.len())).unwrap_or(&[]).to_vec();
    fields::compare((&head(&in_a), &head(&in_b)), INODE, explained, location, collector);
    Ok(())
}

/// Whether fields differ that the comparison of the trees covers.
fn differ_in_tree(a: &ReadInode, b: &ReadInode) -> bool {
    (a.mode, a.uid, a.gid, a.size) != (b.mode, b.uid, b.gid, b.size)
}

/// Compares the times that the tree does not have; gives whether any differs. Those that are equal to the time of
/// modification on both sides follow from it.
fn times((a, b): (&ReadInode, &ReadInode), location: &[String], collector: &mut DiffCollector) -> bool {
    let mut differ = a.mtime != b.mtime;
    let moved = differ;
    let reserved = location.last().is_some_and(|name| name.starts_with("inode "));
    if reserved {
        collector.value(DifferenceWeight::Own, location, "i_mtime", Utc(a.mtime), Utc(b.mtime));
    }
    let never = Time::EPOCH;
    let crtimes = (a.crtime.unwrap_or(never), b.crtime.unwrap_or(never));
    for (name, in_a, in_b) in
        [("atime", a.atime, b.atime), ("ctime", a.ctime, b.ctime), ("crtime", crtimes.0, crtimes.1)]
    {
        differ |= in_a != in_b;
        let follows = moved && in_a == a.mtime && in_b == b.mtime;
        let weight = if follows { DifferenceWeight::Follows } else { DifferenceWeight::Own };
        collector.value(weight, location, name, Utc(in_a), Utc(in_b));
    }
    differ
}

/// Compares the mappings of the contents; gives whether the field `i_block` differs.
fn mapping(
    sides: &Sides<'_>,
    (a, b): (&ReadInode, &ReadInode),
    location: &[String],
    collector: &mut DiffCollector,
) -> Result<bool, DiffError> {
    if a.block == b.block && !a.is(EXTENTS_FL) {
        return Ok(false);
    }
    let mapped = |inode: &ReadInode| {
        matches!(inode.kind(), Some(FileKind::File | FileKind::Dir)) || inode.is(EXTENTS_FL)
    };
    if !mapped(a) || !mapped(b) {
        return Ok(a.block != b.block);
    }
    if a.kind() == Some(FileKind::Dir) {
        collector.value(sides.placement(), location, "length of the directory", a.size, b.size);
    }
    let (in_a, in_b) = (sides.a.system.mapping(a)?, sides.b.system.mapping(b)?);
    let weight = sides.placement();
    if in_a.runs != in_b.runs {
        collector.value(weight, location, "extents", runs(&in_a.runs), runs(&in_b.runs));
    } else if in_a.nodes != in_b.nodes {
        let nodes = |nodes: &[u64]| format!("{} at {:?}", nodes.len(), &nodes[..nodes.len().min(RUNS_SHOWN)]);
        collector.value(weight, location, "blocks of extents", nodes(&in_a.nodes), nodes(&in_b.nodes));
    } else if a.block != b.block {
        let change = DiffChange::Value { a: hex(&a.block), b: hex(&b.block) };
        collector.add(weight, location, "i_block", change);
    }
    Ok(a.block != b.block)
}

/// Runs of blocks as text: `0:12288+5` is five blocks from 12288 on that hold the file from block 0 on.
fn runs(runs: &[FileRun]) -> String {
    let one = |run: &FileRun| {
        let unwritten = if run.unwritten { " unwritten" } else { "" };
        format!("{}:{}+{}{unwritten}", run.logical, run.physical, run.len)
    };
    let shown: Vec<_> = runs.iter().take(RUNS_SHOWN).map(one).collect();
    match runs.len() {
        0 => "none".to_owned(),
        len if len > RUNS_SHOWN => format!("{} and {} more", shown.join(", "), len - RUNS_SHOWN),
        _ => shown.join(", "),
    }
}
