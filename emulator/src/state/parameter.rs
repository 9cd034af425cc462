//! A parameter and its versions as they are kept.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::tags::Tags;
use crate::clock::Timestamp;

/// A parameter. Its versions are never changed, but for their labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredParameter {
    /// With its path.
    pub(crate) name: String,
    /// Account.
    pub(crate) owner: String,
    /// `String`, `StringList` or `SecureString`; never changed.
    pub(crate) kind: String,
    /// `text` or `aws:ec2:image`; never changed.
    pub(crate) data_type: String,
    /// By ascending number; never empty.
    pub(crate) versions: Vec<ParameterVersion>,
    /// Of the owner.
    pub(crate) tags: Tags,
}

/// A version of a parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ParameterVersion {
    /// From 1.
    pub(crate) number: u64,
    /// What it is all about.
    pub(crate) value: String,
    /// Of the maker.
    pub(crate) description: Option<String>,
    /// `Standard` or `Advanced`.
    pub(crate) tier: String,
    /// The key of a secure one.
    pub(crate) key: Option<String>,
    /// When it was made.
    pub(crate) modified: Timestamp,
    /// From when on it shows: an image is looked at first.
    pub(crate) from: Timestamp,
    /// Names for it, each of which one version of a parameter has.
    pub(crate) labels: BTreeSet<String>,
}

impl StoredParameter {
    /// The versions that show at a moment.
    pub(crate) fn visible_versions(
        &self,
        now: Timestamp,
    ) -> impl DoubleEndedIterator<Item = &ParameterVersion> {
        self.versions.iter().filter(move |version| version.from <= now)
    }

    /// Its ARN in a region.
    pub(crate) fn arn(&self, region: &str) -> String {
        let slash = if self.name.starts_with('/') { "" } else { "/" };
        format!("arn:aws:ssm:{region}:{}:parameter{slash}{}", self.owner, self.name)
    }
}

/// The name under which a parameter of an account is kept.
pub(crate) fn parameter_key(account: &str, name: &str) -> String {
    format!("{account}:{name}")
}
