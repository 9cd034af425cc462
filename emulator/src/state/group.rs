//! Stored Auto Scaling groups, their instances and their instance refreshes. Knows no rule of the service.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::template::TemplateMembers;
use crate::clock::Timestamp;

/// An Auto Scaling group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct GroupRecord {
    /// The name, unique among the groups of the account in the region.
    pub(crate) name: String,
    /// The account that owns it: twelve digits.
    pub(crate) owner: String,
    /// The UUID in its ARN.
    pub(crate) uuid: String,
    /// The time of creation.
    pub(crate) created: Timestamp,
    /// The time up to which its instances and refreshes are computed.
    pub(crate) advanced: Timestamp,
    /// What its instances are launched from.
    pub(crate) source: LaunchSource,
    /// Sizes and limits.
    pub(crate) settings: GroupSettings,
    /// The tags by key.
    pub(crate) tags: BTreeMap<String, GroupTag>,
    /// The instances in the order of their launch.
    pub(crate) members: Vec<GroupMember>,
    /// The instance refreshes, oldest first.
    pub(crate) refreshes: Vec<RefreshRecord>,
    /// The latest scaling activities, oldest first.
    pub(crate) activities: Vec<ActivityRecord>,
    /// The number of launches so far, failed ones included.
    pub(crate) launches: u64,
    /// The time before which no further launch is tried, after one that failed.
    pub(crate) retry_at: Option<Timestamp>,
    /// Whether it is being deleted.
    pub(crate) deleting: bool,
}

/// Sizes and limits of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupSettings {
    pub(crate) min: u64,
    pub(crate) max: u64,
    pub(crate) desired: u64,
    /// Seconds.
    pub(crate) cooldown: u64,
    pub(crate) zones: Vec<String>,
    /// Subnet ids separated by commas, as given.
    pub(crate) subnets: Option<String>,
    /// `EC2`, ...
    pub(crate) health_check: String,
    /// Seconds.
    pub(crate) grace: u64,
    /// Seconds.
    pub(crate) warmup: Option<u64>,
    pub(crate) termination_policies: Vec<String>,
    /// Whether new instances are protected from scale-in.
    pub(crate) protect_new: bool,
    /// The instance maintenance policy: minimum and maximum healthy percentage.
    pub(crate) maintenance: Option<(u64, u64)>,
}

/// What instances are launched from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LaunchSource {
    /// A launch template.
    Template(TemplateReference),
    /// A mixed instances policy, as sent.
    Policy(TemplateMembers),
}

/// A launch template and a selector of its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TemplateReference {
    /// `lt-...`
    pub(crate) id: String,
    /// The name of the template.
    pub(crate) name: String,
    /// A number, `$Latest` or `$Default`.
    pub(crate) version: String,
}

/// The value of a tag of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupTag {
    pub(crate) value: String,
    /// Whether instances that are launched get it too.
    pub(crate) propagate: bool,
}

/// An instance of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupMember {
    /// `i-...`
    pub(crate) instance: String,
    pub(crate) instance_type: String,
    pub(crate) zone: String,
    /// The template, with the number of the version that it was launched from.
    pub(crate) template: TemplateReference,
    /// The image of an override; reported only where there is one.
    pub(crate) image_override: Option<String>,
    pub(crate) weight: Option<String>,
    pub(crate) stage: MemberStage,
    pub(crate) healthy: bool,
    /// Protected from scale-in.
    pub(crate) protected: bool,
    /// Whether it fails its health check once it is in service, by a scripted fault.
    pub(crate) fails: bool,
    /// The refresh, or the rollback of one, that launched it; empty for any other launch.
    pub(crate) generation: String,
}

/// The stage in the life of a group's instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MemberStage {
    /// It is being launched.
    Pending {
        /// From when on it is in service.
        until: Timestamp,
    },
    /// It serves.
    InService {
        /// Since when.
        since: Timestamp,
    },
    /// It is being terminated.
    Terminating {
        /// From when on it is gone.
        until: Timestamp,
    },
}

