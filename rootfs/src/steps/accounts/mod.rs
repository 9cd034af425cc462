//! `[[user]]` and `[[group]]`: passwd(5), shadow(5), group(5), gshadow(5), subuid(5) and subgid(5) of the tree, kept
//! consistent. Entries that the recipe does not name stay byte for byte.

mod checks;
mod database;
mod home;
mod login_defs;
mod renumber;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;

use self::database::Database;
use super::{PathError, StepError};

/// A user or group, by number or by its name in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The number.
    Id(u32),
    /// The name.
    Name(String),
}

/// From which range of login.defs(5) a number is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccountClass {
    /// People: `UID_MIN..=UID_MAX`, upwards.
    #[default]
    Regular,
    /// Daemons: `SYS_UID_MIN..=SYS_UID_MAX`, downwards; no home is made and no subordinate ids are given.
    System,
}

/// One `[[group]]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupSpec {
    /// Its name.
    pub name: String,
    /// Its number; allocated if not given.
    pub gid: Option<u32>,
    /// Where the number is taken from.
    pub class: AccountClass,
    /// Users to add to it; those that are in it stay.
    pub members: Vec<String>,
}

/// Subordinate ids of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SubordinateIds {
    /// As useradd(8): a new regular user gets the next free range, if the image has the file.
    #[default]
    Default,
    /// None are added.
    None,
    /// Exactly this range.
    Range {
        /// First id.
        start: u32,
        /// How many.
        count: u32,
    },
}

/// Whether a home is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MakeHome {
    /// For regular users.
    #[default]
    Default,
    /// Yes.
    Always,
    /// No.
    Never,
}

/// One `[[user]]`. Of a user that the image has already, only what is given here changes; a number with all its files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserSpec {
    /// Its name.
    pub name: String,
    /// Its number; allocated if not given.
    pub uid: Option<u32>,
    /// Primary group; a group of the user's own name if not given, made with the user's number if that is free.
    pub group: Option<Principal>,
    /// Further groups to be in; those that the user is in already stay.
    pub groups: Vec<String>,
    /// Home; `/home/NAME` if not given, `/nonexistent` for system users.
    pub home: Option<String>,
    /// Whether the home is made, from `/etc/skel`.
    pub make_home: MakeHome,
    /// Login shell; `/bin/bash` if the image has it, else `/bin/sh`; `/usr/sbin/nologin` for system users.
    pub shell: Option<String>,
    /// Full name and the like.
    pub gecos: Option<String>,
    /// Where numbers are taken from.
    pub class: AccountClass,
    /// A crypt(5) string; without one the password is locked.
    pub password_hash: Option<String>,
    /// Lines of `~/.ssh/authorized_keys`.
    pub ssh_authorized_keys: Vec<String>,
    /// Range in `/etc/subuid`.
    pub subuid: SubordinateIds,
    /// Range in `/etc/subgid`.
    pub subgid: SubordinateIds,
}

