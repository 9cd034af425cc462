//! Allowed AMIs of an account in a region: the state of the setting, and the criteria that images of other accounts
//! have to meet.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The setting of an account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct AllowedImages {
    /// Whether the criteria apply.
    pub(crate) state: AllowedState,
    /// The criteria, one of which has to be met.
    pub(crate) criteria: Vec<ImageCriterion>,
}

/// Whether the criteria apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AllowedState {
    /// All images are allowed.
    #[default]
    Disabled,
    /// All images are allowed; those that do not meet the criteria are marked.
    AuditMode,
    /// Images that do not meet the criteria are hidden.
    Enabled,
}

impl AllowedState {
    /// The value on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::AuditMode => "audit-mode",
            Self::Enabled => "enabled",
        }
    }
}

/// A criterion: all its conditions have to hold. A list that is empty and a number that is not set are no condition.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct ImageCriterion {
    /// Accounts, or `amazon`, `aws-marketplace`, `aws-backup-vault`, `none`.
    pub(crate) providers: Vec<String>,
    /// Product codes of AWS Marketplace.
    pub(crate) product_codes: Vec<String>,
    /// Names with the wildcards `?` and `*`.
    pub(crate) names: Vec<String>,
    /// The maximum number of days since the image was deprecated.
    pub(crate) days_since_deprecated: Option<u64>,
    /// The maximum number of days since the image was created.
    pub(crate) days_since_created: Option<u64>,
    /// Filters for watermarks: the members as sent.
    pub(crate) watermarks: Vec<BTreeMap<String, String>>,
    /// The condition on results of scans: its members as sent.
    pub(crate) scan: BTreeMap<String, String>,
}
