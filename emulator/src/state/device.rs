//! The devices of an image's machine: block device mappings and volumes, as they are kept. Knows no limits.

use serde::{Deserialize, Serialize};

/// A device of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BlockDeviceMapping {
    /// `/dev/xvda`, ...
    pub(crate) device: String,
    /// What it is.
    pub(crate) target: DeviceKind,
}

/// What a device is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DeviceKind {
    /// A disk of the host, `ephemeral0` to `ephemeral23`.
    Ephemeral(String),
    /// Nothing, even if the instance type would map something.
    Nothing,
    /// A volume.
    Ebs(Box<EbsVolume>),
}

/// A volume that is made at launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EbsVolume {
    /// What it is filled from.
    pub(crate) snapshot: Option<String>,
    /// Its kind, size and speed.
    pub(crate) volume: NewVolume,
    /// Whether it goes when its instance goes.
    pub(crate) delete_on_termination: bool,
    /// As its snapshot, or as asked for an empty one.
    pub(crate) encrypted: bool,
    /// The key of an empty encrypted one.
    pub(crate) kms_key: Option<String>,
    /// MiB a second at which it is filled.
    pub(crate) initialization_rate: Option<i64>,
    /// Which EBS card of the instance.
    pub(crate) card: Option<i64>,
    /// The Outpost of the snapshot.
    pub(crate) outpost: Option<String>,
    /// The zone of a volume in a Local Zone.
    pub(crate) zone: Option<String>,
    /// The same by id.
    pub(crate) zone_id: Option<String>,
}

/// A kind of volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum VolumeKind {
    /// Magnetic, of the first generation.
    Standard,
    /// Provisioned operations.
    Io1,
    /// Provisioned operations, durable.
    Io2,
    /// General purpose, speed by size.
    Gp2,
    /// General purpose, speed as asked.
    Gp3,
    /// Throughput on magnetic disks.
    St1,
    /// Cold magnetic disks.
    Sc1,
}

/// A volume to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NewVolume {
    /// Its kind.
    pub(crate) kind: VolumeKind,
    /// GiB.
    pub(crate) size: i64,
    /// Operations a second, where the kind has them.
    pub(crate) iops: Option<i64>,
    /// MiB a second, where the kind has it.
    pub(crate) throughput: Option<i64>,
}

impl BlockDeviceMapping {
    /// The snapshot that fills the device.
    pub(crate) fn snapshot(&self) -> Option<&str> {
        self.ebs()?.snapshot.as_deref()
    }

    /// The volume, if it is one.
    pub(crate) fn ebs(&self) -> Option<&EbsVolume> {
        match &self.target {
            DeviceKind::Ebs(ebs) => Some(ebs),
            DeviceKind::Ephemeral(_) | DeviceKind::Nothing => None,
        }
    }
}

impl VolumeKind {
    /// The word on the wire.
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
