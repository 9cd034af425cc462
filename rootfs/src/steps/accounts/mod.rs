//! `[[user]]` and `[[group]]`: changes passwd(5), shadow(5), group(5), gshadow(5), subuid(5) and subgid(5) of the tree
//! consistently. Entries that the recipe does not name are kept byte for byte.

mod checks;
mod database;
pub(super) mod error;
mod home;
mod ids;
mod login_defs;
mod renumber;
mod spec;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;

use self::database::AccountDatabase;
use super::error::StepError;

pub use self::error::AccountError;
pub use self::spec::{AccountClass, GroupSpec, MakeHome, Principal, SubordinateIds, UserSpec};

/// Creates or changes the groups, then the users, then the memberships, then the homes.
///
/// # Errors
/// [`StepError::User`] or [`StepError::Group`] for the first that fails; [`StepError::Accounts`].
pub fn apply(
    tree: &mut Tree,
    sources: &dyn Sources,
    groups: &[GroupSpec],
    users: &[UserSpec],
    time: Time,
) -> Result<(), StepError> {
    if groups.is_empty() && users.is_empty() {
        return Ok(());
    }
    let group_error = |name: &str| {
        let name = name.to_owned();
        move |source| StepError::Group { name, source }
    };
    let user_error = |name: &str| {
        let name = name.to_owned();
        move |source| StepError::User { name, source }
    };
    let mut database = AccountDatabase::load(tree, sources, time).map_err(StepError::Accounts)?;
    let mut seen = BTreeSet::new();
    for spec in groups {
        let first = seen.insert(&spec.name);
        let applied = if first { database.group(spec) } else { Err(AccountError::Twice) };
        applied.map_err(group_error(&spec.name))?;
    }
    seen.clear();
    let mut homes = Vec::new();
    for spec in users {
        let first = seen.insert(&spec.name);
        let user = if first { database.user(tree, spec) } else { Err(AccountError::Twice) };
        homes.push((spec, user.map_err(user_error(&spec.name))?));
    }
    for spec in groups {
        spec.members
            .iter()
            .try_for_each(|user| database.join(user, &spec.name))
            .map_err(group_error(&spec.name))?;
    }
    for spec in users {
        spec.groups
            .iter()
            .try_for_each(|group| database.join(&spec.name, group))
            .map_err(user_error(&spec.name))?;
    }
    let home_mode = database.defs.home_mode();
    database.id_changes.apply(tree);
    database.save(tree, time).map_err(StepError::Accounts)?;
    for (spec, user) in homes {
        home::apply(tree, sources, spec, &user, home_mode, time).map_err(user_error(&spec.name))?;
    }
    Ok(())
}

/// The number of a user in the account files of the tree.
pub(crate) fn uid_of(tree: &Tree, sources: &dyn Sources, user: &Principal) -> Result<u32, AccountError> {
    match user {
        Principal::Id(uid) => Ok(*uid),
        Principal::Name(_) => AccountDatabase::load(tree, sources, Time::EPOCH)?.uid(user),
    }
}

/// The number of a group in the account files of the tree.
pub(crate) fn gid_of(tree: &Tree, sources: &dyn Sources, group: &Principal) -> Result<u32, AccountError> {
    match group {
        Principal::Id(gid) => Ok(*gid),
        Principal::Name(_) => AccountDatabase::load(tree, sources, Time::EPOCH)?.gid(group),
    }
}
