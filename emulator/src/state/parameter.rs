//! Stored parameters and their versions.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::partition::partition;
use super::tags::Tags;
use crate::clock::Timestamp;

/// A parameter. Its versions are never changed, except for their labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredParameter {
    /// The name with its path.
    pub(crate) name: String,
    /// The account that owns it: twelve digits.
    pub(crate) owner: String,
    /// `String`, `StringList` or `SecureString`; never changed.
    pub(crate) kind: String,
    /// `text` or `aws:ec2:image`; never changed.
    pub(crate) data_type: String,
    /// The versions by ascending number; never empty.
    pub(crate) versions: Vec<ParameterVersion>,
    /// The tags that the owner set.
    pub(crate) tags: Tags,
}

/// A version of a parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ParameterVersion {
    /// The number, counted from 1.
    pub(crate) number: u64,
    /// The value.
    pub(crate) value: String,
    /// The description given at creation.
    pub(crate) description: Option<String>,
    /// `Standard` or `Advanced`.
    pub(crate) tier: String,
    /// The key of a `SecureString`.
    pub(crate) key: Option<String>,
    /// The time of creation.
    pub(crate) modified: Timestamp,
    /// The time from which the version is visible: an image is checked first.
    pub(crate) from: Timestamp,
    /// The labels; a label belongs to one version of a parameter only.
    pub(crate) labels: BTreeSet<String>,
}

impl StoredParameter {
    /// The visible versions at a point in time.
    pub(crate) fn visible_versions(
        &self,
        now: Timestamp,
    ) -> impl DoubleEndedIterator<Item = &ParameterVersion> {
        self.versions.iter().filter(move |version| version.from <= now)
    }

    /// The ARN in a region. A public parameter has no account in it: Systems Manager User Guide, "Calling public parameters".
    pub(crate) fn arn(&self, region: &str) -> String {
        let slash = if self.name.starts_with('/') { "" } else { "/" };
        let account = if is_public(&self.name) { "" } else { &self.owner };
        format!("arn:{}:ssm:{region}:{account}:parameter{slash}{}", partition(region), self.name)
    }
}

/// Whether a name is that of a public parameter, which every account reads.
pub(crate) fn is_public(name: &str) -> bool {
    name.starts_with("/aws/")
}

/// The table key of a parameter of an account. There is one public parameter of a name for all accounts.
pub(crate) fn parameter_key(account: &str, name: &str) -> String {
    if is_public(name) { format!("public:{name}") } else { format!("{account}:{name}") }
}
