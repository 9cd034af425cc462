//! Auto Scaling groups and instance refreshes (API version 2011-01-01).

use std::collections::BTreeMap;
use std::future::Future;

use amiforge_publish::api::ec2::Tags;
use amiforge_publish::service_error::ServiceError;

/// Auto Scaling in one region. One method is one request (a listing: one for each page).
pub trait Groups: Send + Sync {
    /// The groups with these names, or all groups if there are none. Names that do not exist are left out.
    fn describe_groups(
        &self,
        names: &[String],
    ) -> impl Future<Output = Result<Vec<Group>, ServiceError>> + Send;

    /// The instance refreshes of a group, the newest first.
    fn describe_refreshes(
        &self,
        group: &str,
    ) -> impl Future<Output = Result<Vec<Refresh>, ServiceError>> + Send;

    /// Starts an instance refresh and returns its id. There is no client token: while one runs, the error is
    /// `InstanceRefreshInProgress`.
    fn start_refresh(
        &self,
        start: &RefreshStart,
    ) -> impl Future<Output = Result<String, ServiceError>> + Send;

    /// Rolls the running refresh back; `IrreversibleInstanceRefresh` if that is impossible.
    fn rollback_refresh(&self, group: &str) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Cancels the running refresh: what it replaced stays replaced.
    fn cancel_refresh(&self, group: &str) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

/// An Auto Scaling group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name, unique in the account and region.
    pub name: String,
    /// Its ARN.
    pub arn: Option<String>,
    /// What its instances are launched from.
    pub source: LaunchSource,
    /// The number of instances that it keeps.
    pub desired: u64,
    /// Its tags.
    pub tags: Tags,
    /// Its instances.
    pub instances: Vec<GroupInstance>,
}

/// An instance of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupInstance {
    /// `i-…`
    pub id: String,
    /// `InService`, `Pending`, `Terminating` and others.
    pub lifecycle: String,
    /// The instance type.
    pub instance_type: Option<String>,
    /// The template, with the number of the version that it was launched from.
    pub template: Option<TemplateUse>,
}

impl GroupInstance {
    /// Whether it is on its way out of the group.
    pub fn is_leaving(&self) -> bool {
        self.lifecycle.starts_with("Terminat") || self.lifecycle.starts_with("Detach")
    }
}

/// What a group launches from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchSource {
    /// A launch template.
    Template(TemplateUse),
    /// A mixed instances policy.
    Policy(PolicyNode),
    /// A launch configuration, by its name, or nothing that this program knows.
    Other(String),
}

/// A launch template and a selector of its version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateUse {
    /// `lt-…`
    pub id: String,
    /// A number, `$Latest` or `$Default`.
    pub version: String,
}

/// A value of a mixed instances policy, under the names of the API. A policy is passed back as it was read: what this
/// program does not know, such as attributes of instance types, stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyNode {
    /// A text, number or boolean.
    Text(String),
    /// A list.
    List {
        /// The name of an entry on the wire: `member` or `item`.
        item: String,
        /// The entries.
        entries: Vec<PolicyNode>,
    },
    /// A structure.
    Members(BTreeMap<String, PolicyNode>),
}

impl PolicyNode {
    /// The value at a path of members.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, name| match node {
            Self::Members(members) => members.get(*name),
            _ => None,
        })
    }

    /// The value at a path of members, for changes.
    pub fn at_mut(&mut self, path: &[&str]) -> Option<&mut Self> {
        path.iter().try_fold(self, |node, name| match node {
            Self::Members(members) => members.get_mut(*name),
            _ => None,
        })
    }

    /// The text at a path of members.
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        match self.at(path)? {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Sets a text of this structure.
    pub fn set(&mut self, name: &str, value: &str) {
        if let Self::Members(members) = self {
            members.insert(name.to_owned(), Self::Text(value.to_owned()));
        }
    }

    /// The entries of the list at a path.
    pub fn entries(&self, path: &[&str]) -> &[Self] {
        match self.at(path) {
            Some(Self::List { entries, .. }) => entries,
            _ => &[],
        }
    }
}

/// An instance refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refresh {
    /// Its id.
    pub id: String,
    /// `Pending`, `InProgress`, `Successful` and others.
    pub status: String,
    /// The reason for the status.
    pub reason: Option<String>,
    /// The part of the instances that is updated, from 0 to 100.
    pub percentage: u64,
    /// The number of instances that are not updated yet.
    pub left: Option<u64>,
    /// The desired configuration, if one was given.
    pub desired: Option<LaunchSource>,
    /// Why it was rolled back.
    pub rollback_reason: Option<String>,
}

impl Refresh {
    /// Whether it, or its rollback, has not ended.
    pub fn is_active(&self) -> bool {
        !matches!(
            self.status.as_str(),
            "Successful" | "Failed" | "Cancelled" | "RollbackFailed" | "RollbackSuccessful"
        )
    }

    /// Whether it is being rolled back, or was.
    pub fn is_rollback(&self) -> bool {
        self.status.starts_with("Rollback")
    }
}

/// Parameters of `StartInstanceRefresh`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshStart {
    /// The group.
    pub group: String,
    /// What the group launches from when the refresh has succeeded; `None` for what it launches from already.
    pub desired: Option<LaunchSource>,
    /// The preferences.
    pub preferences: RefreshPreferences,
}

/// Preferences of an instance refresh. `None` and empty lists leave the service's defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefreshPreferences {
    /// The least part of the desired capacity that stays healthy, in percent.
    pub min_healthy: Option<u64>,
    /// The largest part of the desired capacity that may be there at once, in percent.
    pub max_healthy: Option<u64>,
    /// Seconds until a new instance counts as ready.
    pub warmup: Option<u64>,
    /// Percentages at which the refresh pauses.
    pub checkpoints: Vec<u64>,
    /// Seconds of the pause.
    pub checkpoint_delay: Option<u64>,
    /// Whether instances that match already stay.
    pub skip_matching: bool,
    /// Whether the service rolls back by itself.
    pub auto_rollback: bool,
    /// Names of `CloudWatch` alarms that fail the refresh.
    pub alarms: Vec<String>,
    /// Seconds to wait before the refresh counts as successful.
    pub bake: Option<u64>,
}
