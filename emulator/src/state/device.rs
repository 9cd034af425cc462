//! The devices of an image: stored block device mappings and volumes. Knows no limits.

use serde::{Deserialize, Serialize};

/// A block device mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BlockDeviceMapping {
    /// The device name: `/dev/xvda`, ...
    pub(crate) device: String,
    /// The mapped device.
    pub(crate) target: DeviceKind,
}

/// The kind of a mapped device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DeviceKind {
    /// An instance store volume, `ephemeral0` to `ephemeral23`.
    Ephemeral(String),
    /// No device, even if the instance type would map one.
    Nothing,
    /// An EBS volume.
    Ebs(Box<EbsVolume>),
}

/// An EBS volume that is created at launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EbsVolume {
    /// The snapshot that it is created from.
    pub(crate) snapshot: Option<String>,
    /// Its type, size and performance.
    pub(crate) volume: VolumeSpec,
    /// Whether it is deleted with its instance.
    pub(crate) delete_on_termination: bool,
    /// Whether it is encrypted: as the snapshot, or as requested for an empty volume.
    pub(crate) encrypted: bool,
    /// The key of an empty encrypted volume.
    pub(crate) kms_key: Option<String>,
    /// The rate in MiB per second at which it is initialized.
    pub(crate) initialization_rate: Option<i64>,
    /// The index of the instance's EBS card.
    pub(crate) card: Option<i64>,
    /// The Outpost of the snapshot.
    pub(crate) outpost: Option<String>,
    /// The zone of a volume in a Local Zone.
    pub(crate) zone: Option<String>,
    /// The same zone by its id.
    pub(crate) zone_id: Option<String>,
}

/// A volume type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum VolumeType {
    /// Magnetic, previous generation.
    Standard,
    /// Provisioned IOPS.
    Io1,
    /// Provisioned IOPS with higher durability.
    Io2,
    /// General purpose, with performance that depends on the size.
    Gp2,
    /// General purpose, with configurable performance.
    Gp3,
    /// Throughput-optimized HDD.
    St1,
    /// Cold HDD.
    Sc1,
}

/// The specification of a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VolumeSpec {
    /// The volume type.
    pub(crate) kind: VolumeType,
    /// The size in GiB.
    pub(crate) size: i64,
    /// I/O operations per second, if the type supports them.
    pub(crate) iops: Option<i64>,
    /// The throughput in MiB per second, if the type supports it.
    pub(crate) throughput: Option<i64>,
}

impl BlockDeviceMapping {
    /// The snapshot that the device is created from.
    pub(crate) fn snapshot(&self) -> Option<&str> {
        self.ebs()?.snapshot.as_deref()
    }

    /// The EBS volume, if the device is one.
    pub(crate) fn ebs(&self) -> Option<&EbsVolume> {
        match &self.target {
            DeviceKind::Ebs(ebs) => Some(ebs),
            DeviceKind::Ephemeral(_) | DeviceKind::Nothing => None,
        }
    }
}

impl VolumeType {
    /// The value on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Io1 => "io1",
            Self::Io2 => "io2",
            Self::Gp2 => "gp2",
            Self::Gp3 => "gp3",
            Self::St1 => "st1",
            Self::Sc1 => "sc1",
        }
    }
}
