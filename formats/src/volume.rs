//! The registry of volume formats: which file systems there are, how they are recognised, read, checked and written.
//!
//! Everything else in the workspace asks this page, so a new format is its folder, a variant of [`FsKind`] and of
//! [`VolumeOptions`] here, and its options in the recipe. Readers implement [`VolumeFormat`]; writers are called by
//! [`VolumeDraft`]. The two meet only in the enum that names a format: neither side calls the other.

mod foreign;
pub mod format;

use std::io;

use crate::erofs::ErofsFormat;
use crate::erofs::write::{ErofsDraft, ErofsOptions, ErofsWriteError};
use crate::ext4::Ext4Format;
use crate::ext4::write::{Ext4Draft, Ext4Options, Ext4WriteError, JournalSize};
use crate::fat::FatFormat;
use crate::fat::write::{FatOptions, FatWriteError};
use crate::guid::Guid;
use crate::plan::Plan;
use crate::read_at::ReadAt;
use crate::swap::{SwapFormat, SwapWriteError};
use crate::time::Time;
use crate::tree::{ChangeGroups, Tree};
use crate::verity::VerityFormat;
use crate::xfs::XfsFormat;
use crate::{fat, gpt, swap};
use foreign::FOREIGN;
use format::VolumeFormat;

/// A volume format that is read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FsKind {
    /// Swap space.
    Swap,
    /// ext4; the reader also takes its forerunners ext2 and ext3.
    Ext4,
    /// FAT: FAT32 is written, every width is read.
    Fat,
    /// The hash tree of dm-verity over another volume.
    Verity,
    /// EROFS, read-only; uncompressed.
    Erofs,
    /// XFS of version 5; read, not written.
    Xfs,
}

impl FsKind {
    /// All formats, in the order in which a volume is probed for them.
    pub const ALL: [Self; 6] = [Self::Swap, Self::Ext4, Self::Fat, Self::Verity, Self::Erofs, Self::Xfs];

    /// What the format offers.
    pub fn format(self) -> &'static dyn VolumeFormat {
        match self {
            Self::Swap => &SwapFormat,
            Self::Ext4 => &Ext4Format,
            Self::Fat => &FatFormat,
            Self::Verity => &VerityFormat,
            Self::Erofs => &ErofsFormat,
            Self::Xfs => &XfsFormat,
        }
    }

    /// The format that is written under this name, as recipes and manifests have it.
    pub fn by_written_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.format().written_name() == name)
    }
}

/// What a range of a disk contains, by its signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VolumeContent {
    /// A format of the registry.
    Known(FsKind),
    /// A format that has a name but no reader here.
    Foreign(&'static str),
    /// Zeros only, as far as the first 64 KiB.
    Zeros,
    /// Bytes without a known signature.
    Unknown,
}

impl VolumeContent {
    /// Its name, such as `ext4`; `empty` for zeros, `unknown` for bytes without a signature.
    pub fn name(self) -> &'static str {
        match self {
            Self::Known(kind) => kind.format().name(),
            Self::Foreign(name) => name,
            Self::Zeros => "empty",
            Self::Unknown => "unknown",
        }
    }

    /// The format, if it is one of the registry.
    pub fn kind(self) -> Option<FsKind> {
        match self {
            Self::Known(kind) => Some(kind),
            Self::Foreign(_) | Self::Zeros | Self::Unknown => None,
        }
    }
}

/// Bytes at the start that are probed for signatures and for anything but zeros.
const HEAD: usize = 64 * 1024;

/// Recognises the content of `volume` by its signatures; parses nothing.
///
/// # Errors
/// The error of the medium.
pub fn probe(volume: &dyn ReadAt) -> io::Result<VolumeContent> {
    let len = usize::try_from(volume.size()).unwrap_or(HEAD).min(HEAD);
    let mut head = vec![0; len];
    volume.read_exact_at(0, &mut head)?;
    if let Some(kind) = FsKind::ALL.into_iter().find(|kind| kind.format().probe(&head)) {
        return Ok(VolumeContent::Known(kind));
    }
    for (offset, magic, name) in FOREIGN {
        let mut found = vec![0; magic.len()];
        if volume.read_exact_at(offset, &mut found).is_ok() && found == magic {
            return Ok(VolumeContent::Foreign(name));
        }
    }
    let zeros = head.iter().all(|byte| *byte == 0);
    Ok(if zeros { VolumeContent::Zeros } else { VolumeContent::Unknown })
}

