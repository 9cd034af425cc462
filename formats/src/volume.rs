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
mod tests {
    use super::*;

    /// Probes zeros with a signature in them.
    fn probed(len: usize, at: usize, magic: &[u8]) -> VolumeContent {
        let mut volume = vec![0; len];
        volume[at..at + magic.len()].copy_from_slice(magic);
        probe(&volume).unwrap()
    }

    #[test]
    fn signatures_name_formats_and_short_volumes_are_safe() {
        assert_eq!(probed(4096, 4086, b"SWAPSPACE2"), VolumeContent::Known(FsKind::Swap));
        assert_eq!(probed(2048, 1080, &[0x53, 0xef]), VolumeContent::Known(FsKind::Ext4));
        assert_eq!(probed(1 << 17, 0x10040, b"_BHRfS_M"), VolumeContent::Foreign("btrfs"));
        assert_eq!(probed(512, 0, b"hsqs"), VolumeContent::Foreign("squashfs"));
        assert_eq!(probed(512, 0, b"XFSB"), VolumeContent::Known(FsKind::Xfs));
        assert_eq!(probed(2048, 1024, b"LABELONE"), VolumeContent::Foreign("lvm"));
        assert_eq!(probed(8192, 4096, &[0xfc, 0x4e, 0x2b, 0xa9]), VolumeContent::Foreign("mdraid"));
        assert_eq!(probed(32768, 16_408, b"version\0"), VolumeContent::Unknown);
        assert_eq!(probed(32768, 16_404, b"\0\0\0\x07version\0"), VolumeContent::Foreign("zfs-member"));
        assert_eq!(probed(512, 100, b"x"), VolumeContent::Unknown);
        assert_eq!(probe(&Vec::new()).unwrap(), VolumeContent::Zeros);
        assert_eq!(probe(&vec![0; 100]).unwrap(), VolumeContent::Zeros);
    }

    #[test]
    fn every_format_has_a_name_of_its_own_that_leads_back_to_it() {
        for kind in FsKind::ALL {
            assert_eq!(FsKind::by_written_name(kind.format().written_name()), Some(kind));
            assert!(FOREIGN.iter().all(|(_, _, name)| *name != kind.format().name()));
        }
    }

    /// Counts the bytes that are read.
    struct Counted<'a>(&'a Vec<u8>, std::sync::atomic::AtomicU64);

    impl ReadAt for Counted<'_> {
        fn size(&self) -> u64 {
            self.0.size()
        }

        fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
            self.1.fetch_add(buf.len() as u64, std::sync::atomic::Ordering::Relaxed);
            self.0.read_exact_at(offset, buf)
        }
    }

    #[test]
    fn a_file_is_read_by_its_path_without_the_rest_of_the_tree() {
        let mut tree = Tree::new(crate::tree::Meta::root_owned(0o755, Time::EPOCH));
        let long: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
        for number in 0..400 {
            crate::path::write(
                &mut tree,
                format!("/usr/share/{number}").as_bytes(),
                &long[..9000],
                0o644,
                Time::EPOCH,
            )
            .unwrap();
        }
        crate::path::write(&mut tree, b"/usr/lib/x/long", &long, 0o600, Time::EPOCH).unwrap();
        crate::path::write(&mut tree, b"/usr/lib/x/short", b"short", 0o644, Time::EPOCH).unwrap();
        crate::path::write(&mut tree, b"/usr/lib/x/empty", b"", 0o644, Time::EPOCH).unwrap();
        let ids = VolumeIds::derive("image", "root");
        for options in [
            VolumeOptions::Ext4 { label: String::new(), uuid: None, journal: JournalSize::Auto, reserved: 0 },
            VolumeOptions::Erofs { label: String::new(), uuid: None },
        ] {
            let groups = ChangeGroups::default();
            let mut draft = VolumeDraft::new(&options, (&tree, &groups), &ids, Time::EPOCH).unwrap();
            let len = draft.minimal_len(0).unwrap();
            let plan = draft.plan(0, len).unwrap();
            let mut bytes = vec![0; usize::try_from(len).unwrap()];
            plan.read_exact_at(&crate::plan::NoSources, 0, &mut bytes).unwrap();
            let volume = Counted(&bytes, 0.into());
            let format = options.kind().format();
            let file = |path: &[u8]| format.file(&volume, path, 1 << 20).unwrap();
            assert_eq!(file(b"usr/lib/x/short"), Some(b"short".to_vec()));
            assert_eq!(file(b"/usr/lib/x/empty"), Some(Vec::new()));
            assert_eq!(file(b"usr/lib/x/long").as_ref(), Some(&long));
            for absent in
                [&b"usr/lib/x"[..], b"usr/lib/y/short", b"usr/lib/x/short/z", b"usr/lib/x/none", b""]
            {
                assert_eq!(file(absent), None);
            }
            assert!(volume.1.into_inner() < len / 2, "{options:?}");
            assert!(format.file(&bytes, b"usr/lib/x/long", 1000).is_err());
        }
        assert_eq!(FsKind::Swap.format().file(&vec![0; 4096], b"x", 1).unwrap(), None);
    }

    #[test]
    fn a_volume_is_what_its_options_say_and_reads_back_with_its_id() {
        let tree = Tree::new(crate::tree::Meta::root_owned(0o755, Time::EPOCH));
        let ids = VolumeIds::derive("image", "data");
        for options in [
            VolumeOptions::Fat32 { label: "A".to_owned(), volume_id: None },
            VolumeOptions::Ext4 {
                label: "A".to_owned(),
                uuid: None,
                journal: JournalSize::Auto,
                reserved: 0,
            },
            VolumeOptions::Swap { label: "A".to_owned(), uuid: None },
            VolumeOptions::Erofs { label: "A".to_owned(), uuid: None },
        ] {
            let groups = ChangeGroups::default();
            let mut draft = VolumeDraft::new(&options, (&tree, &groups), &ids, Time::EPOCH).unwrap();
            let len = draft.minimal_len(0).unwrap().max(1 << 20);
            let plan = draft.plan(1 << 20, len).unwrap();
            let mut bytes = vec![0; usize::try_from(len).unwrap()];
            plan.read_exact_at(&crate::plan::NoSources, 0, &mut bytes).unwrap();
            assert_eq!(probe(&bytes).unwrap(), VolumeContent::Known(options.kind()));
            let format = options.kind().format();
            let read = format.read(&bytes, crate::plan::SourceId(0)).unwrap();
            assert_eq!(read.variant, format.written_name());
            assert_eq!((read.id, read.label.as_slice()), (Some(options.id(&ids)), b"A".as_slice()));
            assert_eq!(read.tree.is_some(), format.files().is_some());
            assert_eq!(format.check(&bytes).unwrap(), [""; 0]);
        }
    }
}
