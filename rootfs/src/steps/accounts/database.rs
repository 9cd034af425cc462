//! The six account files of a tree together: creates, changes and joins groups and users in every file that holds them.
//! Entries that a recipe does not name are left as they are.

use amiforge_formats::path;
use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;

use super::checks;
use super::error::AccountError;
use super::ids::{ID, PRIMARY_GROUP, add_range, allocate, next_range, number_of, require_free};
use super::login_defs::LoginDefs;
use super::renumber::IdChanges;
use super::spec::{AccountClass, GroupSpec, Principal, SubordinateIds, UserSpec};
use super::table::AccountTable;

// Columns of passwd(5), group(5), shadow(5) and gshadow(5), counted from zero.
const PASSWORD: usize = 1;
const GECOS: usize = 4;
const HOME: usize = 5;
const SHELL: usize = 6;
const MEMBERS: usize = 3;
const LAST_CHANGE: usize = 2;

/// All account files.
#[derive(Debug, Clone)]
pub(super) struct AccountDatabase {
    passwd: AccountTable,
    shadow: AccountTable,
    group: AccountTable,
    gshadow: AccountTable,
    subuid: AccountTable,
    subgid: AccountTable,
    pub(super) defs: LoginDefs,
    /// Days since 1970 for the last change of a password; empty where the build time is before the second day.
    today: String,
    /// Numbers of existing accounts that have changed.
    pub(super) id_changes: IdChanges,
}

/// A user after its `[[user]]` has been applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UserAccount {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) home: String,
    /// Whether the user did not exist before.
    pub(super) new: bool,
}

impl AccountDatabase {
    /// Reads the files of a tree; those that do not exist are empty.
    pub(super) fn load(tree: &Tree, sources: &dyn Sources, time: Time) -> Result<Self, AccountError> {
        let table = |path| AccountTable::load(tree, sources, path);
        let days = time.secs.div_euclid(86_400);
        Ok(Self {
            passwd: table("/etc/passwd")?,
            shadow: table("/etc/shadow")?,
            group: table("/etc/group")?,
            gshadow: table("/etc/gshadow")?,
            subuid: table("/etc/subuid")?,
            subgid: table("/etc/subgid")?,
            defs: LoginDefs::load(tree, sources)?,
            // Day 0 makes login(1) ask for a new password.
            today: if days > 0 { days.to_string() } else { String::new() },
            id_changes: IdChanges::default(),
        })
    }

    /// Writes the files that have changed; shadow files that did not exist belong to the group `shadow` if there is one.
    pub(super) fn save(mut self, tree: &mut Tree, time: Time) -> Result<(), AccountError> {
        self.complete_shadows();
        let shadow = self.group.find("shadow").and_then(|row| self.group.number(row, ID));
        let mode = if shadow.is_some() { 0o640 } else { 0o600 };
        for (table, mode) in [
            (&self.passwd, 0o644),
            (&self.group, 0o644),
            (&self.subuid, 0o644),
            (&self.subgid, 0o644),
            (&self.shadow, mode),
            (&self.gshadow, mode),
        ] {
            table.save(tree, mode, time)?;
        }
        for table in [&self.shadow, &self.gshadow].into_iter().filter(|table| table.is_new()) {
            if let Some(id) = path::find(tree, table.path().as_bytes())? {
                tree.node_mut(id).meta.gid = shadow.unwrap_or(0);
            }
        }
        Ok(())
    }

    /// Adds locked entries to a shadow file that did not exist, for every account whose password field (`x`) refers to it.
    fn complete_shadows(&mut self) {
        let (users, groups) = (self.shadow.names(), self.gshadow.names());
        for row in self.passwd.rows().filter(|_| self.shadow.is_new()).collect::<Vec<_>>() {
            let name = self.passwd.text(row, 0).to_owned();
            if self.passwd.text(row, PASSWORD) == "x" && !users.contains(&name) {
                self.push_shadow(&name, "*");
            }
        }
        for row in self.group.rows().filter(|_| self.gshadow.is_new()).collect::<Vec<_>>() {
            let name = self.group.text(row, 0);
            if self.group.text(row, PASSWORD) == "x" && !groups.contains(name) {
                self.gshadow.push(&[name, "*", "", self.group.text(row, MEMBERS)]);
            }
        }
    }

    fn push_shadow(&mut self, name: &str, password: &str) {
        let [min, max, warn] = self.defs.ageing();
        self.shadow.push(&[name, password, &self.today, &min, &max, &warn, "", "", ""]);
    }

