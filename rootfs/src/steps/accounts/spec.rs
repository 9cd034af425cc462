//! What a recipe sets of users and groups. Knows no files.

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
