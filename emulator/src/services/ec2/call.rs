//! One EC2 request on its way: who asks, when, for what, and in which region. Owns what all calls begin and end with.

use std::sync::{Arc, MutexGuard};

use super::errors::Ec2Error;
use super::params::{ParamNode, Params};
use crate::clock::Timestamp;
use crate::state::image::{ImageRecord, Life};
use crate::state::snapshot::Snapshot;
use crate::state::{Region, State};
use crate::sync;

/// One request on its way.
pub(crate) struct Ec2Call<'c> {
    /// The account that asks.
    pub(crate) account: &'c str,
    /// The region that is asked.
    pub(crate) region: &'c Region,
    /// All regions.
    pub(crate) state: &'c State,
    /// The time.
    pub(crate) now: Timestamp,
    /// What was sent.
    pub(crate) query: &'c ParamNode,
    /// Where it was sent to.
    pub(crate) host: &'c str,
    /// Whether what it begins is to fail.
    pub(crate) fail_async: bool,
}

impl<'c> Ec2Call<'c> {
    /// The parameters.
    pub(crate) fn params(&self) -> Params<'c> {
        self.query.params()
    }

    /// Lets nobody else change the region's images and snapshots until the result is dropped.
    pub(crate) fn lock_region(&self) -> MutexGuard<'_, ()> {
        sync::lock(&self.region.write_lock)
    }

    /// To be asked when all parameters are read and found good, before anything is done: refuses what nobody asked
    /// for, and goes no further in a dry run.
    pub(crate) fn commit(&self) -> Result<(), Ec2Error> {
        let dry = self.params().boolean("DryRun")?;
        self.query.check_all_read()?;
        if dry == Some(true) { Err(Ec2Error::dry_run()) } else { Ok(()) }
    }

    /// Whether something made at a moment shows in describing calls yet.
    pub(crate) fn is_visible(&self, made: Timestamp) -> bool {
        self.now >= made.after(self.state.config.windows.describe_after_creation)
    }

    /// Whether the asking account may see and launch an image.
    pub(crate) fn can_use(&self, image: &ImageRecord) -> bool {
        image.owner == self.account || image.grants.allows(self.account)
    }

    /// An image that the account may see.
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

    /// An image of the account.
    pub(crate) fn own_image(&self, id: &str) -> Result<Arc<ImageRecord>, Ec2Error> {
        let image = self.image(id)?;
        if image.owner == self.account { Ok(image) } else { Err(not_yours("image", id)) }
    }

    /// Changes an image of the account that is there.
    pub(crate) fn edit_image(
        &self,
        id: &str,
        change: impl FnOnce(&mut ImageRecord) -> Result<(), Ec2Error>,
    ) -> Result<(), Ec2Error> {
        self.region.images.edit(id, change)?.ok_or_else(|| no_image(id))
    }

    /// A snapshot that the account may use. `code` is what a missing one is called.
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

    /// A snapshot of the account.
    pub(crate) fn own_snapshot(&self, id: &str) -> Result<Arc<Snapshot>, Ec2Error> {
        let snapshot = self.snapshot(id, NO_SNAPSHOT)?;
        if snapshot.owner == self.account { Ok(snapshot) } else { Err(not_yours("snapshot", id)) }
    }

    /// Removes a snapshot that nothing uses.
    pub(crate) fn remove_snapshot(&self, id: &str) -> Result<(), Ec2Error> {
        // First the note: a server that is killed in between sweeps for nothing, which is better than never.
        self.state.mark_unused_blocks()?;
        self.region.snapshots.remove(id)?;
        Ok(())
    }
}

/// What most calls say of a snapshot that is not there; `RegisterImage` has a code of its own.
pub(crate) const NO_SNAPSHOT: &str = "InvalidSnapshot.NotFound";

impl From<crate::error::Error> for Ec2Error {
    fn from(error: crate::error::Error) -> Self {
        Self::internal(error)
    }
}

/// Refuses what cannot be the id of an image.
pub(crate) fn check_image_id(id: &str) -> Result<(), Ec2Error> {
    if is_id(id, "ami-") {
        return Ok(());
    }
    Err(Ec2Error::new("InvalidAMIID.Malformed", format!("Invalid id: \"{id}\" (expecting \"ami-...\")")))
}

/// Refuses what cannot be the id of a snapshot.
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

/// There is no such image, or it is nobody's business.
pub(crate) fn no_image(id: &str) -> Ec2Error {
    Ec2Error::new("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist"))
}

/// The image is gone.
pub(crate) fn unavailable(id: &str) -> Ec2Error {
    Ec2Error::new("InvalidAMIID.Unavailable", format!("The image ID '{id}' is no longer available"))
}

fn not_yours(kind: &str, id: &str) -> Ec2Error {
    Ec2Error::new("AuthFailure", format!("Not authorized for {kind}:{id}"))
}
