//! The file allocation table: what follows a cluster, and which clusters a volume's chains have used so far.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use super::super::corruption::VolumeCorruption;
use super::boot::{FatWidth, VolumeShape};
use super::error::FatReadError;
use crate::fields;
use crate::read_at::ReadAt;

/// Bytes read of a table at once: enough for a thousand entries in order, little for a chain that jumps.
const CHUNK: u64 = 4096;

/// The value of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum ClusterLink {
    /// The cluster is free.
    Free,
    /// The cluster is bad.
    Bad,
    /// The chain ends here.
    End,
    /// The chain goes on; the number may be of no cluster.
    Next(u32),
}

impl FatWidth {
    /// Entries in a table of `len` bytes.
    pub(super) fn entries(self, len: u64) -> u64 {
        match self {
            Self::Fat12 => len.saturating_mul(2) / 3,
            Self::Fat16 => len / 2,
            Self::Fat32 => len / 4,
        }
    }

    /// Where an entry starts.
    fn offset(self, cluster: u32) -> u64 {
        let cluster = u64::from(cluster);
        match self {
            Self::Fat12 => cluster.saturating_add(cluster / 2),
            Self::Fat16 => cluster.saturating_mul(2),
            Self::Fat32 => cluster.saturating_mul(4),
        }
    }

    /// An entry of a table of which all bytes are given; `None` past its end.
    pub fn entry(self, table: &[u8], cluster: u32) -> Option<u32> {
        let at = usize::try_from(self.offset(cluster)).ok()?;
        let len = if self == Self::Fat32 { 4 } else { 2 };
        let bytes = table.get(at..at.checked_add(len)?)?;
        Some(self.value(bytes, cluster))
    }

    /// The value of an entry that begins at the first of `bytes`.
    fn value(self, bytes: &[u8], cluster: u32) -> u32 {
        let raw = match self {
            Self::Fat12 if cluster.is_multiple_of(2) => u32::from(fields::u16(bytes, 0)),
            Self::Fat12 => u32::from(fields::u16(bytes, 0)) >> 4,
            Self::Fat16 => u32::from(fields::u16(bytes, 0)),
            Self::Fat32 => fields::u32(bytes, 0),
        };
        raw & self.mask()
    }

    /// The bits of an entry that count.
    pub(in super::super) const fn mask(self) -> u32 {
        match self {
            Self::Fat12 => 0xfff,
            Self::Fat16 => 0xffff,
            Self::Fat32 => 0x0fff_ffff,
        }
    }
}

/// The table in use, a chunk of it at a time.
pub(in super::super) struct AllocationTable<'a> {
    volume: &'a dyn ReadAt,
    shape: VolumeShape,
    chunk_at: u64,
    chunk: Vec<u8>,
}

impl<'a> AllocationTable<'a> {
    pub(in super::super) fn new(volume: &'a dyn ReadAt, shape: VolumeShape) -> Self {
        Self { volume, shape, chunk_at: 0, chunk: Vec::new() }
    }

    /// An entry's value.
    pub(in super::super) fn value(&mut self, cluster: u32) -> Result<u32, FatReadError> {
        let width = self.shape.width;
        let bytes: [u8; 4] = self.bytes(width.offset(cluster))?;
        Ok(width.value(&bytes, cluster))
    }

    /// What follows a cluster.
    pub(in super::super) fn link(&mut self, cluster: u32) -> Result<ClusterLink, FatReadError> {
        let value = self.value(cluster)?;
        let bad = self.shape.width.mask() & 0x0fff_fff7;
        Ok(match value {
            0 => ClusterLink::Free,
            _ if value == bad => ClusterLink::Bad,
            _ if value > bad => ClusterLink::End,
            next => ClusterLink::Next(next),
        })
    }

