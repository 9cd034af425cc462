//! Stored instances: records only, no machine runs. Knows no permissions of operations.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::tags::Tags;
use crate::clock::Timestamp;

/// How long a terminated instance is still described: about an hour in a real region (EC2 User Guide,
/// "Terminate your instance").
pub(crate) const TERMINATED_VISIBLE: Duration = Duration::from_hours(1);

/// An instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct InstanceRecord {
    /// `i-` and 17 hexadecimal digits.
    pub(crate) id: String,
    /// The account that owns it: twelve digits.
    pub(crate) owner: String,
    /// `r-` and 17 hexadecimal digits; the instances of one request share it.
    pub(crate) reservation: String,
    /// The position among the instances of its request, from 0.
    pub(crate) launch_index: u64,
    /// The image that it was launched from.
    pub(crate) image: String,
    /// `t3.micro`, ...
    pub(crate) instance_type: String,
    /// `x86_64` or `arm64`.
    pub(crate) architecture: String,
    /// `hvm` or `paravirtual`.
    pub(crate) virtualization: String,
    /// The name of the root device.
    pub(crate) root_device: String,
    /// The boot mode of the image.
    pub(crate) boot_mode: Option<String>,
    /// `uefi` or `legacy-bios`: the mode in which it boots.
    pub(crate) current_boot_mode: String,
    /// Whether enhanced networking (ENA) is supported.
    pub(crate) ena: Option<bool>,
    /// The name of the key pair.
    pub(crate) key_name: Option<String>,
    /// The availability zone.
    pub(crate) zone: String,
    /// The subnet of the request, as given.
    pub(crate) subnet: Option<String>,
    /// The time of the launch.
    pub(crate) launched: Timestamp,
    /// The stage of its life.
    pub(crate) phase: InstancePhase,
    /// The tags, including those that EC2 sets itself (`aws:...`).
    pub(crate) tags: Tags,
    /// The client token and the parameters of the request that launched it.
    pub(crate) token: Option<(String, String)>,
}

/// The stage in the life of an instance: what was last requested, and from when on it is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum InstancePhase {
    /// Pending until `from`, then running.
    Running {
        /// The end of the pending state.
        from: Timestamp,
    },
    /// Stopping until `from`, then stopped.
    Stopped {
        /// The end of the stopping state.
        from: Timestamp,
    },
    /// Shutting down until `from`, then terminated.
    Terminated {
        /// The end of the shutting-down state.
        from: Timestamp,
    },
}

/// The state of an instance as EC2 reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InstanceState {
    Pending,
    Running,
    ShuttingDown,
    Terminated,
    Stopping,
    Stopped,
}

impl InstanceState {
    /// The value on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    /// The code on the wire (EC2 API Reference, `InstanceState`).
    pub(crate) fn code(self) -> u32 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
            Self::Stopping => 64,
            Self::Stopped => 80,
        }
    }
}

impl InstanceRecord {
    /// The state at a point in time.
    pub(crate) fn state(&self, now: Timestamp) -> InstanceState {
        match self.phase {
            InstancePhase::Running { from } if now < from => InstanceState::Pending,
            InstancePhase::Running { .. } => InstanceState::Running,
            InstancePhase::Stopped { from } if now < from => InstanceState::Stopping,
            InstancePhase::Stopped { .. } => InstanceState::Stopped,
            InstancePhase::Terminated { from } if now < from => InstanceState::ShuttingDown,
            InstancePhase::Terminated { .. } => InstanceState::Terminated,
        }
    }

    /// Whether it is no longer described at a point in time.
    pub(crate) fn is_forgotten(&self, now: Timestamp) -> bool {
        matches!(self.phase, InstancePhase::Terminated { from } if now >= from.after(TERMINATED_VISIBLE))
    }
}
