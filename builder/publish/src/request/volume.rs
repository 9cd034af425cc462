//! Types of the volumes of an AMI: type, size, performance, content. The syntax of the options that describe them is in
//! [`super::volume_option`], the limits of each type in [`super::limits`].

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::api::ec2::{DeviceMapping, Encrypted, OnTermination};

/// Type of a volume.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VolumeType {
    /// SSD; performance is independent of the size.
    #[default]
    Gp3,
    /// SSD; performance grows with the size.
    Gp2,
    /// SSD with provisioned IOPS.
    Io1,
    /// SSD with provisioned IOPS, more durable.
    Io2,
    /// Throughput-optimized hard disk.
    St1,
    /// Cold hard disk.
    Sc1,
    /// Magnetic disk of the previous generation.
    Standard,
}

impl VolumeType {
    const ALL: [Self; 7] = [Self::Gp3, Self::Gp2, Self::Io1, Self::Io2, Self::St1, Self::Sc1, Self::Standard];

    /// The value in the EC2 API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gp3 => "gp3",
            Self::Gp2 => "gp2",
            Self::Io1 => "io1",
            Self::Io2 => "io2",
            Self::St1 => "st1",
            Self::Sc1 => "sc1",
            Self::Standard => "standard",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Settings of a volume at launch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSettings {
    /// Volume type.
    pub kind: VolumeType,
    /// Size in GiB; `None` means the size of the snapshot.
    pub size: Option<u64>,
    /// I/O operations per second; `None` means the default of the type.
    pub iops: Option<u64>,
    /// MiB per second; `None` means the default of the type.
    pub throughput: Option<u64>,
    /// Whether it is deleted with its instance.
    pub on_termination: OnTermination,
}

impl VolumeSettings {
    /// The block device mapping for a device.
    pub(super) fn mapping(&self, device: &str, snapshot: Option<String>) -> DeviceMapping {
        DeviceMapping {
            device: device.to_owned(),
            snapshot,
            size: self.size,
            volume_type: Some(self.kind.as_str().to_owned()),
            iops: self.iops,
            throughput: self.throughput,
            on_termination: self.on_termination,
            ..DeviceMapping::default()
        }
    }
}

/// Content of a further volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeContent {
    /// The image of a bundle.
    Bundle(PathBuf),
    /// An existing snapshot.
    Snapshot(String),
    /// Nothing.
    Empty,
    /// Nothing, encrypted with the account's key.
    EmptyEncrypted,
}

impl VolumeContent {
    /// The id of the existing snapshot, if it is one.
    pub fn snapshot(&self) -> Option<String> {
        match self {
            Self::Snapshot(id) => Some(id.clone()),
            _ => None,
        }
    }
}

/// A volume other than the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FurtherVolume {
    /// Device name.
    pub device: String,
    /// Its content.
    pub content: VolumeContent,
    /// Its settings.
    pub settings: VolumeSettings,
}

impl FurtherVolume {
    /// Encryption in the registration, which the service accepts for an empty volume only.
    pub(super) fn encrypted(&self) -> Encrypted {
        match self.content {
            VolumeContent::EmptyEncrypted => Encrypted::Key(None),
            _ => Encrypted::No,
        }
    }
}
