//! Sharing of an AMI after its publication, and the reasons why an account cannot use it.
//!
//! Every step reads before it writes and reads back what it wrote, so that each command can be run again. What would be
//! refused in one region is refused before anything is changed in another.

pub mod allowed;
mod checks;
mod error;
mod permissions;
pub mod plan;
mod request;
mod share;
mod targets;
mod unshare;

pub use checks::PUBLIC_QUOTA;
pub use error::SharingError;
pub use request::{ShareRequest, SnapshotShare};
pub use share::share;
pub use targets::{ImageSelector, RegionScope, TargetImage, find_targets};
pub use unshare::{Cancelled, UnshareFrom, cancel, unshare};

use serde::Serialize;

/// What a command changed on one image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PermissionReport {
    /// The region.
    pub region: String,
    /// The image.
    pub image_id: String,
    /// Those whose permission to launch it was added or removed.
    pub changed: Vec<String>,
    /// Those who may launch it now.
    pub launch: Vec<String>,
    /// Its snapshots.
    pub snapshots: Vec<SnapshotPermissions>,
    /// Facts that the user should know of.
    pub notes: Vec<String>,
}

/// What a command changed on one snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotPermissions {
    /// The snapshot.
    pub snapshot_id: String,
    /// Those whose permission to create volumes was added or removed.
    pub changed: Vec<String>,
}

/// The outcome of a command in one region.
#[derive(Debug)]
pub struct RegionOutcome {
    /// The region.
    pub region: String,
    /// The report, or the cause of the failure.
    pub outcome: Result<PermissionReport, SharingError>,
}