    /// Four bytes of the table, zeros after its end.
    fn bytes(&mut self, offset: u64) -> Result<[u8; 4], FatReadError> {
        let within =
            offset.checked_sub(self.chunk_at).filter(|at| at.saturating_add(4) <= self.chunk.len() as u64);
        if within.is_none() {
            let left = self.shape.table_len.saturating_sub(offset);
            let at = self.shape.table(self.shape.active).saturating_add(offset);
            self.chunk_at = offset;
            self.chunk.resize(left.min(CHUNK) as usize, 0);
            let read = self.volume.read_exact_at(at, &mut self.chunk);
            read.map_err(|source| FatReadError::Io { at, source })?;
        }
        Ok(self.chunk.get(offset.saturating_sub(self.chunk_at) as usize..).map_or([0; 4], |rest| {
            let mut bytes = [0; 4];
            bytes.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            bytes
        }))
    }
}

/// Clusters in each page of [`Used`].
const PAGE_CLUSTERS: u32 = 32_768;

/// The clusters that a chain uses, stored only for the ranges of the volume that chains touch.
#[derive(Debug, Default)]
pub(in super::super) struct Used {
    pages: BTreeMap<u32, Box<[u64; 512]>>,
}

impl Used {
    /// Marks a cluster; whether it was free of marks.
    pub(super) fn mark(&mut self, cluster: u32) -> bool {
        let page = self.pages.entry(cluster / PAGE_CLUSTERS).or_insert_with(|| Box::new([0; 512]));
        let bit = 1_u64 << (cluster % 64);
        let index = (cluster % PAGE_CLUSTERS / 64) as usize;
        page.get_mut(index).is_some_and(|word| {
            let new = *word & bit == 0;
            *word |= bit;
            new
        })
    }

    /// Whether a cluster is marked.
    pub(in super::super) fn has(&self, cluster: u32) -> bool {
        let word = self.pages.get(&(cluster / PAGE_CLUSTERS));
        let word = word.and_then(|page| page.get((cluster % PAGE_CLUSTERS / 64) as usize));
        word.is_some_and(|word| word & 1 << (cluster % 64) != 0)
    }
}

/// A run of consecutive clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClusterRange {
    /// The first cluster.
    pub first: u32,
    /// How many there are.
    pub count: u32,
}

/// A chain as far as it could be followed.
#[derive(Debug, Default)]
pub(super) struct ClusterChain {
    pub(super) runs: Vec<ClusterRange>,
    pub(super) clusters: u64,
    /// Why it could not be followed further.
    pub(super) corruption: Option<VolumeCorruption>,
    /// Whether it continues after the requested number of clusters.
    pub(super) longer: bool,
}

/// Follows the chain that starts at `first` for at most `most` clusters, and marks them. Every cluster is marked once, so
/// that all chains of a volume together take no more steps than it has clusters.
pub(super) fn follow(
    table: &mut AllocationTable,
    used: &mut Used,
    shape: &VolumeShape,
    first: u32,
    most: u64,
) -> Result<ClusterChain, FatReadError> {
    let mut chain = ClusterChain::default();
    let mut next = ClusterLink::Next(first);
    while let ClusterLink::Next(cluster) = next {
        if chain.clusters == most {
            chain.longer = true;
            break;
        }
        if !shape.has(cluster) {
            chain.corruption = Some(VolumeCorruption::NoSuchCluster { cluster, last: shape.last() });
            break;
        }
        if !used.mark(cluster) {
            chain.corruption = Some(VolumeCorruption::CrossLink { cluster });
            break;
        }
        next = table.link(cluster)?;
        match next {
            ClusterLink::Free => chain.corruption = Some(VolumeCorruption::FreeInChain { cluster }),
            ClusterLink::Bad => chain.corruption = Some(VolumeCorruption::BadInChain { cluster }),
            ClusterLink::End | ClusterLink::Next(_) => push(&mut chain, cluster),
        }
    }
    Ok(chain)
}

/// Appends a cluster to a chain.
fn push(chain: &mut ClusterChain, cluster: u32) {
    chain.clusters = chain.clusters.saturating_add(1);
    match chain.runs.last_mut() {
        Some(run) if run.first.checked_add(run.count) == Some(cluster) => {
            run.count = run.count.saturating_add(1);
        }
        _ => chain.runs.push(ClusterRange { first: cluster, count: 1 }),
    }
}