/// An instance refresh.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RefreshRecord {
    /// A UUID.
    pub(crate) id: String,
    pub(crate) status: RefreshStatus,
    pub(crate) reason: Option<String>,
    pub(crate) started: Timestamp,
    pub(crate) ended: Option<Timestamp>,
    /// The desired configuration, if one was given.
    pub(crate) desired: Option<LaunchSource>,
    pub(crate) preferences: RefreshPreferences,
    /// The number of instances to replace.
    pub(crate) total: u64,
    /// The instances to replace that are still there.
    pub(crate) remaining: Vec<String>,
    /// The largest number of instances that were updated at the same time.
    pub(crate) updated: u64,
    /// The number of checkpoints passed.
    pub(crate) checkpoint: usize,
    /// The end of the wait at the current checkpoint.
    pub(crate) checkpoint_until: Option<Timestamp>,
    /// The end of the bake time.
    pub(crate) bake_until: Option<Timestamp>,
    /// The last time at which an instance was updated, or a wait ended.
    pub(crate) progressed: Timestamp,
    pub(crate) rollback: Option<RollbackRecord>,
}

/// The rollback of a refresh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RollbackRecord {
    pub(crate) reason: String,
    pub(crate) started: Timestamp,
    /// Percentage complete when it began.
    pub(crate) percentage: u64,
    /// Instances to update when it began.
    pub(crate) left: u64,
    /// The number of instances to take back.
    pub(crate) total: u64,
}

/// The status of a refresh, as Auto Scaling reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RefreshStatus {
    Pending,
    InProgress,
    Successful,
    Failed,
    Cancelling,
    Cancelled,
    RollbackInProgress,
    RollbackFailed,
    RollbackSuccessful,
    Baking,
}

/// The preferences of a refresh, with the defaults filled in where Auto Scaling reports them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefreshPreferences {
    pub(crate) min_healthy: u64,
    pub(crate) max_healthy: Option<u64>,
    /// Seconds.
    pub(crate) warmup: Option<u64>,
    pub(crate) checkpoints: Vec<u64>,
    /// Seconds.
    pub(crate) checkpoint_delay: u64,
    pub(crate) skip_matching: bool,
    pub(crate) auto_rollback: bool,
    /// `Refresh`, `Ignore` or `Wait`.
    pub(crate) protected: String,
    /// `Terminate`, `Ignore` or `Wait`.
    pub(crate) standby: String,
    pub(crate) alarms: Vec<String>,
    /// Seconds.
    pub(crate) bake: u64,
}

/// A scaling activity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ActivityRecord {
    /// A UUID.
    pub(crate) id: String,
    pub(crate) description: String,
    pub(crate) cause: String,
    pub(crate) at: Timestamp,
    /// `Successful` or `Failed`.
    pub(crate) status: String,
    pub(crate) message: Option<String>,
}

impl RefreshStatus {
    /// The value on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress => "InProgress",
            Self::Successful => "Successful",
            Self::Failed => "Failed",
            Self::Cancelling => "Cancelling",
            Self::Cancelled => "Cancelled",
            Self::RollbackInProgress => "RollbackInProgress",
            Self::RollbackFailed => "RollbackFailed",
            Self::RollbackSuccessful => "RollbackSuccessful",
            Self::Baking => "Baking",
        }
    }

    /// Whether the refresh, or its rollback, has not ended.
    pub(crate) fn is_active(self) -> bool {
        matches!(
            self,
            Self::Pending | Self::InProgress | Self::Cancelling | Self::RollbackInProgress | Self::Baking
        )
    }
}

impl GroupMember {
    /// Whether it is pending or in service.
    pub(crate) fn is_alive(&self) -> bool {
        !matches!(self.stage, MemberStage::Terminating { .. })
    }

    /// Since when it is in service.
    pub(crate) fn in_service(&self) -> Option<Timestamp> {
        match self.stage {
            MemberStage::InService { since } => Some(since),
            _ => None,
        }
    }
}

impl GroupRecord {
    /// The refresh that has not ended.
    pub(crate) fn active_refresh(&self) -> Option<&RefreshRecord> {
        self.refreshes.last().filter(|refresh| refresh.status.is_active())
    }

    /// The ARN in a region.
    pub(crate) fn arn(&self, region: &str) -> String {
        format!(
            "arn:aws:autoscaling:{region}:{}:autoScalingGroup:{}:autoScalingGroupName/{}",
            self.owner, self.uuid, self.name
        )
    }
}

/// The table key of a group of an account.
pub(crate) fn group_key(account: &str, name: &str) -> String {
    format!("{account}:{name}")
}