    /// The number of a group.
    pub(super) fn gid(&self, group: &Principal) -> Result<u32, AccountError> {
        match group {
            Principal::Id(gid) => Ok(*gid),
            Principal::Name(name) => number_of(&self.group, name),
        }
    }

    /// The number of a user.
    pub(super) fn uid(&self, user: &Principal) -> Result<u32, AccountError> {
        match user {
            Principal::Id(uid) => Ok(*uid),
            Principal::Name(name) => number_of(&self.passwd, name),
        }
    }

    /// Creates a group, or gives an existing one the number of the spec.
    pub(super) fn group(&mut self, spec: &GroupSpec) -> Result<(), AccountError> {
        checks::name(&spec.name)?;
        let Some(row) = self.group.find(&spec.name) else {
            return self.new_group(&spec.name, spec.gid, None, spec.class).map(|_| ());
        };
        let current = self.group.number(row, ID).unwrap_or_default();
        match spec.gid.filter(|gid| *gid != current) {
            Some(gid) => {
                let tables = (&mut self.group, &mut self.passwd);
                self.id_changes.renumber_group(tables, row, current, gid)
            }
            None => Ok(()),
        }
    }

    /// Adds a group with exactly the number `gid`, else with the preferred one if that is free, else with the next free one.
    fn new_group(
        &mut self,
        name: &str,
        gid: Option<u32>,
        preferred: Option<u32>,
        class: AccountClass,
    ) -> Result<u32, AccountError> {
        let gid = match gid {
            Some(gid) => require_free(&self.group, "gid", gid)?,
            None => match preferred.filter(|gid| self.group.find_number(ID, *gid).is_none()) {
                Some(gid) => gid,
                None => allocate(&self.group, "gid", self.defs.range("GID", class), class)?,
            },
        };
        self.group.push(&[name, "x", &gid.to_string(), ""]);
        if self.gshadow.find(name).is_none() {
            self.gshadow.push(&[name, "!", "", ""]);
        }
        Ok(gid)
    }

    /// Adds a user to the members of a group.
    pub(super) fn join(&mut self, user: &str, group: &str) -> Result<(), AccountError> {
        if self.passwd.find(user).is_none() {
            return Err(AccountError::NoAccount { path: self.passwd.path(), name: user.to_owned() });
        }
        let row = self.group.find(group);
        let row =
            row.ok_or_else(|| AccountError::NoAccount { path: self.group.path(), name: group.to_owned() })?;
        self.group.join(row, MEMBERS, user);
        if let Some(row) = self.gshadow.find(group) {
            self.gshadow.join(row, MEMBERS, user);
        }
        Ok(())
    }

    /// Creates a user, or changes of an existing one only what the spec sets.
    pub(super) fn user(&mut self, tree: &Tree, spec: &UserSpec) -> Result<UserAccount, AccountError> {
        check_spec(spec)?;
        match self.passwd.find(&spec.name) {
            Some(row) => self.change_user(row, spec)?,
            None => return self.new_user(tree, spec),
        }
        self.user_row(&spec.name, false)
    }

    fn user_row(&self, name: &str, new: bool) -> Result<UserAccount, AccountError> {
        let row = self.passwd.find(name);
        let broken = || AccountError::NoAccount { path: self.passwd.path(), name: name.to_owned() };
        let row = row.ok_or_else(broken)?;
        let (uid, gid) = (self.passwd.number(row, ID), self.passwd.number(row, PRIMARY_GROUP));
        let (uid, gid) = uid.zip(gid).ok_or_else(broken)?;
        Ok(UserAccount { uid, gid, home: self.passwd.text(row, HOME).to_owned(), new })
    }

    fn change_user(&mut self, row: usize, spec: &UserSpec) -> Result<(), AccountError> {
        let current = self.passwd.number(row, ID).unwrap_or_default();
        if let Some(uid) = spec.uid.filter(|uid| *uid != current) {
            self.id_changes.renumber_user(&mut self.passwd, row, current, uid)?;
        }
        if let Some(group) = &spec.group {
            let gid = self.gid(group)?.to_string();
            self.passwd.set(row, PRIMARY_GROUP, &gid);
        }
        for (field, value) in [(GECOS, &spec.gecos), (HOME, &spec.home), (SHELL, &spec.shell)] {
            if let Some(value) = value {
                self.passwd.set(row, field, value);
            }
        }
        if let Some(hash) = &spec.password_hash {
            self.passwd.set(row, PASSWORD, "x");
            match self.shadow.find(&spec.name) {
                Some(row) => {
                    self.shadow.set(row, PASSWORD, hash);
                    let today = self.today.clone();
                    self.shadow.set(row, LAST_CHANGE, &today);
                }
                None => self.push_shadow(&spec.name, hash),
            }
        }
        self.add_subordinate_ids(spec, false)
    }

