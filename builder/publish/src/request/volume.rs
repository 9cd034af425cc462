//! Types of the volumes of an AMI: type, size, performance, content. The syntax of the options that describe them is in
//! [`super::volume_option`], the limits of each type in [`super::limits`].

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::api::ec2::{DeviceMapping, Encrypted, OnTermination};

/// Type of a volume.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VolumeType {
    /// SSD; speed apart from size.
    #[default]
    Gp3,
    /// SSD; speed grows with size.
    Gp2,
    /// SSD, provisioned.
    Io1,
    /// SSD, provisioned, more durable.
    Io2,
    /// Hard disks for streams.
    St1,
    /// Cold hard disks.
    Sc1,
    /// Magnetic, previous generation.
    Standard,
}

impl VolumeType {
    const ALL: [Self; 7] = [Self::Gp3, Self::Gp2, Self::Io1, Self::Io2, Self::St1, Self::Sc1, Self::Standard];

    /// As EC2 says it.
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

/// How a volume is made at a launch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSettings {
    /// Type.
    pub kind: VolumeType,
    /// GiB; the snapshot's size where nothing is said.
    pub size: Option<u64>,
    /// I/O operations in a second; the type's default where nothing is said.
    pub iops: Option<u64>,
    /// MiB in a second; the type's default where nothing is said.
    pub throughput: Option<u64>,
    /// Whether it goes when its instance goes.
    pub on_termination: OnTermination,
}

impl VolumeSettings {
    /// The mapping of a device.
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

/// What stands on a further volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeContent {
    /// The image of a bundle.
    Bundle(PathBuf),
    /// A snapshot that is there.
    Snapshot(String),
    /// Nothing.
    Empty,
    /// Nothing, encrypted with the account's key.
    EmptyEncrypted,
}

impl VolumeContent {
    /// The snapshot, of one that is there.
    pub fn snapshot(&self) -> Option<String> {
        match self {
            Self::Snapshot(id) => Some(id.clone()),
            _ => None,
        }
    }
}

/// A volume besides the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FurtherVolume {
    /// Device name.
    pub device: String,
    /// What stands on it.
    pub content: VolumeContent,
    /// How it is made.
    pub settings: VolumeSettings,
}

impl FurtherVolume {
    /// What the registration says of its encryption: only of an empty one may it say anything.
    pub(super) fn encrypted(&self) -> Encrypted {
        match self.content {
            VolumeContent::EmptyEncrypted => Encrypted::Key(None),
            _ => Encrypted::No,
        }
    }
}
