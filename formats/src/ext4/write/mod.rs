//! ext4 writer: from a tree to a plan.
//!
//! Everything is decided before a byte is written: the walk numbers the nodes, the geometry fixes the metadata, the
//! layout gives every block an address that depends on names and sizes and on no history, and the claims follow.
//! Specification: the kernel's Documentation/filesystems/ext4; where that is silent, e2fsprogs.

mod arena;
mod bitmaps;
mod cluster;
mod content;
mod demand;
mod dirs;
mod emit;
mod error;
mod extents;
mod geometry;
mod htree;
mod identity;
mod inodes;
mod layout;
mod nodes;
mod place;
mod resize;
mod tables;
mod xattrs;

use content::Sink;
use demand::Demand;
use geometry::Geometry;
use layout::Wanted;
use nodes::Nodes;
use xattrs::Attributes;

use super::spec::{BLOCK_SIZE, FIRST_INO, csum_seed, hash, inode};
use crate::guid::Guid;
use crate::plan::{Claims, Data, Plan};
use crate::time::Time;
use crate::tree::{Kind, Meta, Node, Tree};

pub use error::WriteError;

/// What an ext4 file system should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// File-system UUID.
    pub uuid: Guid,
    /// Seed of directory hashes.
    pub hash_seed: Guid,
    /// Volume label, at most 16 bytes.
    pub label: String,
    /// Creation and check time of the file system.
    pub time: Time,
    /// Length of the journal.
    pub journal: Journal,
    /// Blocks reserved for root, in hundredths of a percent of all blocks (500 is 5 %).
    pub reserved: u16,
}

/// Length of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Journal {
    /// None at all.
    None,
    /// As mke2fs chooses by the size of the file system.
    Auto,
    /// Bytes, rounded up to whole file-system blocks; at least 1024 blocks.
    Bytes(u64),
}

/// Plans a file system of exactly `len` bytes (rounded down to whole 4 KiB blocks; the rest stays free).
///
/// # Errors
/// [`WriteError`] when the options or the tree ask for what ext4 cannot hold, or the tree does not fit.
pub fn plan(tree: &Tree, options: &Options, len: u64) -> Result<Plan, WriteError> {
    let lost_found = lost_found(options);
    let work = Work::new(tree, options, &lost_found)?;
    let geometry = Geometry::new(len / BLOCK_SIZE, work.inodes(), options.journal)?;
    let wanted = work.wanted();
    let layout = match layout::stable(wanted, &geometry) {
        Some(layout) => layout,
        None => layout::dense(wanted, &geometry)?,
    };
    let inos = inodes::number(&work.nodes, &geometry);
    let seed = csum_seed(&options.uuid.to_bytes());
    let mut sink = Sink {
        claims: Claims::new(len),
        map: bitmaps::BlockMap::new(geometry.groups),
        tables: tables::Tables::new(&geometry, &inos),
        arena: arena::Arena::new(),
    };
    let large_dir = work.demand.shapes.iter().any(|(_, shape)| match shape {
        dirs::Shape::Hashed(hashed) => htree::needs_large_dir(hashed.leaves.len()),
        dirs::Shape::Linear { .. } => false,
    });
    let (nodes, demand, attributes) = (&work.nodes, &work.demand, &work.attributes);
    content::Tree { nodes, demand, attributes, layout: &layout, inos: &inos, seed }.write(&mut sink);
    let time = inode::encode_time(options.time).ok_or(WriteError::CreationTime { time: options.time })?;
    emit::Fixed { options, geometry: &geometry, seed, time, large_dir }.write(&mut sink)?;
    let Sink { mut claims, tables, mut arena, .. } = sink;
    // What led to the claims is as large as they are, and finishing them takes room for both.
    drop((layout, inos, work));
    arena.seal(&mut claims);
    tables.claim(&geometry, &mut claims);
    Ok(claims.finish(&Data::Free)?)
}

/// The least length in bytes, a multiple of 512 KiB, at which [`plan`] of this tree succeeds with at least `slack` bytes
/// of blocks free for the system to use, and with the slack of slots that a stable layout wants.
///
/// # Errors
/// As [`plan`], but for a lack of space.
pub fn minimal_len(tree: &Tree, options: &Options, slack: u64) -> Result<u64, WriteError> {
    let lost_found = lost_found(options);
    let work = Work::new(tree, options, &lost_found)?;
    let need = layout::stable_need(work.wanted());
    let free = work.demand.blocks() + work.attributes.blocks.len() as u64 + slack.div_ceil(BLOCK_SIZE);
    let mut slots = need.max(free.div_ceil(u64::from(geometry::SLOT))).max(1);
    loop {
        let blocks = slots * u64::from(geometry::SLOT);
        // What stands at fixed places grows with the length, so the length grows until both fit.
        let missing = match Geometry::new(blocks, work.inodes(), options.journal) {
            Ok(geometry) => {
                let taken: u64 = geometry.taken.iter().map(|run| run.len).sum();
                let whole = layout::free_slots(&geometry).into_iter().filter(|free| *free).count() as u64;
                let blocks = (free + taken).saturating_sub(geometry.blocks);
                need.saturating_sub(whole).max(blocks.div_ceil(u64::from(geometry::SLOT)))
            }
            Err(
                WriteError::NoSpace { .. }
                | WriteError::TooManyNodes { .. }
                | WriteError::JournalTooBig { .. },
            ) => 1,
            Err(other) => return Err(other),
        };
        if missing == 0 && plan(tree, options, blocks * BLOCK_SIZE).is_ok() {
            return Ok(blocks * BLOCK_SIZE);
        }
        slots += missing.max(1);
    }
}

/// The `lost+found` of a tree that has none.
fn lost_found(options: &Options) -> Node {
    Node { meta: Meta::root_owned(0o700, options.time), kind: Kind::dir() }
}

/// What is known of a tree before its file system has a length.
struct Work<'a> {
    nodes: Nodes<'a>,
    demand: Demand,
    attributes: Attributes,
}

impl<'a> Work<'a> {
    fn new(tree: &'a Tree, options: &Options, lost_found: &'a Node) -> Result<Self, WriteError> {
        if options.label.len() > 16 || options.label.contains('\0') {
            return Err(WriteError::Label { label: options.label.clone() });
        }
        if options.reserved > 5000 {
            return Err(WriteError::Reserved { asked: options.reserved });
        }
        inode::encode_time(options.time).ok_or(WriteError::CreationTime { time: options.time })?;
        let nodes = Nodes::walk(tree, lost_found)?;
        let demand = Demand::new(&nodes, &hash::seed_words(&options.hash_seed.to_bytes()));
        let attributes = Attributes::new(&nodes)?;
        Ok(Self { nodes, demand, attributes })
    }

    /// Inodes besides the reserved ones, among which root and `lost+found` are.
    fn inodes(&self) -> u64 {
        self.nodes.walked.len() as u64 - 2
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted { nodes: &self.nodes, demand: &self.demand, attributes: &self.attributes }
    }
}

const _: () = assert!(FIRST_INO < geometry::RESERVED_INODES);