    fn new_user(&mut self, tree: &Tree, spec: &UserSpec) -> Result<UserAccount, AccountError> {
        let own_group = self.group.find(&spec.name).and_then(|row| self.group.number(row, ID));
        let uid = self.new_uid(spec, own_group)?;
        let gid = match (&spec.group, own_group) {
            (Some(group), _) => self.gid(group)?,
            (None, Some(gid)) => gid,
            (None, None) => self.new_group(&spec.name, None, Some(uid), spec.class)?,
        };
        let home = spec.home.clone().unwrap_or_else(|| match spec.class {
            AccountClass::Regular => format!("/home/{}", spec.name),
            AccountClass::System => "/nonexistent".to_owned(),
        });
        let shell = spec.shell.clone().map_or_else(|| default_shell(tree, spec.class), Ok)?;
        let (uid_text, gid_text) = (uid.to_string(), gid.to_string());
        let gecos = spec.gecos.as_deref().unwrap_or_default();
        self.passwd.push(&[&spec.name, "x", &uid_text, &gid_text, gecos, &home, &shell]);
        let password = spec.password_hash.clone().unwrap_or_else(|| locked_password(spec.class).to_owned());
        match self.shadow.find(&spec.name) {
            Some(row) => self.shadow.set(row, PASSWORD, &password),
            None => self.push_shadow(&spec.name, &password),
        }
        self.add_subordinate_ids(spec, true)?;
        self.user_row(&spec.name, true)
    }

    /// The number for a new user: that of the spec, else that of the group of its name, else the next free one.
    fn new_uid(&self, spec: &UserSpec, own_group: Option<u32>) -> Result<u32, AccountError> {
        if let Some(uid) = spec.uid {
            return require_free(&self.passwd, "uid", uid);
        }
        let (first, last) = self.defs.range("UID", spec.class);
        let same = own_group.filter(|gid| (first..=last).contains(gid));
        match same.filter(|gid| self.passwd.find_number(ID, *gid).is_none()) {
            Some(uid) => Ok(uid),
            None => allocate(&self.passwd, "uid", (first, last), spec.class),
        }
    }

    /// Adds the ranges of subordinate ids of a user.
    fn add_subordinate_ids(&mut self, spec: &UserSpec, new: bool) -> Result<(), AccountError> {
        let defs = &self.defs;
        for (table, request, key) in
            [(&mut self.subuid, spec.subuid, "SUB_UID"), (&mut self.subgid, spec.subgid, "SUB_GID")]
        {
            let (start, count) = match request {
                SubordinateIds::Range { start, count } => (start, count),
                SubordinateIds::Default
                    if new
                        && table.present
                        && spec.class == AccountClass::Regular
                        && table.find(&spec.name).is_none() =>
                {
                    next_range(table, defs.subordinate(key))?
                }
                SubordinateIds::Default | SubordinateIds::None => continue,
            };
            add_range(table, &spec.name, start, count)?;
        }
        Ok(())
    }
}

/// Checks every field that will be written.
fn check_spec(spec: &UserSpec) -> Result<(), AccountError> {
    checks::name(&spec.name)?;
    spec.gecos.iter().try_for_each(|gecos| checks::text("gecos", gecos))?;
    spec.home.iter().try_for_each(|home| checks::path("home", home))?;
    spec.shell.iter().try_for_each(|shell| checks::path("shell", shell))?;
    spec.password_hash.iter().try_for_each(|hash| checks::password_hash(hash))?;
    spec.ssh_authorized_keys.iter().try_for_each(|key| checks::ssh_key(key))
}

/// The password field of an account without a password, which no typed password matches: `!` for a regular user, whose
/// account passwd(1) can unlock, `!*` for a system user.
fn locked_password(class: AccountClass) -> &'static str {
    match class {
        AccountClass::Regular => "!",
        AccountClass::System => "!*",
    }
}

fn default_shell(tree: &Tree, class: AccountClass) -> Result<String, AccountError> {
    let shell = match class {
        AccountClass::System => "/usr/sbin/nologin",
        AccountClass::Regular if path::find(tree, b"/bin/bash")?.is_some() => "/bin/bash",
        AccountClass::Regular => "/bin/sh",
    };
    Ok(shell.to_owned())
}
