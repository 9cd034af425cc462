//! Why a disk cannot be kept.

use amiforge_formats::ext4::patch::Ext4PatchError;
use amiforge_formats::plan::PlanError;
use amiforge_formats::residue::ResidueError;
use amiforge_formats::tree::{Printable, TreeError};
use amiforge_formats::volume::VolumeWriteError;

/// Why a disk cannot be kept with what a recipe changes in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeptError {
    /// The image is of another architecture.
    #[error("the recipe says `arch = \"{named}\"`, and the programs of the image are for {found}")]
    Arch {
        /// That of the recipe.
        named: &'static str,
        /// That of the image.
        found: &'static str,
    },
    /// The root is not ext4.
    #[error(
        "the root of the image is {found}, and `boot = \"keep\"` amends ext4: write a table `[boot]` in its place, which makes a \
         new disk with the files on ext4"
    )]
    Root {
        /// What it is.
        found: &'static str,
    },
    /// A file system that is not amended has changed.
    #[error(
        "`/{}` would be another in the partition {partition}, which is {found}, and `boot = \"keep\"` does not amend that; leave \
         it as it is, or write a table `[boot]`, which makes a new disk",
        Printable(path)
    )]
    Changed {
        /// The first path that changes, from the root of the system.
        path: Vec<u8>,
        /// The partition.
        partition: u32,
        /// What it holds.
        found: &'static str,
    },
    /// A FAT with code that finds its files by their place.
    #[error(
        "`/{}` would be another in the partition {partition}, from which SYSLINUX starts by the place of a file: it cannot be \
         written anew; write a table `[boot]`, which makes a new disk",
        Printable(path)
    )]
    Syslinux {
        /// The first path that changes, from the root of the system.
        path: Vec<u8>,
        /// The partition.
        partition: u32,
    },
    /// A FAT cannot be written anew.
    #[error("writing the FAT of partition {partition} anew")]
    Fat {
        /// The partition.
        partition: u32,
        /// Why not.
        #[source]
        source: VolumeWriteError,
    },
    /// An ext4 file system cannot be amended.
    #[error("amending the file system of partition {partition}")]
    Ext4 {
        /// The partition.
        partition: u32,
        /// Why not.
        #[source]
        source: Box<Ext4PatchError>,
    },
    /// Contents cannot be compared.
    #[error("comparing the files of partition {partition}")]
    Compare {
        /// The partition.
        partition: u32,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What a mount hides cannot be put back.
    #[error("putting back what the mount at `{point}` hides")]
    Hidden {
        /// The mount point.
        point: String,
        /// Why.
        #[source]
        source: TreeError,
    },
    /// What is below the files cannot be read.
    #[error("looking for what is left of deleted files")]
    Survey(#[source] ResidueError),
    /// The parts of the disk overlap.
    #[error("composing the disk")]
    Plan(#[source] PlanError),
}
