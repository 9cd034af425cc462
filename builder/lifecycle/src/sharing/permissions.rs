//! Changes the permissions of an image or a snapshot: reads them, changes only what differs, and reads them back until
//! they are as they should be.

use std::time::Duration;

use amiforge_publish::ami::AmiRegion;
use amiforge_publish::api::ec2::Grantee;

use super::SharingError;
use super::checks::launch_permissions;
use crate::api::sharing::{PermissionChange, SharingCalls};

/// Maximum number of grantees in one call for an image.
const MAX_GRANTEES_PER_CALL: usize = 100;
/// Maximum number of accounts in one call for a snapshot.
const MAX_ACCOUNTS_PER_CALL: usize = 500;
/// How long the service may report the permissions of before.
const READ_BACK: Duration = Duration::from_mins(1);
/// First and longest interval between two reads.
const INTERVALS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(8)];

/// Those whose permission was changed, and those who have one now.
pub(super) struct Changed {
    pub(super) changed: Vec<Grantee>,
    pub(super) now: Vec<Grantee>,
}

/// A resource with permissions.
#[derive(Debug, Clone, Copy)]
enum Resource<'a> {
    /// An image: who may launch it.
    Image(&'a str),
    /// A snapshot: who may create volumes from it.
    Snapshot(&'a str),
}

impl Resource<'_> {
    fn id(&self) -> &str {
        match self {
            Self::Image(id) | Self::Snapshot(id) => id,
        }
    }

    /// Grantees in one call.
    fn limit(self) -> usize {
        match self {
            Self::Image(_) => MAX_GRANTEES_PER_CALL,
            Self::Snapshot(_) => MAX_ACCOUNTS_PER_CALL,
        }
    }

    async fn read<C: SharingCalls>(self, region: &AmiRegion<'_, C>) -> Result<Vec<Grantee>, SharingError> {
        Ok(match self {
            Self::Image(id) => launch_permissions(region, id).await?,
            Self::Snapshot(id) => snapshot_permissions(region, id).await?,
        })
    }

    async fn write<C: SharingCalls>(
        self,
        region: &AmiRegion<'_, C>,
        change: PermissionChange,
        who: &[Grantee],
    ) -> Result<(), SharingError> {
        let verb = match change {
            PermissionChange::Add => "sharing",
            PermissionChange::Remove => "no longer sharing",
        };
        let action = format!("{verb} {}", self.id());
        let (add, remove): (&[Grantee], &[Grantee]) = match change {
            PermissionChange::Add => (who, &[]),
            PermissionChange::Remove => (&[], who),
        };
        let ec2 = region.ec2;
        match self {
            Self::Image(id) => {
                region.call_eventual(&action, || ec2.change_launch_permissions(id, add, remove)).await?;
            }
            Self::Snapshot(id) => {
                region.call_eventual(&action, || ec2.change_snapshot_permissions(id, change, who)).await?;
            }
        }
        Ok(())
    }
}

/// The grantees of a list whose permission has to change.
fn differing(change: PermissionChange, who: &[Grantee], current: &[Grantee]) -> Vec<Grantee> {
    let differs = |grantee: &&Grantee| current.contains(grantee) != (change == PermissionChange::Add);
    who.iter().filter(differs).cloned().collect()
}

/// Changes the permissions to launch an image.
pub(super) async fn change_launch<C: SharingCalls>(
    region: &AmiRegion<'_, C>,
    image: &str,
    change: PermissionChange,
    who: &[Grantee],
) -> Result<Changed, SharingError> {
    change_permissions(region, Resource::Image(image), change, who).await
}

/// Changes the permissions to create volumes from a snapshot; organisations are left out.
pub(super) async fn change_snapshot<C: SharingCalls>(
    region: &AmiRegion<'_, C>,
    snapshot: &str,
    change: PermissionChange,
    who: &[Grantee],
) -> Result<Changed, SharingError> {
    let possible = |who: &&Grantee| matches!(who, Grantee::Everybody | Grantee::Account(_));
    let who: Vec<Grantee> = who.iter().filter(possible).cloned().collect();
    change_permissions(region, Resource::Snapshot(snapshot), change, &who).await
}

async fn change_permissions<C: SharingCalls>(
    region: &AmiRegion<'_, C>,
    resource: Resource<'_>,
    change: PermissionChange,
    who: &[Grantee],
) -> Result<Changed, SharingError> {
    let changed = differing(change, who, &resource.read(region).await?);
    for chunk in changed.chunks(resource.limit()) {
        resource.write(region, change, chunk).await?;
    }
    let now = read_back(region, resource, change, who).await?;
    Ok(Changed { changed, now })
}

/// Those who may create volumes from a snapshot.
pub(super) async fn snapshot_permissions<C: SharingCalls>(
    region: &AmiRegion<'_, C>,
    snapshot: &str,
) -> Result<Vec<Grantee>, SharingError> {
    let action = format!("asking who may use {snapshot}");
    Ok(region.call_eventual(&action, || region.ec2.snapshot_grantees(snapshot)).await?)
}

/// Reads the permissions until they are as requested. Responses are eventually consistent, so another operator's change
/// and an old response look the same for a while.
async fn read_back<C: SharingCalls>(
    region: &AmiRegion<'_, C>,
    resource: Resource<'_>,
    change: PermissionChange,
    who: &[Grantee],
) -> Result<Vec<Grantee>, SharingError> {
    let (started, mut interval) = (region.timer.now(), INTERVALS[0]);
    loop {
        let now = resource.read(region).await?;
        let differing = differing(change, who, &now);
        if differing.is_empty() {
            return Ok(now);
        }
        if region.timer.now().saturating_sub(started) >= READ_BACK {
            let names: Vec<_> = differing.iter().map(ToString::to_string).collect();
            let verb = match change {
                PermissionChange::Add => "missing",
                PermissionChange::Remove => "still there",
            };
            return Err(SharingError::Changed {
                resource: resource.id().to_owned(),
                region: region.name.to_owned(),
                difference: format!("{verb}: {}", names.join(", ")),
            });
        }
        region.pause(interval).await?;
        interval = (interval * 2).min(INTERVALS[1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_changed() {
        let account = |digit: &str| Grantee::Account(digit.repeat(12));
        let current = [account("1"), Grantee::Everybody];
        let who = [account("1"), account("2")];
        assert_eq!(differing(PermissionChange::Add, &who, &current), [account("2")]);
        assert_eq!(differing(PermissionChange::Remove, &who, &current), [account("1")]);
    }
}