/// Ids of a volume that follow from the name of the image and the id of the partition. They do not depend on the
/// content, so an fstab and a kernel command line can be written before the volume is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumeIds {
    /// UUID of the file system; a volume id of 32 bits is its first four bytes.
    pub uuid: Guid,
    /// Seed of directory hashes.
    pub hash_seed: Guid,
}

impl VolumeIds {
    /// The ids of the volume in the partition `partition` of the image `image`.
    pub fn derive(image: &str, partition: &str) -> Self {
        Self {
            uuid: Guid::derive(image, &format!("file system\0{partition}")),
            hash_seed: Guid::derive(image, &format!("hash seed\0{partition}")),
        }
    }

    /// The volume id of 32 bits.
    fn short(&self) -> u32 {
        let [a, b, c, d, ..] = self.uuid.to_bytes();
        u32::from_be_bytes([a, b, c, d])
    }
}

/// The options that a format is written with. An id that is `None` is derived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeOptions {
    /// FAT32.
    Fat32 {
        /// Volume label, at most 11 characters.
        label: String,
        /// Volume id.
        volume_id: Option<u32>,
    },
    /// ext4.
    Ext4 {
        /// Volume label, at most 16 bytes.
        label: String,
        /// UUID.
        uuid: Option<Guid>,
        /// Length of the journal.
        journal: JournalSize,
        /// Blocks reserved for root, in hundredths of a percent.
        reserved: u16,
    },
    /// Swap space.
    Swap {
        /// Label, at most 16 bytes.
        label: String,
        /// UUID.
        uuid: Option<Guid>,
    },
    /// EROFS.
    Erofs {
        /// Volume label, at most 16 bytes.
        label: String,
        /// UUID.
        uuid: Option<Guid>,
    },
}

impl VolumeOptions {
    /// The options of a format that has a label and a UUID and nothing else; none for the others.
    pub fn labelled(kind: FsKind, label: String, uuid: Option<Guid>) -> Option<Self> {
        match kind {
            FsKind::Swap => Some(Self::Swap { label, uuid }),
            FsKind::Erofs => Some(Self::Erofs { label, uuid }),
            FsKind::Ext4 | FsKind::Fat | FsKind::Verity | FsKind::Xfs => None,
        }
    }

    /// The format that they are for.
    pub fn kind(&self) -> FsKind {
        match self {
            Self::Fat32 { .. } => FsKind::Fat,
            Self::Ext4 { .. } => FsKind::Ext4,
            Self::Swap { .. } => FsKind::Swap,
            Self::Erofs { .. } => FsKind::Erofs,
        }
    }

    /// The id of the volume as `/dev/disk/by-uuid`, fstab and manifests name it: the given one, else the derived one.
    pub fn id(&self, derived: &VolumeIds) -> String {
        match self {
            Self::Fat32 { volume_id, .. } => fat::id_text(volume_id.unwrap_or_else(|| derived.short())),
            Self::Ext4 { uuid, .. } | Self::Swap { uuid, .. } | Self::Erofs { uuid, .. } => {
                uuid.unwrap_or(derived.uuid).to_string()
            }
        }
    }
}

