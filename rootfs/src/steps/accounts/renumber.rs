//! Accounts that packages have made get the numbers that a recipe gives, and their files with them.

use std::collections::{BTreeMap, BTreeSet};

use amiforge_formats::tree::{Meta, Tree};

use super::AccountError;
use super::database::Database;

/// Tags of ACL entries that name a user or a group (acl(5)), as `system.posix_acl_*` holds them.
const ACL_USER: u16 = 2;
const ACL_GROUP: u16 = 8;

/// Attributes that hold ACLs: a version of 4 bytes, then entries of 8 bytes (tag, permissions, number).
const ACLS: [&[u8]; 2] = [b"system.posix_acl_access", b"system.posix_acl_default"];

/// Numbers that have changed: the old and the new ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Moved {
    users: BTreeMap<u32, u32>,
    groups: BTreeMap<u32, u32>,
}

impl Moved {
    /// Gives everything in a tree to the new numbers.
    pub(super) fn apply(&self, tree: &mut Tree) {
        if self.users.is_empty() && self.groups.is_empty() {
            return;
        }
        let nodes: BTreeSet<_> = tree.walk().map(|entry| entry.id).chain([tree.root()]).collect();
        for id in nodes {
            self.change(&mut tree.node_mut(id).meta);
        }
    }

    fn change(&self, meta: &mut Meta) {
        let new = |moved: &BTreeMap<u32, u32>, is: u32| moved.get(&is).copied().unwrap_or(is);
        (meta.uid, meta.gid) = (new(&self.users, meta.uid), new(&self.groups, meta.gid));
        for name in ACLS {
            let Some(value) = meta.xattrs.as_mut().and_then(|all| all.get_mut(name)) else { continue };
            for entry in value.get_mut(4..).unwrap_or_default().chunks_exact_mut(8) {
                let (tag, number) = entry.split_at_mut(4);
                let Ok(is) = <[u8; 4]>::try_from(&*number) else { continue };
                let is = u32::from_le_bytes(is);
                let is_now = match u16::from_le_bytes([tag[0], tag[1]]) {
                    ACL_USER => new(&self.users, is),
                    ACL_GROUP => new(&self.groups, is),
                    _ => continue,
                };
                number.copy_from_slice(&is_now.to_le_bytes());
            }
        }
    }
}

impl Database {
    /// Gives a user who is there another number.
    pub(super) fn renumber_user(&mut self, row: usize, is: u32, wanted: u32) -> Result<(), AccountError> {
        let wanted =
            movable(is, wanted, "uid").and_then(|()| super::database::free(&self.passwd, "uid", wanted))?;
        self.passwd.set(row, super::database::ID, &wanted.to_string());
        self.moved.users.insert(is, wanted);
        Ok(())
    }

    /// Gives a group that is there another number, also where it is somebody's primary one.
    pub(super) fn renumber_group(&mut self, row: usize, is: u32, wanted: u32) -> Result<(), AccountError> {
        let wanted =
            movable(is, wanted, "gid").and_then(|()| super::database::free(&self.group, "gid", wanted))?;
        let text = wanted.to_string();
        self.group.set(row, super::database::ID, &text);
        for row in self.passwd.rows() {
            if self.passwd.number(row, super::database::PRIMARY) == Some(is) {
                self.passwd.set(row, super::database::PRIMARY, &text);
            }
        }
        self.moved.groups.insert(is, wanted);
        Ok(())
    }
}

/// Refuses to give the number of root away, or to give it to somebody.
fn movable(is: u32, wanted: u32, id: &'static str) -> Result<(), AccountError> {
    if is == 0 || wanted == 0 {
        return Err(AccountError::Renumbered { id, is, wanted });
    }
    Ok(())
}
