//! What is to be shared with whom.

use amiforge_publish::api::ec2::Grantee;

/// With whom images are shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareRequest {
    /// The grantees, sorted.
    pub with: Vec<Grantee>,
    /// Whether the snapshots are shared too.
    pub snapshots: SnapshotShare,
    /// The quota of public images of the account in a region.
    pub public_quota: usize,
}

/// Whether the snapshots of an image are shared with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotShare {
    /// They are not: the image can be launched, but not copied.
    Kept,
    /// With the accounts among the grantees.
    Accounts,
    /// With the accounts and with everybody.
    Public,
}

impl ShareRequest {
    /// Whether the images become public.
    pub fn is_public(&self) -> bool {
        self.with.contains(&Grantee::Everybody)
    }

    /// The grantees of the snapshots.
    pub(super) fn of_snapshots(&self) -> Vec<Grantee> {
        let shared = |who: &&Grantee| match who {
            Grantee::Account(_) => self.snapshots != SnapshotShare::Kept,
            Grantee::Everybody => self.snapshots == SnapshotShare::Public,
            Grantee::Organization(_) | Grantee::OrganizationalUnit(_) => false,
        };
        self.with.iter().filter(shared).cloned().collect()
    }
}
