//! ext4 writer: from a tree to a plan.
//!
//! Everything is decided before a byte is written: the walk numbers the nodes, the geometry fixes the metadata, the
//! layout gives every block an address that depends on names and sizes and on no history, and the claims follow.
//! Specification: the kernel's Documentation/filesystems/ext4; where that is silent, e2fsprogs.

mod bitmaps;
mod content;
mod demand;
mod dense;
mod dirs;
mod emit;
mod error;
mod extents;
mod geometry;
mod htree;
mod inodes;
mod layout;
mod nodes;
mod resize;
mod tables;
mod xattrs;

use content::Sink;
use demand::Demand;
use geometry::Ext4Geometry;
use layout::{Ext4Layout, LayoutRequest};
use xattrs::NodeAttributes;

use super::spec::{BLOCK_SIZE, FIRST_INO, csum_seed, hash, inode};
use crate::guid::Guid;
use crate::plan::{Claims, Data, Plan};
use crate::stable::SLOT;
use crate::stable::arena::Arena;
use crate::stable::nodes::Nodes;
use crate::time::Time;
use crate::tree::{ChangeGroups, Tree};

pub use error::Ext4WriteError;

/// What an ext4 file system should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ext4Options {
    /// File-system UUID.
    pub uuid: Guid,
    /// Seed of directory hashes.
    pub hash_seed: Guid,
    /// Volume label, at most 16 bytes.
    pub label: String,
    /// Creation and check time of the file system.
    pub time: Time,
    /// Length of the journal.
    pub journal: JournalSize,
    /// Blocks reserved for root, in hundredths of a percent of all blocks (500 is 5 %).
    pub reserved: u16,
}

/// Length of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalSize {
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
/// [`Ext4WriteError`] when the options or the tree ask for what ext4 cannot hold, or the tree does not fit.
pub fn plan(tree: &Tree, options: &Ext4Options, len: u64) -> Result<Plan, Ext4WriteError> {
    Ext4Draft::new(tree, options)?.plan(len)
}

/// [`Ext4Draft::minimal_len`] of a tree.
///
/// # Errors
/// As [`plan`], but for a lack of space.
pub fn minimal_len(tree: &Tree, options: &Ext4Options, slack: u64) -> Result<u64, Ext4WriteError> {
    Ext4Draft::new(tree, options)?.minimal_len(slack)
}

/// A file system that has no length yet: what is known of its tree, gathered once for both questions, how long it has
/// to be, and the address of everything.
#[derive(Debug)]
pub struct Ext4Draft<'a> {
    options: Ext4Options,
    nodes: Nodes<'a>,
    demand: Demand,
    attributes: NodeAttributes,
    /// The layout at the requested least length.
    laid: Option<(Ext4Geometry, Ext4Layout)>,
}

impl<'a> Ext4Draft<'a> {
    /// Walks a tree, whose nodes are in no groups.
    ///
    /// # Errors
    /// [`Ext4WriteError`] when the options or the tree ask for what ext4 cannot hold.
    pub fn new(tree: &'a Tree, options: &Ext4Options) -> Result<Self, Ext4WriteError> {
        Self::grouped(tree, &ChangeGroups::default(), options)
    }

    /// Walks a tree. What is in a group is put together, as far as the size allows.
    ///
    /// # Errors
    /// As [`Ext4Draft::new`].
    pub fn grouped(
        tree: &'a Tree,
        groups: &ChangeGroups,
        options: &Ext4Options,
    ) -> Result<Self, Ext4WriteError> {
        if options.label.len() > 16 || options.label.contains('\0') {
            return Err(Ext4WriteError::Label { label: options.label.clone() });
        }
        if options.reserved > 5000 {
            return Err(Ext4WriteError::Reserved { requested: options.reserved });
        }
        inode::encode_time(options.time).ok_or(Ext4WriteError::CreationTime { time: options.time })?;
        let nodes = nodes::walk(tree, groups, options.time)?;
        let demand = Demand::new(&nodes, &hash::seed_words(&options.hash_seed.to_bytes()));
        let attributes = NodeAttributes::new(&nodes)?;
        Ok(Self { options: options.clone(), nodes, demand, attributes, laid: None })
    }

