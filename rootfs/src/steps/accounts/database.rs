//! The six account files of a tree together: groups and users are made, changed and joined in all that hold them.

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;

use super::login_defs::LoginDefs;
use super::renumber::Moved;
use super::table::AccountTable;
use super::{AccountClass, AccountError, GroupSpec, Principal, SubordinateIds, UserSpec, checks};
use amiforge_formats::path;

// Fields of passwd(5), group(5), shadow(5) and gshadow(5), counted from zero.
const PASSWORD: usize = 1;
pub(super) const ID: usize = 2;
pub(super) const PRIMARY: usize = 3;
const GECOS: usize = 4;
const HOME: usize = 5;
const SHELL: usize = 6;
const MEMBERS: usize = 3;
const LAST_CHANGE: usize = 2;

/// All account files.
#[derive(Debug, Clone)]
pub(super) struct Database {
    pub(super) passwd: AccountTable,
    shadow: AccountTable,
    pub(super) group: AccountTable,
    gshadow: AccountTable,
    subuid: AccountTable,
    subgid: AccountTable,
    pub(super) defs: LoginDefs,
    /// Days since 1970 for the last change of passwords; empty where the time is none to speak of.
    today: String,
    /// Numbers of accounts that are there which have changed.
    pub(super) moved: Moved,
}

/// A user as it is after its step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UserAccount {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) home: String,
    /// Whether the step made it.
    pub(super) new: bool,
}

