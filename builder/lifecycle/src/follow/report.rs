//! What a follow has done.

use serde::Serialize;

/// What a follow has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Following {
    /// The image.
    pub image: String,
    /// The groups, in their order.
    pub groups: Vec<FollowedGroup>,
    /// The launch templates.
    pub templates: Vec<FollowedTemplate>,
    /// What stays as it is, because it is of another architecture.
    pub kept: Vec<KeptUse>,
}

/// A group that follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FollowedGroup {
    /// Its name.
    pub name: String,
    /// What happened.
    pub outcome: GroupOutcome,
    /// The instance refresh.
    pub refresh: Option<String>,
    /// The number of instances that still run another image: those behind a last checkpoint below 100.
    pub outdated: usize,
}

/// What happened to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupOutcome {
    /// It ran the image already.
    Already,
    /// Its refresh was started, and is not waited for.
    Started,
    /// Its refresh succeeded.
    Followed,
}

/// A launch template that follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FollowedTemplate {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The version before.
    pub source: u64,
    /// The version with the image.
    pub version: u64,
    /// Whether it is the default version now.
    pub is_default: bool,
}

/// Something that stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptUse {
    /// The group.
    pub group: String,
    /// The template or the image of an override.
    pub what: String,
    /// The instance types, which cannot run the image.
    pub types: String,
}
