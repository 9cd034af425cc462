//! Stored launch templates and their versions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::tags::Tags;
use crate::clock::Timestamp;

/// A launch template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Template {
    /// `lt-` and 17 hexadecimal digits.
    pub(crate) id: String,
    /// The name, unique among the templates of the account in the region.
    pub(crate) name: String,
    /// The account that owns it: twelve digits.
    pub(crate) owner: String,
    /// The time of creation.
    pub(crate) created: Timestamp,
    /// The versions by ascending number; never empty.
    pub(crate) versions: Vec<TemplateVersion>,
    /// The number of the default version.
    pub(crate) default: u64,
    /// The number of the next version: numbers are never reused.
    pub(crate) next: u64,
    /// The tags that the owner set.
    pub(crate) tags: Tags,
    /// The client token and the parameters of the request that created it.
    pub(crate) token: Option<(String, String)>,
}

/// A version of a launch template; never changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TemplateVersion {
    /// The number, counted from 1.
    pub(crate) number: u64,
    /// The description given at creation.
    pub(crate) description: Option<String>,
    /// The time of creation.
    pub(crate) created: Timestamp,
    /// The launch template data.
    pub(crate) members: TemplateMembers,
    /// The client token and the parameters of the request that created it.
    pub(crate) token: Option<(String, String)>,
}

/// A value in launch template data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum TemplateValue {
    /// A string, number, boolean or time, as sent.
    Text(String),
    /// A list.
    List(Vec<TemplateValue>),
    /// A structure.
    Members(TemplateMembers),
}

/// The members of a structure by their names in the request.
pub(crate) type TemplateMembers = BTreeMap<String, TemplateValue>;

impl Template {
    /// The number of the latest version.
    pub(crate) fn latest(&self) -> u64 {
        self.versions.last().map_or(0, |version| version.number)
    }

    /// Finds the version with a number.
    pub(crate) fn version(&self, number: u64) -> Option<&TemplateVersion> {
        self.versions.iter().find(|version| version.number == number)
    }
}
