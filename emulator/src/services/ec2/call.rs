//! An EC2 request while it is being processed: account, region, time and parameters, and the checks that many
//! operations share.

use std::sync::{Arc, MutexGuard};

use super::errors::Ec2Error;
use super::image_visibility::{self, ImageViewer};
use super::params::{ParamNode, Params};
use crate::authorization;
use crate::clock::Timestamp;
use crate::iam::Principal;
use crate::state::image::{ImageRecord, Life};
use crate::state::snapshot::Snapshot;
use crate::state::{Region, State};
use crate::sync;

/// A request while it is being processed.
pub(crate) struct Ec2Call<'c> {
    /// The account that sent the request.
    pub(crate) account: &'c str,
    /// Who sent the request.
    pub(crate) principal: &'c Principal,
    /// The region that the request is for.
    pub(crate) region: &'c Region,
    /// The state of all regions.
    pub(crate) state: &'c State,
    /// The time at which processing began.
    pub(crate) now: Timestamp,
    /// The parameters.
    pub(crate) query: &'c ParamNode,
    /// The value of the header `Host`.
    pub(crate) host: &'c str,
    /// Whether the operation that it begins is to fail later, by a scripted fault.
    pub(crate) fail_async: bool,
}

impl<'c> Ec2Call<'c> {
    /// The parameters.
    pub(crate) fn params(&self) -> Params<'c> {
        self.query.params()
    }

    /// Locks the images and snapshots of the region against changes until the guard is dropped.
    pub(crate) fn lock_region(&self) -> MutexGuard<'_, ()> {
        sync::lock(&self.region.write_lock)
    }

    /// To be called after all parameters are parsed and checked, and before any change: refuses unknown
    /// parameters, and ends a dry run.
    pub(crate) fn commit(&self) -> Result<(), Ec2Error> {
        let dry = self.params().boolean("DryRun")?;
        self.query.check_all_read()?;
        if dry == Some(true) { Err(Ec2Error::dry_run()) } else { Ok(()) }
    }

    /// Whether something created at this time is visible to Describe operations.
    pub(crate) fn is_visible(&self, made: Timestamp) -> bool {
        self.now >= made.after(self.state.config.windows.describe_after_creation)
    }

    /// Whether the account may see and launch an image of its region.
    pub(crate) fn can_use(&self, image: &ImageRecord) -> bool {
        self.can_use_in(self.region, image)
    }

    /// Whether the account may see and launch an image of a region, whose Allowed AMIs setting applies.
    pub(crate) fn can_use_in(&self, region: &Region, image: &ImageRecord) -> bool {
        let shared = image.owner == self.account || image.grants.allows(self.account);
        shared && !image_visibility::is_hidden(self.viewer(region), image)
    }

    /// The account as one that sees images of a region.
    pub(super) fn viewer<'v>(&'v self, region: &'v Region) -> ImageViewer<'v> {
        ImageViewer { state: self.state, region, account: self.account, now: self.now }
    }

    /// Finds an image that the account may see.
    pub(crate) fn image(&self, id: &str) -> Result<Arc<ImageRecord>, Ec2Error> {
        check_image_id(id)?;
        let image = self.region.images.find(id).filter(|image| self.can_use(image));
        match image {
            None => Err(no_image(id)),
            Some(image) if matches!(image.life, Life::Deregistered) => Err(unavailable(id)),
            Some(image) if !self.is_visible(image.created) => Err(no_image(id)),
            Some(image) => Ok(image),
        }
    }

    /// Finds an image that the account owns.
    pub(crate) fn own_image(&self, id: &str) -> Result<Arc<ImageRecord>, Ec2Error> {
        let image = self.image(id)?;
        if image.owner == self.account { Ok(image) } else { Err(not_yours("image", id)) }
    }

    /// Changes an existing image.
    pub(crate) fn edit_image(
        &self,
        id: &str,
        change: impl FnOnce(&mut ImageRecord) -> Result<(), Ec2Error>,
    ) -> Result<(), Ec2Error> {
        self.region.images.edit(id, change)?.ok_or_else(|| no_image(id))
    }

    /// Finds a snapshot that the account may use. `code` is the error code if it does not exist.
    pub(crate) fn snapshot(&self, id: &str, code: &str) -> Result<Arc<Snapshot>, Ec2Error> {
        check_snapshot_id(id)?;
        let snapshot = self.region.snapshots.find(id).filter(|snapshot| snapshot.readable_by(self.account));
        let snapshot = snapshot.filter(|snapshot| self.is_visible(snapshot.start_time));
        snapshot.ok_or_else(|| {
            let noun = if code == "InvalidSnapshotID.NotFound" { "snapshot ID" } else { "snapshot" };
            let stop = if code == "InvalidSnapshotID.NotFound" { "" } else { "." };
            Ec2Error::new(code, format!("The {noun} '{id}' does not exist{stop}"))
        })
    }

    /// Finds a snapshot that the account owns.
    pub(crate) fn own_snapshot(&self, id: &str) -> Result<Arc<Snapshot>, Ec2Error> {
        let snapshot = self.snapshot(id, NO_SNAPSHOT)?;
        if snapshot.owner == self.account { Ok(snapshot) } else { Err(not_yours("snapshot", id)) }
    }

    /// Whether the policy of the sender allows an action on a snapshot, for operations that report it for each
    /// snapshot.
    pub(crate) fn may(&self, action: &str, snapshot: &str) -> bool {
        authorization::allows_on_snapshot((self.state, self.region), self.principal, action, snapshot)
    }

    /// Removes an unused snapshot.
    pub(crate) fn remove_snapshot(&self, id: &str) -> Result<(), Ec2Error> {
        // The marker comes first: a server killed in between only searches for unused blocks in vain.
        self.state.mark_unused_blocks()?;
        self.region.snapshots.remove(id)?;
        Ok(self.region.forget_snapshot(id, self.now)?)
    }
}

