//! `[[partition]]`.

use amiforge_formats::volume::FsKind;
use amiforge_formats::volume::format::FileMetadata;
use schemars::JsonSchema;
use serde::Deserialize;

use super::NumberOrText;

/// A partition. They are on the disk in the order of the recipe. Without any, there are those that `[boot]` takes; without
/// `[boot]` an EFI system partition of 128 MiB at `/boot/efi` and an ext4 root that fills the disk.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct PartitionKeys {
    /// What it is for; decides the other defaults.
    pub(crate) role: RoleKey,
    /// File system; `fat32` for `esp`, `ext4` for `root` and `data`, `swap` for `swap`, else `none`. `erofs` for a `root` or
    /// `data` that is never written to.
    pub(crate) fs: Option<FsKey>,
    /// Partition name in the GPT, at most 36 characters; the role if not given.
    pub(crate) label: Option<String>,
    /// Label of the file system: at most 11 characters for `fat32`, 16 bytes for the others; the partition's
    /// label where that fits (in capitals for `fat32`).
    pub(crate) fs_label: Option<String>,
    /// Length: a size such as `"512 MiB"`; `"fill"`: all that the others leave (`root` unless said otherwise; for one
    /// partition); `"minimal"`: as small as the content allows; `"minimal + 256 MiB"`: so much free space in it.
    pub(crate) size: Option<String>,
    /// Where the system mounts it; it is written to `/etc/fstab`, and what the tree holds there goes on this
    /// partition. `/` for `root`, `/boot/efi` for `esp`. `"none"`: nowhere.
    pub(crate) mount: Option<String>,
    /// Options in `/etc/fstab`; `["umask=0077"]` for `esp`.
    pub(crate) mount_options: Option<Vec<String>>,
    /// Folder of the tree that goes on it, if that is not where it is mounted.
    pub(crate) tree: Option<String>,
    /// Number in the GPT, 1 to 128; the next that is free if not given.
    #[schemars(range(min = 1, max = 128))]
    pub(crate) number: Option<i64>,
    /// Type in the GPT, as a name of the Discoverable Partitions Specification or a GUID; follows from the role, the
    /// mount point and the architecture if not given.
    pub(crate) r#type: Option<String>,
    /// GUID of the partition; derived from the image's name and the role if not given.
    pub(crate) guid: Option<String>,
    /// UUID of the file system; for `fat32` a volume id such as `"1A2B-3C4D"`. Derived if not given.
    pub(crate) uuid: Option<String>,
    /// Attributes in the GPT: `"growfs"` (the default for a `root` that can be written to), `"read-only"`, `"no-auto"`, `"required"`,
    /// `"no-block-io"`, `"legacy-bios-bootable"`, or the number of a bit.
    pub(crate) attributes: Option<Vec<NumberOrText>>,
    /// Journal of ext4: `"auto"` (the default, as mke2fs chooses by size), `"none"`, or a size such as `"64 MiB"`.
    pub(crate) journal: Option<String>,
    /// Per cent of the blocks of ext4 kept for root, 0 to 50; 5 for `root`, else 0.
    #[schemars(range(min = 0, max = 50))]
    pub(crate) reserved: Option<PercentKey>,
    /// File whose bytes fill a partition without file system.
    pub(crate) source: Option<String>,
}

/// A share in per cent.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum PercentKey {
    /// Whole per cent.
    Whole(i64),
    /// With decimals.
    Decimal(f64),
}

/// What a partition is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RoleKey {
    /// EFI system partition.
    Esp,
    /// Holds the loader for a legacy BIOS: 96 MiB for that of `[boot]`, with kernel and initrd; else 1 MiB, as
    /// GRUB keeps its core there.
    BiosBoot,
    /// The root file system.
    Root,
    /// Any other file system; needs `size`.
    Data,
    /// Swap space; needs `size`.
    Swap,
    /// The bytes of `source`, or nothing.
    #[default]
    Raw,
}

/// A file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FsKey {
    /// FAT32.
    Fat32,
    /// ext4.
    Ext4,
    /// Swap space.
    Swap,
    /// EROFS: read-only and uncompressed, without free space or a journal.
    Erofs,
    /// No file system.
    None,
}

impl FsKey {
    /// All of them, in the order in which messages list them.
    pub(crate) const ALL: [Self; 5] = [Self::Fat32, Self::Ext4, Self::Swap, Self::Erofs, Self::None];

    /// The format of the volume, if it has one.
    pub(crate) fn kind(self) -> Option<FsKind> {
        match self {
            Self::Fat32 => Some(FsKind::Fat),
            Self::Ext4 => Some(FsKind::Ext4),
            Self::Swap => Some(FsKind::Swap),
            Self::Erofs => Some(FsKind::Erofs),
            Self::None => None,
        }
    }

    /// As recipes name it.
    pub(crate) fn name(self) -> &'static str {
        self.kind().map_or("none", |kind| kind.format().written_name())
    }

    /// Whether nothing can be written to it on a machine.
    pub(crate) fn is_read_only(self) -> bool {
        self.kind().is_some_and(|kind| kind.format().is_read_only())
    }

    /// Whether it stores everything that Linux knows of a file, as the file system of a root does.
    pub(crate) fn holds_all_metadata(self) -> bool {
        self.kind().is_some_and(|kind| kind.format().files() == Some(FileMetadata::Full))
    }

    /// Whether files can be put on it.
    pub(crate) fn holds_files(self) -> bool {
        self.kind().is_some_and(|kind| kind.format().files().is_some())
    }
}
