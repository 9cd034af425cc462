//! Gives accounts that packages have created the numbers that a recipe sets, and their files with them: owners, groups and
//! the entries of ACLs.

use std::collections::{BTreeMap, BTreeSet};

use amiforge_formats::tree::{Meta, Tree};

use super::error::AccountError;
use super::ids::{ID, PRIMARY_GROUP, require_free};
use super::table::AccountTable;

/// Tags of ACL entries that name a user or a group (acl(5)), as `system.posix_acl_*` holds them.
const ACL_USER: u16 = 2;
const ACL_GROUP: u16 = 8;

/// Attributes that hold ACLs: a version of 4 bytes, then entries of 8 bytes (tag, permissions, number).
const ACLS: [&[u8]; 2] = [b"system.posix_acl_access", b"system.posix_acl_default"];

/// Numbers of existing accounts that have changed: from the old to the new one.
#[derive(Debug, Clone, Default)]
pub(super) struct IdChanges {
    users: BTreeMap<u32, u32>,
    groups: BTreeMap<u32, u32>,
}

impl IdChanges {
    /// Gives an existing user another number.
    pub(super) fn renumber_user(
        &mut self,
        passwd: &mut AccountTable,
        row: usize,
        current: u32,
        requested: u32,
    ) -> Result<(), AccountError> {
        let requested =
            refuse_root("uid", current, requested).and_then(|()| require_free(passwd, "uid", requested))?;
        passwd.set(row, ID, &requested.to_string());
        self.users.insert(current, requested);
        Ok(())
    }

    /// Gives an existing group another number, also where it is the primary group of a user.
    pub(super) fn renumber_group(
        &mut self,
        (group, passwd): (&mut AccountTable, &mut AccountTable),
        row: usize,
        current: u32,
        requested: u32,
    ) -> Result<(), AccountError> {
        let requested =
            refuse_root("gid", current, requested).and_then(|()| require_free(group, "gid", requested))?;
        let text = requested.to_string();
        group.set(row, ID, &text);
        for row in passwd.rows() {
            if passwd.number(row, PRIMARY_GROUP) == Some(current) {
                passwd.set(row, PRIMARY_GROUP, &text);
            }
        }
        self.groups.insert(current, requested);
        Ok(())
    }

    /// Replaces the old numbers by the new ones in the metadata of a whole tree.
    pub(super) fn apply(&self, tree: &mut Tree) {
        if self.users.is_empty() && self.groups.is_empty() {
            return;
        }
        let nodes: BTreeSet<_> = tree.walk().map(|entry| entry.id).chain([tree.root()]).collect();
        for id in nodes {
            self.update(&mut tree.node_mut(id).meta);
        }
    }

    fn update(&self, meta: &mut Meta) {
        let new = |changes: &BTreeMap<u32, u32>, old: u32| changes.get(&old).copied().unwrap_or(old);
        (meta.uid, meta.gid) = (new(&self.users, meta.uid), new(&self.groups, meta.gid));
        for name in ACLS {
            let Some(value) = meta.xattrs.as_mut().and_then(|all| all.get_mut(name)) else { continue };
            for entry in value.get_mut(4..).unwrap_or_default().chunks_exact_mut(8) {
                let (tag, number) = entry.split_at_mut(4);
                let Ok(old) = <[u8; 4]>::try_from(&*number) else { continue };
                let old = u32::from_le_bytes(old);
                let changed = match u16::from_le_bytes([tag[0], tag[1]]) {
                    ACL_USER => new(&self.users, old),
                    ACL_GROUP => new(&self.groups, old),
                    _ => continue,
                };
                number.copy_from_slice(&changed.to_le_bytes());
            }
        }
    }
}

/// Refuses a change from or to number 0.
fn refuse_root(id: &'static str, current: u32, requested: u32) -> Result<(), AccountError> {
    if current == 0 || requested == 0 {
        return Err(AccountError::Renumbered { id, current, requested });
    }
    Ok(())
}