/// Why accounts cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// A path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// No name of an account.
    #[error("`{}` cannot be a name: 1 to 32 of letters, digits, `_`, `.`, `-`, no digit first", name.escape_debug())]
    BadName {
        /// The name.
        name: String,
    },
    /// A field would break its line.
    #[error("`{}` cannot be the {field}: no `:` and no control characters", value.escape_debug())]
    BadField {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// A password that is no hash; never shown.
    #[error(
        "`password-hash` is no hash of crypt(5), such as `$y$…` or `$6$…`; `mkpasswd` or `openssl passwd -6` makes one from a password"
    )]
    PasswordHash,
    /// A line that is no ssh key.
    #[error("`{}…` is no public ssh key on one line", line.escape_debug())]
    SshKey {
        /// How it starts.
        line: String,
    },
    /// Named twice in the recipe.
    #[error("the recipe names it twice")]
    Twice,
    /// Not in the image.
    #[error("`{path}` of the image has no `{}`", name.escape_debug())]
    NoAccount {
        /// The file.
        path: &'static str,
        /// The name.
        name: String,
    },
    /// It exists, with another number, and one of both is root's.
    #[error(
        "it exists with {id} {is}, and the recipe gives it {id} {wanted}: the number of root stays with root"
    )]
    Renumbered {
        /// `uid` or `gid`.
        id: &'static str,
        /// The number in the image.
        is: u32,
        /// The number in the recipe.
        wanted: u32,
    },
    /// The number belongs to somebody else.
    #[error("{id} {number} belongs to `{owner}`")]
    Taken {
        /// `uid` or `gid`.
        id: &'static str,
        /// The number.
        number: u32,
        /// Who has it.
        owner: String,
    },
    /// A number that means something else to the kernel.
    #[error("{id} {number} is not a number that an account can have")]
    BadId {
        /// `uid` or `gid`.
        id: &'static str,
        /// The number.
        number: u32,
    },
    /// No number is free.
    #[error("no {id} is free in {first}..={last} of login.defs")]
    Full {
        /// `uid`, `gid`, or the file of subordinate ids.
        id: &'static str,
        /// First of the range.
        first: u32,
        /// Last of the range.
        last: u32,
    },
    /// A range of subordinate ids that is none.
    #[error("{count} ids from {start} are no range for `{path}`")]
    BadRange {
        /// The file.
        path: &'static str,
        /// First id.
        start: u32,
        /// How many.
        count: u32,
    },
    /// A range of subordinate ids that overlaps another.
    #[error("{start}..={last} overlaps the range of `{owner}` from {other} on in `{path}`")]
    RangeTaken {
        /// The file.
        path: &'static str,
        /// First id wanted.
        start: u32,
        /// Last id wanted.
        last: u32,
        /// Who has the other.
        owner: String,
        /// First id of the other.
        other: u32,
    },
    /// Keys without a place.
    #[error("ssh keys need a home, and `{home}` is not made: give `home`, or let it be made")]
    NoHome {
        /// The home.
        home: String,
    },
}

/// Makes or changes the groups, then the users, then the memberships.
///
/// # Errors
/// [`StepError::User`], [`StepError::Group`] for the first that cannot be; [`StepError::Accounts`].
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
    let in_group = |name: &str| {
        let name = name.to_owned();
        move |source| StepError::Group { name, source }
    };
    let in_user = |name: &str| {
        let name = name.to_owned();
        move |source| StepError::User { name, source }
    };
    let mut database = Database::load(tree, sources, time).map_err(StepError::Accounts)?;
    let mut seen = BTreeSet::new();
    for spec in groups {
        let fresh = seen.insert(&spec.name);
        let made = if fresh { database.group(spec) } else { Err(AccountError::Twice) };
        made.map_err(in_group(&spec.name))?;
    }
    seen.clear();
    let mut homes = Vec::new();
    for spec in users {
        let fresh = seen.insert(&spec.name);
        let made = if fresh { database.user(tree, spec) } else { Err(AccountError::Twice) };
        homes.push((spec, made.map_err(in_user(&spec.name))?));
    }
    for spec in groups {
        spec.members
            .iter()
            .try_for_each(|user| database.join(user, &spec.name))
            .map_err(in_group(&spec.name))?;
    }
    for spec in users {
        spec.groups
            .iter()
            .try_for_each(|group| database.join(&spec.name, group))
            .map_err(in_user(&spec.name))?;
    }
    let (mode, moved) = (database.defs.home_mode(), database.moved.clone());
    moved.apply(tree);
    database.save(tree, time).map_err(StepError::Accounts)?;
    for (spec, user) in homes {
        home::apply(tree, sources, spec, &user, mode, time).map_err(in_user(&spec.name))?;
    }
    Ok(())
}

/// The number of a user by the account files of the tree.
pub(crate) fn uid_of(tree: &Tree, sources: &dyn Sources, user: &Principal) -> Result<u32, AccountError> {
    match user {
        Principal::Id(uid) => Ok(*uid),
        Principal::Name(_) => Database::load(tree, sources, Time::EPOCH)?.uid(user),
    }
}

/// The number of a group by the account files of the tree.
pub(crate) fn gid_of(tree: &Tree, sources: &dyn Sources, group: &Principal) -> Result<u32, AccountError> {
    match group {
        Principal::Id(gid) => Ok(*gid),
        Principal::Name(_) => Database::load(tree, sources, Time::EPOCH)?.gid(group),
    }
}
