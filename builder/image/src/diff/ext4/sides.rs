//! The two file systems that are compared.

use amiforge_formats::ext4::read::{self, FileSystem, NumberedTree};

use crate::diff::fields::Explained;
use crate::diff::files::TreeComparison;
use crate::diff::images::RangeBytes;
use crate::diff::report::DifferenceWeight;
use crate::inspect::SOURCE;

/// One side: the file system, its tree, and the inodes of its nodes.
pub(in crate::diff) struct Ext4Side<'a> {
    pub(in crate::diff) system: FileSystem<'a, RangeBytes<'a>>,
    pub(in crate::diff) files: NumberedTree,
}

impl<'a> Ext4Side<'a> {
    pub(in crate::diff) fn read(bytes: &'a RangeBytes<'a>) -> Result<Self, read::Ext4ReadError> {
        let system = read::open(bytes)?;
        let files = system.numbered_tree(SOURCE)?;
        Ok(Self { system, files })
    }
}

/// Both sides, and the results of the first steps, which decide the weights of later differences.
pub(super) struct Sides<'a> {
    pub(super) a: Ext4Side<'a>,
    pub(super) b: Ext4Side<'a>,
    pub(super) outcome: TreeComparison,
    /// The seed of every checksum differs, so all of them do.
    pub(super) reseeded: bool,
}

impl Sides<'_> {
    /// The weight of a difference of locations: its own only while the files are equal.
    pub(super) fn placement(&self) -> DifferenceWeight {
        if self.outcome.structural { DifferenceWeight::Follows } else { DifferenceWeight::Own }
    }

    pub(super) fn explained(&self) -> Explained {
        Explained { counts: self.outcome.structural, checksums: self.reseeded }
    }
}
