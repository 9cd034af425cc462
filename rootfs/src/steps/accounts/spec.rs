//! The users and groups of a recipe. Knows no files.

/// A user or group, by number or by its name in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The number.
    Id(u32),
    /// The name.
    Name(String),
}

/// The range of login.defs(5) that a number is allocated from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccountClass {
    /// Users who log in: `UID_MIN..=UID_MAX`, upwards.
    #[default]
    Regular,
    /// Daemons: `SYS_UID_MIN..=SYS_UID_MAX`, downwards; without a home and subordinate ids.
    System,
}

/// One `[[group]]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupSpec {
    /// The name.
    pub name: String,
    /// The number; allocated if not given.
    pub gid: Option<u32>,
    /// The range that the number is allocated from.
    pub class: AccountClass,
    /// Users to add; existing members are kept.
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
        /// Number of ids.
        count: u32,
    },
}

/// Whether a home is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MakeHome {
    /// For new regular users, and where ssh keys are given.
    #[default]
    Default,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// One `[[user]]`. Of an existing user only the given fields change; with the number, the owner of all files changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserSpec {
    /// The name.
    pub name: String,
    /// The number; allocated if not given.
    pub uid: Option<u32>,
    /// Primary group; if not given, the group of the user's name, created with the user's number if that is free.
    pub group: Option<Principal>,
    /// Supplementary groups to join; existing memberships are kept.
    pub groups: Vec<String>,
    /// Home; `/home/NAME` if not given, `/nonexistent` for system users.
    pub home: Option<String>,
    /// Whether the home is created, from `/etc/skel`.
    pub make_home: MakeHome,
    /// Login shell; `/bin/bash` if the image has it, else `/bin/sh`; `/usr/sbin/nologin` for system users.
    pub shell: Option<String>,
    /// The GECOS field: full name and contact.
    pub gecos: Option<String>,
    /// The range that numbers are allocated from.
    pub class: AccountClass,
    /// A hash of crypt(5); without one the password is locked.
    pub password_hash: Option<String>,
    /// Lines of `~/.ssh/authorized_keys`.
    pub ssh_authorized_keys: Vec<String>,
    /// Range in `/etc/subuid`.
    pub subuid: SubordinateIds,
    /// Range in `/etc/subgid`.
    pub subgid: SubordinateIds,
}