    /// The least length in bytes, a multiple of 512 KiB, at which [`Ext4Draft::plan`] succeeds with at least `slack` bytes of
    /// blocks free for the system to use, and with the slack of slots that a stable layout wants.
    ///
    /// # Errors
    /// As [`Ext4Draft::plan`], but for a lack of space.
    pub fn minimal_len(&mut self, slack: u64) -> Result<u64, Ext4WriteError> {
        let need = layout::stable_need(self.request());
        let free = self.demand.blocks() + self.attributes.blocks.len() as u64 + slack.div_ceil(BLOCK_SIZE);
        let mut slots = need.max(free.div_ceil(u64::from(SLOT))).max(1);
        loop {
            let blocks = slots * u64::from(SLOT);
            // The metadata at fixed addresses grows with the length, so the length grows until both fit.
            let missing = match Ext4Geometry::new(blocks, self.inodes(), self.options.journal) {
                Ok(geometry) => {
                    let missing = missing_slots(&geometry, need, free);
                    // Behind the layout nothing depends on the length: what can be laid out can be planned.
                    if let Some(layout) = (missing == 0).then(|| self.lay_out(&geometry)).and_then(Result::ok)
                    {
                        self.laid = Some((geometry, layout));
                        return Ok(blocks * BLOCK_SIZE);
                    }
                    missing
                }
                Err(
                    Ext4WriteError::NoSpace { .. }
                    | Ext4WriteError::TooManyNodes { .. }
                    | Ext4WriteError::JournalTooBig { .. },
                ) => 1,
                Err(other) => return Err(other),
            };
            slots += missing.max(1);
        }
    }

    /// Plans a file system of exactly `len` bytes (rounded down to whole 4 KiB blocks; the rest stays free).
    ///
    /// # Errors
    /// [`Ext4WriteError`] when the tree does not fit.
    pub fn plan(mut self, len: u64) -> Result<Plan, Ext4WriteError> {
        let geometry = Ext4Geometry::new(len / BLOCK_SIZE, self.inodes(), self.options.journal)?;
        let layout = match self.laid.take() {
            Some((laid, layout)) if laid == geometry => layout,
            _ => self.lay_out(&geometry)?,
        };
        let inos = inodes::number(&self.nodes, &geometry);
        let seed = csum_seed(&self.options.uuid.to_bytes());
        let mut sink = Sink {
            claims: Claims::new(len),
            map: bitmaps::BlockBitmaps::new(geometry.groups),
            tables: tables::Tables::new(&geometry, &inos),
            arena: Arena::new(),
            scratch: Vec::new(),
        };
        let large_dir = self.demand.shapes.iter().any(|(_, shape)| match shape {
            dirs::DirShape::Hashed(hashed) => htree::needs_large_dir(hashed.leaves.len()),
            dirs::DirShape::Linear { .. } => false,
        });
        let Self { options, nodes, demand, attributes, .. } = &self;
        content::PlacedTree { nodes, demand, attributes, layout: &layout, inos: &inos, seed }
            .write(&mut sink);
        let time =
            inode::encode_time(options.time).ok_or(Ext4WriteError::CreationTime { time: options.time })?;
        emit::Fixed { options, geometry: &geometry, seed, time, large_dir }.write(&mut sink)?;
        let Sink { mut claims, tables, mut arena, .. } = sink;
        // What led to the claims is as large as they are, and finishing them takes room for both.
        drop((layout, inos, self));
        arena.seal(&mut claims);
        tables.claim(&geometry, &mut claims);
        Ok(claims.finish(&Data::Free)?)
    }

    /// The stable layout, or the dense one where it is too tight for that.
    fn lay_out(&self, geometry: &Ext4Geometry) -> Result<Ext4Layout, Ext4WriteError> {
        match layout::stable(self.request(), geometry) {
            Some(layout) => Ok(layout),
            None => dense::dense(self.request(), geometry),
        }
    }

    /// Inodes besides the reserved ones, among which root and `lost+found` are.
    fn inodes(&self) -> u64 {
        self.nodes.walked.len() as u64 - 2
    }

    fn request(&self) -> LayoutRequest<'_> {
        LayoutRequest { nodes: &self.nodes, demand: &self.demand, attributes: &self.attributes }
    }
}

/// Slots by which a file system is too short for `need` whole slots and for `free` blocks beside its fixed ones.
fn missing_slots(geometry: &Ext4Geometry, need: u64, free: u64) -> u64 {
    let taken: u64 = geometry.taken.iter().map(|run| run.len).sum();
    let whole = layout::free_slots(geometry).into_iter().filter(|free| *free).count() as u64;
    let short = (free + taken).saturating_sub(geometry.blocks);
    need.saturating_sub(whole).max(short.div_ceil(u64::from(SLOT)))
}

const _: () = assert!(FIRST_INO < geometry::RESERVED_INODES);
