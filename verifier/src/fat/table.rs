//! The file allocation tables: both are equal, and no cluster has two owners.

use alloc::format;
use alloc::vec::Vec;

use super::Geometry;
use crate::bytes::le32;
use crate::report::Log;
use crate::source::{bytes_at, ByteSource, ReadFailure};

/// The mark of a cluster that ends a chain, the least of them.
const END: u32 = 0x0fff_fff8;
/// The mark of a bad cluster.
const BAD: u32 = 0x0fff_fff7;
/// The bits of an entry that count.
const MASK: u32 = 0x0fff_ffff;
/// Bytes of a table that are read at once.
const CHUNK: u64 = 1 << 16;

pub(super) struct Table {
    entries: Vec<u32>,
    owned: Vec<bool>,
    clusters: u32,
    at: u64,
}

impl Table {
    /// Reads the first table and compares the other with it.
    pub(super) fn read(
        volume: &dyn ByteSource,
        geometry: &Geometry,
        log: &mut Log<'_>,
    ) -> Result<Self, ReadFailure> {
        let at = geometry.reserved.saturating_mul(geometry.sector);
        let len = geometry.table_len.saturating_mul(geometry.sector);
        let used = u64::from(geometry.clusters.saturating_add(2)).saturating_mul(4);
        let mut entries = Vec::new();
        let mut offset = 0;
        while offset < len {
            let some = CHUNK.min(len - offset) as usize;
            let first = bytes_at(volume, at.saturating_add(offset), some)?;
            for copy in 1..geometry.tables {
                let other = at.saturating_add(copy.saturating_mul(len)).saturating_add(offset);
                let second = bytes_at(volume, other, some)?;
                if let Some(byte) = first.iter().zip(&second).position(|(a, b)| a != b) {
                    let problem = format!("table {} differs from the first one", copy + 1);
                    log.wrong(other.saturating_add(byte as u64), problem);
                }
            }
            for (index, entry) in first.chunks_exact(4).enumerate() {
                let byte = offset.saturating_add((index * 4) as u64);
                let value = le32(entry, 0);
                if byte < used {
                    entries.push(value);
                } else if value & MASK != 0 {
                    log.wrong(at.saturating_add(byte), "an entry behind the last cluster is in use");
                }
            }
            offset = offset.saturating_add(some as u64);
        }
        let mut table =
            Self { owned: alloc::vec![false; entries.len()], entries, clusters: geometry.clusters, at };
        table.check_first(log);
        Ok(table)
    }

    fn check_first(&mut self, log: &mut Log<'_>) {
        let entry = |index: usize| self.entries.get(index).copied().unwrap_or(0);
        log.equal(self.at, "the first entry of the table", 0x0fff_fff8, entry(0) & MASK);
        log.equal(self.at + 4, "the marks of a clean volume", 0x0fff_ffff, entry(1) & MASK | (END & 7));
    }

    /// Whether there is a cluster of this number.
    pub(super) fn has(&self, cluster: u32) -> bool {
        (2..self.clusters.saturating_add(2)).contains(&cluster)
    }

    /// The entry of a cluster.
    pub(super) fn next(&self, cluster: u32) -> u32 {
        self.entries.get(cluster as usize).copied().unwrap_or(0) & MASK
    }

    fn offset(&self, cluster: u32) -> u64 {
        self.at.saturating_add(u64::from(cluster).saturating_mul(4))
    }

    /// Follows a chain from its first cluster and takes its clusters; `most` bounds how many are expected.
    pub(super) fn take(&mut self, first: u32, owner: &str, log: &mut Log<'_>) -> Vec<u32> {
        let mut chain = Vec::new();
        let mut cluster = first;
        loop {
            if !self.has(cluster) {
                log.wrong(
                    self.offset(cluster),
                    format!("the chain of {owner} leads to cluster {cluster}, which is none"),
                );
                return chain;
            }
            let owned = self.owned.get_mut(cluster as usize);
            if owned.as_ref().map_or(true, |owned| **owned) {
                log.wrong(
                    self.offset(cluster),
                    format!("cluster {cluster} of {owner} has another owner too"),
                );
                return chain;
            }
            if let Some(owned) = owned {
                *owned = true;
            }
            chain.push(cluster);
            match self.next(cluster) {
                END.. => return chain,
                next => cluster = next,
            }
        }
    }

    /// Clusters that nothing owns are free.
    pub(super) fn check_lost(&self, log: &mut Log<'_>) {
        for cluster in 2..self.clusters.saturating_add(2) {
            let owned = self.owned.get(cluster as usize).copied().unwrap_or(true);
            let entry = self.next(cluster);
            if !owned && entry == BAD {
                log.wrong(self.offset(cluster), format!("cluster {cluster} is marked as bad"));
            } else if !owned && entry != 0 {
                log.wrong(self.offset(cluster), format!("cluster {cluster} is in use and nothing owns it"));
            }
        }
    }

    /// The number of free clusters.
    pub(super) fn free(&self) -> u32 {
        self.entries.iter().skip(2).filter(|entry| **entry & MASK == 0).count() as u32
    }
}