/// Why a volume cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VolumeWriteError {
    /// A FAT32 volume cannot be planned.
    #[error("planning a FAT32 volume")]
    Fat(#[from] FatWriteError),
    /// An ext4 file system cannot be planned.
    #[error("planning an ext4 file system")]
    Ext4(#[from] Ext4WriteError),
    /// A swap area cannot be planned.
    #[error("planning a swap area")]
    Swap(#[from] SwapWriteError),
    /// An EROFS file system cannot be planned.
    #[error("planning an EROFS file system")]
    Erofs(#[from] ErofsWriteError),
}

impl VolumeWriteError {
    /// Whether a longer volume would hold the tree.
    pub fn is_no_space(&self) -> bool {
        match self {
            Self::Fat(error) => matches!(error, FatWriteError::NoSpace { .. }),
            Self::Ext4(error) => matches!(error, Ext4WriteError::NoSpace { .. }),
            Self::Swap(_) => false,
            Self::Erofs(error) => matches!(error, ErofsWriteError::NoSpace { .. }),
        }
    }
}

/// A volume that is measured and then planned; what measuring finds out is used again by planning.
#[derive(Debug)]
pub struct VolumeDraft<'a>(Writer<'a>);

/// The writer of each format with its arguments.
#[derive(Debug)]
enum Writer<'a> {
    Fat { tree: &'a Tree, options: FatOptions },
    Ext4(Box<Ext4Draft<'a>>),
    Swap { uuid: Guid, label: String },
    Erofs(Box<ErofsDraft<'a>>),
}

impl<'a> VolumeDraft<'a> {
    /// Drafts a volume that holds `tree`, which a format without files ignores; `time` is that of the volume itself.
    /// Only some formats heed the groups.
    ///
    /// # Errors
    /// [`VolumeWriteError`] when the format cannot hold the tree.
    pub fn new(
        options: &VolumeOptions,
        (tree, groups): (&'a Tree, &ChangeGroups),
        ids: &VolumeIds,
        time: Time,
    ) -> Result<Self, VolumeWriteError> {
        Ok(Self(match options {
            VolumeOptions::Fat32 { label, volume_id } => {
                let volume_id = volume_id.unwrap_or_else(|| ids.short());
                let options = FatOptions { volume_id, label: label.clone(), time, hidden_sectors: 0 };
                Writer::Fat { tree, options }
            }
            VolumeOptions::Ext4 { label, uuid, journal, reserved } => {
                let options = Ext4Options {
                    uuid: uuid.unwrap_or(ids.uuid),
                    hash_seed: ids.hash_seed,
                    label: label.clone(),
                    time,
                    journal: *journal,
                    reserved: *reserved,
                };
                Writer::Ext4(Box::new(Ext4Draft::grouped(tree, groups, &options)?))
            }
            VolumeOptions::Swap { label, uuid } => {
                Writer::Swap { uuid: uuid.unwrap_or(ids.uuid), label: label.clone() }
            }
            VolumeOptions::Erofs { label, uuid } => {
                let options = ErofsOptions { uuid: uuid.unwrap_or(ids.uuid), label: label.clone(), time };
                Writer::Erofs(Box::new(ErofsDraft::grouped(tree, groups, &options)?))
            }
        }))
    }

    /// The least length in bytes with `slack` bytes of free space.
    ///
    /// # Errors
    /// [`VolumeWriteError`] when no length holds the tree.
    pub fn minimal_len(&mut self, slack: u64) -> Result<u64, VolumeWriteError> {
        match &mut self.0 {
            Writer::Fat { tree, options } => Ok(fat::write::minimal_len(tree, options, slack)?),
            Writer::Ext4(draft) => Ok(draft.minimal_len(slack)?),
            Writer::Swap { .. } => Ok(slack),
            Writer::Erofs(draft) => Ok(draft.minimal_len(slack)?),
        }
    }

    /// Plans a volume of `len` bytes that begins at byte `start` of its disk.
    ///
    /// # Errors
    /// [`VolumeWriteError`] when the volume is too short or too long for the format or the tree.
    pub fn plan(self, start: u64, len: u64) -> Result<Plan, VolumeWriteError> {
        match self.0 {
            Writer::Fat { tree, mut options } => {
                // The field has 32 bits, and no reader of a partitioned disk uses it.
                options.hidden_sectors = u32::try_from(start / gpt::SECTOR).unwrap_or(0);
                Ok(fat::write::plan(tree, &options, len)?)
            }
            Writer::Ext4(draft) => Ok(draft.plan(len)?),
            Writer::Swap { uuid, label } => Ok(swap::plan(uuid, &label, len)?),
            Writer::Erofs(draft) => Ok(draft.plan(len)?),
        }
    }
}

#[cfg(test)]
mod tests;