/// The error code of most operations for a missing snapshot; `RegisterImage` has its own.
pub(crate) const NO_SNAPSHOT: &str = "InvalidSnapshot.NotFound";

impl From<crate::error::Error> for Ec2Error {
    fn from(error: crate::error::Error) -> Self {
        Self::internal(error)
    }
}

/// Checks the form of an image id.
pub(crate) fn check_image_id(id: &str) -> Result<(), Ec2Error> {
    if is_id(id, "ami-") {
        return Ok(());
    }
    Err(Ec2Error::new("InvalidAMIID.Malformed", format!("Invalid id: \"{id}\" (expecting \"ami-...\")")))
}

/// Checks the form of a snapshot id.
pub(crate) fn check_snapshot_id(id: &str) -> Result<(), Ec2Error> {
    if is_id(id, "snap-") {
        return Ok(());
    }
    let message = format!("Value ({id}) for parameter snapshotId is invalid. Expected: 'snap-...'.");
    Err(Ec2Error::new("InvalidParameterValue", message))
}

fn is_id(id: &str, prefix: &str) -> bool {
    let digits = id.strip_prefix(prefix).unwrap_or_default();
    let hexadecimal = digits.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit));
    matches!(digits.len(), 8 | 17) && hexadecimal && digits.bytes().any(|digit| digit != b'0')
}

/// The image does not exist or is not visible to the account.
pub(crate) fn no_image(id: &str) -> Ec2Error {
    Ec2Error::new("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist"))
}

/// The image is deregistered.
pub(crate) fn unavailable(id: &str) -> Ec2Error {
    Ec2Error::new("InvalidAMIID.Unavailable", format!("The image ID '{id}' is no longer available"))
}

fn not_yours(kind: &str, id: &str) -> Ec2Error {
    Ec2Error::new("AuthFailure", format!("Not authorized for {kind}:{id}"))
}
