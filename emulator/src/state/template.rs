//! A launch template and its versions as they are kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::tags::Tags;
use crate::clock::Timestamp;

/// A launch template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Template {
    /// `lt-` and 17 hexadecimal digits.
    pub(crate) id: String,
    /// Unique among the templates of the account in the region.
    pub(crate) name: String,
    /// Account.
    pub(crate) owner: String,
    /// When it was made.
    pub(crate) created: Timestamp,
    /// By ascending number; never empty.
    pub(crate) versions: Vec<TemplateVersion>,
    /// The number that is used when none is named.
    pub(crate) default: u64,
    /// The number of the next version: none is ever used twice.
    pub(crate) next: u64,
    /// Of the owner.
    pub(crate) tags: Tags,
    /// The token that it was made with, and what with it was asked for.
    pub(crate) token: Option<(String, String)>,
}

/// A version of a launch template; never changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TemplateVersion {
    /// From 1.
    pub(crate) number: u64,
    /// Of the maker.
    pub(crate) description: Option<String>,
    /// When it was made.
    pub(crate) created: Timestamp,
    /// What machines are like that are launched from it.
    pub(crate) members: TemplateMembers,
    /// The token that it was made with, and what with it was asked for.
    pub(crate) token: Option<(String, String)>,
}

/// A value of a launch template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum TemplateValue {
    /// A text, number, truth value or time, as it was sent.
    Text(String),
    /// A list.
    List(Vec<TemplateValue>),
    /// A structure.
    TemplateMembers(TemplateMembers),
}

/// Members of a structure by their names in the request.
pub(crate) type TemplateMembers = BTreeMap<String, TemplateValue>;

impl Template {
    /// The largest number.
    pub(crate) fn latest(&self) -> u64 {
        self.versions.last().map_or(0, |version| version.number)
    }

    /// The version of a number.
    pub(crate) fn version(&self, number: u64) -> Option<&TemplateVersion> {
        self.versions.iter().find(|version| version.number == number)
    }
}