impl Database {
    /// Reads what the tree has.
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
            // Day 0 would tell login to ask for a new password.
            today: if days > 0 { days.to_string() } else { String::new() },
            moved: Moved::default(),
        })
    }

    /// Writes what has changed; shadow files that were not there belong to the group `shadow` if there is one.
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

    /// Gives a shadow file that was not there a locked entry for everyone whose password is said to be in it.
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
            Principal::Name(name) => number(&self.group, name),
        }
    }

    /// The number of a user.
    pub(super) fn uid(&self, user: &Principal) -> Result<u32, AccountError> {
        match user {
            Principal::Id(uid) => Ok(*uid),
            Principal::Name(name) => number(&self.passwd, name),
        }
    }

    /// Makes a group, or checks that the one there is the one meant.
    pub(super) fn group(&mut self, spec: &GroupSpec) -> Result<(), AccountError> {
        checks::name(&spec.name)?;
        let Some(row) = self.group.find(&spec.name) else {
            return self.new_group(&spec.name, spec.gid, None, spec.class).map(|_| ());
        };
        let is = self.group.number(row, ID).unwrap_or_default();
        spec.gid.filter(|gid| *gid != is).map_or(Ok(()), |gid| self.renumber_group(row, is, gid))
    }

    /// Adds a group of a number: exactly that, or a preferred one, or any that is free.
    fn new_group(
        &mut self,
        name: &str,
        gid: Option<u32>,
        preferred: Option<u32>,
        class: AccountClass,
    ) -> Result<u32, AccountError> {
        let gid = match gid {
            Some(gid) => free(&self.group, "gid", gid)?,
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

    /// Puts a user into a group.
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

    /// Makes a user, or changes in the one there what the spec gives.
    pub(super) fn user(&mut self, tree: &Tree, spec: &UserSpec) -> Result<UserAccount, AccountError> {
        check(spec)?;
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
        let (uid, gid) = (self.passwd.number(row, ID), self.passwd.number(row, PRIMARY));
        let (uid, gid) = uid.zip(gid).ok_or_else(broken)?;
        Ok(UserAccount { uid, gid, home: self.passwd.text(row, HOME).to_owned(), new })
    }

    fn change_user(&mut self, row: usize, spec: &UserSpec) -> Result<(), AccountError> {
        let is = self.passwd.number(row, ID).unwrap_or_default();
        if let Some(wanted) = spec.uid.filter(|uid| *uid != is) {
            self.renumber_user(row, is, wanted)?;
        }
        if let Some(group) = &spec.group {
            let gid = self.gid(group)?.to_string();
            self.passwd.set(row, PRIMARY, &gid);
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
        self.subordinates(spec, false)
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
        let password = spec.password_hash.clone().unwrap_or_else(|| locked(spec.class).to_owned());
        match self.shadow.find(&spec.name) {
            Some(row) => self.shadow.set(row, PASSWORD, &password),
            None => self.push_shadow(&spec.name, &password),
        }
        self.subordinates(spec, true)?;
        self.user_row(&spec.name, true)
    }

    /// The number for a new user: the one given, else that of the group of its name, else the next.
    fn new_uid(&self, spec: &UserSpec, own_group: Option<u32>) -> Result<u32, AccountError> {
        if let Some(uid) = spec.uid {
            return free(&self.passwd, "uid", uid);
        }
        let (first, last) = self.defs.range("UID", spec.class);
        let same = own_group.filter(|gid| (first..=last).contains(gid));
        match same.filter(|gid| self.passwd.find_number(ID, *gid).is_none()) {
            Some(uid) => Ok(uid),
            None => allocate(&self.passwd, "uid", (first, last), spec.class),
        }
    }

    /// Gives ranges of subordinate ids.
    fn subordinates(&mut self, spec: &UserSpec, new: bool) -> Result<(), AccountError> {
        let defs = &self.defs;
        for (table, wish, key) in
            [(&mut self.subuid, spec.subuid, "SUB_UID"), (&mut self.subgid, spec.subgid, "SUB_GID")]
        {
            let (start, count) = match wish {
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

/// Adds a range that no other user has a part of; the user's own range may be there already.
fn add_range(table: &mut AccountTable, name: &str, start: u32, count: u32) -> Result<(), AccountError> {
    if count == 0 || start.checked_add(count - 1).is_none() {
        return Err(AccountError::BadRange { path: table.path(), start, count });
    }
    let last = start + (count - 1);
    for row in table.rows() {
        let Some((other, size)) = table.number(row, 1).zip(table.number(row, 2)) else { continue };
        if table.text(row, 0) == name && (other, size) == (start, count) {
            return Ok(());
        }
        if other <= last && u64::from(start) < u64::from(other) + u64::from(size) {
            let owner = table.text(row, 0).to_owned();
            return Err(AccountError::RangeTaken { path: table.path(), start, last, owner, other });
        }
    }
    table.push(&[name, &start.to_string(), &count.to_string()]);
    Ok(())
}

/// The lowest free range of the size that login.defs gives.
fn next_range(
    table: &AccountTable,
    (first, last, count): (u32, u32, u32),
) -> Result<(u32, u32), AccountError> {
    let ranges = table.rows().filter_map(|row| table.number(row, 1).zip(table.number(row, 2)));
    let mut taken: Vec<(u64, u64)> = ranges.map(|(start, size)| (start.into(), size.into())).collect();
    taken.sort_unstable();
    let mut start = u64::from(first);
    for (other, size) in taken {
        if other < start + u64::from(count) {
            start = start.max(other + size);
        }
    }
    match u32::try_from(start) {
        Ok(start) if u64::from(start) + u64::from(count) <= u64::from(last) + 1 => Ok((start, count)),
        _ => Err(AccountError::Full { id: table.path(), first, last }),
    }
}

/// Checks every field that will be written.
fn check(spec: &UserSpec) -> Result<(), AccountError> {
    checks::name(&spec.name)?;
    spec.gecos.iter().try_for_each(|gecos| checks::text("gecos", gecos))?;
    spec.home.iter().try_for_each(|home| checks::path("home", home))?;
    spec.shell.iter().try_for_each(|shell| checks::path("shell", shell))?;
    spec.password_hash.iter().try_for_each(|hash| checks::password_hash(hash))?;
    spec.ssh_authorized_keys.iter().try_for_each(|key| checks::ssh_key(key))
}

/// A password that nobody can type: `!` for people, who may get one, `!*` for daemons, who never do.
fn locked(class: AccountClass) -> &'static str {
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

/// The number of a name.
fn number(table: &AccountTable, name: &str) -> Result<u32, AccountError> {
    let row = table.find(name).and_then(|row| table.number(row, ID));
    row.ok_or_else(|| AccountError::NoAccount { path: table.path(), name: name.to_owned() })
}

/// The number, if nobody has it.
pub(super) fn free(table: &AccountTable, id: &'static str, number: u32) -> Result<u32, AccountError> {
    // The highest one means "no change" to chown(2).
    if number == u32::MAX {
        return Err(AccountError::BadId { id, number });
    }
    match table.find_number(ID, number) {
        Some(row) => Err(AccountError::Taken { id, number, owner: table.text(row, 0).to_owned() }),
        None => Ok(number),
    }
}

/// The next number of a range: the lowest for people, the highest for daemons.
fn allocate(
    table: &AccountTable,
    id: &'static str,
    (first, last): (u32, u32),
    class: AccountClass,
) -> Result<u32, AccountError> {
    let taken = table.numbers(ID);
    let found = match class {
        AccountClass::Regular => (first..=last).find(|number| !taken.contains(number)),
        AccountClass::System => (first..=last).rev().find(|number| !taken.contains(number)),
    };
    found.ok_or(AccountError::Full { id, first, last })
}
