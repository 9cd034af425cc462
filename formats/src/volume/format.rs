//! The trait that every volume format implements: what tools ask of a volume without knowing its format.
//!
//! Knows no format; [`super`] lists those that implement it.

use std::error::Error;

use crate::guid::Guid;
use crate::map::RangeMap;
use crate::plan::SourceId;
use crate::read_at::ReadAt;
use crate::residue::Residue;
use crate::structure::Structure;
use crate::tree::Tree;

/// Why a reader or a checker refuses a volume: the error of that format.
pub type FormatError = Box<dyn Error + Send + Sync>;

/// How much of the metadata of files a format stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileMetadata {
    /// Owners, modes, times and extended attributes.
    Full,
    /// Names, kinds and sizes exactly; owners and modes not at all, times rounded.
    NamesAndSizes,
}

/// A volume as its reader sees it. Sizes are in bytes.
#[derive(Debug, Clone, Default)]
pub struct ReadVolume {
    /// Name of the format, with its variant where there are several, such as `fat16`.
    pub variant: &'static str,
    /// UUID or volume id, as `/dev/disk/by-uuid` names it.
    pub id: Option<String>,
    /// Volume label; empty for none.
    pub label: Vec<u8>,
    /// Bytes in a block or cluster.
    pub block_size: Option<u64>,
    /// Length of the volume as its header counts it.
    pub size: Option<u64>,
    /// Free space.
    pub free: Option<u64>,
    /// All inodes.
    pub inodes: Option<u64>,
    /// Free inodes.
    pub free_inodes: Option<u64>,
    /// Features by name.
    pub features: Vec<String>,
    /// Further facts as name and text.
    pub more: Vec<(&'static str, String)>,
    /// The files, where the format holds any.
    pub tree: Option<Tree>,
}

/// A volume that was read and surveyed.
#[derive(Debug, Clone, Default)]
pub struct SurveyedVolume {
    /// As its reader sees it.
    pub read: ReadVolume,
    /// What is below the tree, by offset in the volume.
    pub residue: Vec<Residue>,
}

/// A format that fills a volume: a file system, or swap space.
pub trait VolumeFormat: Sync {
    /// Name of the format as it is found on a disk, such as `fat` for every width.
    fn name(&self) -> &'static str;

    /// Name of what the writer writes, in recipes, manifests and listings, such as `fat32`.
    fn written_name(&self) -> &'static str {
        self.name()
    }

    /// Type in `/etc/fstab` (mount(8)).
    fn mount_type(&self) -> &'static str {
        self.name()
    }

    /// How much of the metadata of files it stores; `None` when it holds no files.
    fn files(&self) -> Option<FileMetadata>;

    /// Whether nothing can be written to a volume once it is made.
    fn is_read_only(&self) -> bool {
        false
    }

    /// The modules of Linux without which its kernel does not mount a volume of the format, in the order in which they are
    /// loaded; none where no root is on one.
    fn kernel_modules(&self) -> &'static [&'static str] {
        &[]
    }

    /// The GPT partition type that follows from the format, where one does.
    fn partition_type(&self) -> Option<Guid> {
        None
    }

    /// Whether a volume begins with the signature of this format. `head` is its first 64 KiB, or all of a shorter one.
    fn probe(&self, head: &[u8]) -> bool;

    /// Reads the volume. Contents of files become slices of `source`, counted from the first byte of the volume.
    ///
    /// # Errors
    /// The error of the format's reader, at the first corruption that could give wrong bytes or names.
    fn read(&self, volume: &dyn ReadAt, source: SourceId) -> Result<ReadVolume, FormatError>;

    /// The bytes of the regular file at `path`: names joined by `/`, without links on the way. `None` where there is no
    /// such file, or the format holds none. Reads only what is on the way: for a volume far away, whose tree would cost
    /// much more.
    ///
    /// # Errors
    /// The error of the format's reader when something on the way is damaged, or the file has more than `most` bytes.
    fn file(&self, _volume: &dyn ReadAt, _path: &[u8], _most: u64) -> Result<Option<Vec<u8>>, FormatError> {
        Ok(None)
    }

    /// Checks the volume beyond what reading needs, and gives a text for each corruption; oddities are left out.
    ///
    /// # Errors
    /// The error of the format's checker when it cannot begin, or the medium fails.
    fn check(&self, volume: &dyn ReadAt) -> Result<Vec<String>, FormatError>;

    /// Reads the volume, as [`VolumeFormat::read`] does, and surveys what is below the tree in the same walk: bytes that neither
    /// a file nor a structure holds and that are not zero, by offset in the volume. It reads what the format describes, and
    /// of the rest everything but the holes of the medium.
    ///
    /// # Errors
    /// The error of the format's reader, also when what is in use cannot be distinguished from what is not, or the medium fails.
    fn survey(&self, volume: &dyn ReadAt, source: SourceId) -> Result<SurveyedVolume, FormatError>;

    /// What is below the tree: see [`VolumeFormat::survey`].
    ///
    /// # Errors
    /// Those of [`VolumeFormat::survey`].
    fn residue(&self, volume: &dyn ReadAt) -> Result<Vec<Residue>, FormatError> {
        Ok(self.survey(volume, SourceId(0))?.residue)
    }

    /// What every byte of the volume is.
    ///
    /// # Errors
    /// The error of the format's reader, or the range that two structures claim or that none does.
    fn map(&self, volume: &dyn ReadAt) -> Result<RangeMap, FormatError>;

    /// Structures at fixed offsets whose fields can be compared one by one.
    fn structures(&self) -> &'static [Structure] {
        &[]
    }

    /// Whether the other bytes of a volume follow from those of another volume.
    fn follows_another(&self) -> bool {
        false
    }

    /// Name of what the other bytes of a volume are divided into.
    fn body_name(&self) -> &'static str {
        "blocks"
    }
}
