//! Users and groups as Debian's packages make them: adduser(8), the shadow tools and sysusers.d(5) each have their
//! own way to choose numbers. Knows nothing of scripts.

use super::system::TargetSystem;

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";
const SHADOW: &str = "/etc/shadow";
const GSHADOW: &str = "/etc/gshadow";

/// A user to create.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NewUser {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) gecos: String,
    pub(crate) home: String,
    pub(crate) shell: String,
    /// The password field in shadow: `!` of adduser and useradd, `!*` of sysusers.
    pub(crate) locked: &'static str,
}

/// The range and order in which a free id is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Search {
    /// From 100 upwards: adduser's.
    Up,
    /// From 999 downwards: that of the shadow tools and of sysusers.
    Down,
    /// From 1000 upwards: regular users.
    People,
}

impl TargetSystem<'_> {
    fn rows(&mut self, path: &str) -> Vec<Vec<String>> {
        let text = self.text(path);
        let rows = text.lines().filter(|line| !line.is_empty());
        rows.map(|line| line.split(':').map(str::to_owned).collect()).collect()
    }

    fn field(&mut self, path: &str, name: &str, field: usize) -> Option<String> {
        let rows = self.rows(path);
        let row = rows.into_iter().find(|row| row.first().is_some_and(|first| first == name))?;
        row.into_iter().nth(field)
    }

    /// The line of a user or group, as getent(1) prints it.
    pub(crate) fn account_line(&mut self, path: &str, name: &str) -> Option<String> {
        let text = self.text(path);
        text.lines()
            .find(|line| {
                let mut fields = line.split(':');
                fields.next() == Some(name) || (name.parse::<u32>().is_ok() && fields.nth(1) == Some(name))
            })
            .map(str::to_owned)
    }

    /// The number of a user, by name or as digits.
    pub(crate) fn uid(&mut self, name: &str) -> Option<u32> {
        self.field(PASSWD, name, 2).and_then(|id| id.parse().ok()).or_else(|| name.parse().ok())
    }

    /// The number of a group, by name or as digits.
    pub(crate) fn gid(&mut self, name: &str) -> Option<u32> {
        self.field(GROUP, name, 2).and_then(|id| id.parse().ok()).or_else(|| name.parse().ok())
    }

    /// The primary group of a user.
    pub(crate) fn primary_group(&mut self, user: &str) -> Option<u32> {
        self.field(PASSWD, user, 3).and_then(|id| id.parse().ok())
    }

    pub(crate) fn has_user(&mut self, name: &str) -> bool {
        self.field(PASSWD, name, 0).is_some()
    }

    pub(crate) fn has_group(&mut self, name: &str) -> bool {
        self.field(GROUP, name, 0).is_some()
    }

    fn numbers(&mut self, path: &str) -> Vec<u32> {
        self.rows(path).iter().filter_map(|row| row.get(2)?.parse().ok()).collect()
    }

    fn free(search: Search, taken: &[u32]) -> Option<u32> {
        let is_free = |id: &u32| !taken.contains(id);
        match search {
            Search::Up => (100..1000).find(is_free),
            Search::Down => (101..1000).rev().find(is_free),
            Search::People => (1000..60000).find(is_free),
        }
    }

    /// The numbers of users that no new one may have without being named: those that exist, and those of the recipe.
    fn used_uids(&mut self) -> Vec<u32> {
        let reserved = self.ids.uids();
        self.numbers(PASSWD).into_iter().chain(reserved).collect()
    }

    /// The same for groups.
    fn used_gids(&mut self) -> Vec<u32> {
        let reserved = self.ids.gids();
        self.numbers(GROUP).into_iter().chain(reserved).collect()
    }

    /// A number for a new user: that of the recipe, if no other user has it, else a free one.
    pub(crate) fn new_uid(&mut self, name: &str, search: Search) -> Option<u32> {
        if let Some(uid) = self.ids.user(name) {
            return (!self.numbers(PASSWD).contains(&uid)).then_some(uid);
        }
        let used = self.used_uids();
        Self::free(search, &used)
    }

    /// A number for a new group: that of the recipe, if no other group has it, else that of the recipe for the user of its
    /// name, else a free one.
    pub(crate) fn new_gid(&mut self, name: &str, search: Search) -> Option<u32> {
        if let Some(gid) = self.ids.group(name) {
            return (!self.numbers(GROUP).contains(&gid)).then_some(gid);
        }
        let used = self.used_gids();
        let own = self.ids.user(name).filter(|uid| !used.contains(uid));
        own.or_else(|| Self::free(search, &used))
    }

    /// A number that is free for both.
    pub(crate) fn free_pair(&mut self, search: Search) -> Option<u32> {
        let mut used = self.used_uids();
        used.extend(self.used_gids());
        Self::free(search, &used)
    }

    fn append(&mut self, path: &str, line: &str) -> bool {
        let mut text = self.text(path);
        text.push_str(line);
        text.push('\n');
        self.write(path, text.as_bytes())
    }

    /// Adds a group.
    pub(crate) fn add_group(&mut self, name: &str, gid: u32, locked: &str) -> bool {
        let shadowed = !self.is_file(GSHADOW) || self.append(GSHADOW, &format!("{name}:{locked}::"));
        self.done.push(format!("group {name} ({gid})"));
        shadowed && self.append(GROUP, &format!("{name}:x:{gid}:"))
    }

    /// Adds a user.
    pub(crate) fn add_user(&mut self, user: &NewUser) -> bool {
        let NewUser { name, uid, gid, gecos, home, shell, locked } = user;
        let today = self.time.secs.div_euclid(86_400);
        let has_shadow = self.is_file(SHADOW);
        let shadowed = !has_shadow || self.append(SHADOW, &format!("{name}:{locked}:{today}::::::"));
        // Without shadow passwords the account is locked in the table itself, as useradd does.
        let password = if has_shadow { "x" } else { locked };
        self.done.push(format!("user {name} ({uid})"));
        shadowed && self.append(PASSWD, &format!("{name}:{password}:{uid}:{gid}:{gecos}:{home}:{shell}"))
    }

    /// Makes a user a member of a group.
    pub(crate) fn join(&mut self, user: &str, group: &str) -> bool {
        let mut joined = false;
        for path in [GROUP, GSHADOW] {
            let mut rows = self.rows(path);
            let Some(row) = rows.iter_mut().find(|row| row.first().is_some_and(|first| first == group))
            else {
                continue;
            };
            let Some(members) = row.get_mut(3) else { continue };
            joined = true;
            if members.split(',').any(|member| member == user) {
                continue;
            }
            if !members.is_empty() {
                members.push(',');
            }
            members.push_str(user);
            let text: String = rows.iter().map(|row| row.join(":") + "\n").collect();
            self.write(path, text.as_bytes());
        }
        joined
    }

    /// As `shadowconfig on`: passwords move to shadow files, which every account gets an entry in.
    pub(crate) fn shadow_on(&mut self) -> bool {
        let today = self.time.secs.div_euclid(86_400);
        let shadow = self.gid("shadow").unwrap_or(0);
        for (path, shadow_path, rest) in
            [(PASSWD, SHADOW, format!(":{today}:0:99999:7:::")), (GROUP, GSHADOW, "::".to_owned())]
        {
            if self.is_file(shadow_path) {
                continue;
            }
            let mut lines = String::new();
            let mut rows = self.rows(path);
            for row in &mut rows {
                let members =
                    if path == GROUP { row.get(3).cloned().unwrap_or_default() } else { String::new() };
                let (Some(name), Some(password)) = (row.first().cloned(), row.get_mut(1)) else { continue };
                let old = std::mem::replace(password, "x".to_owned());
                let old = if old == "x" { "*".to_owned() } else { old };
                lines.push_str(&format!("{name}:{old}{rest}{members}\n"));
            }
            let text: String = rows.iter().map(|row| row.join(":") + "\n").collect();
            if !self.write(path, text.as_bytes()) || !self.write(shadow_path, lines.as_bytes()) {
                return false;
            }
            if let Some(id) = self.node(shadow_path) {
                let meta = &mut self.tree.node_mut(id).meta;
                (meta.mode, meta.gid) = (0o640, shadow);
            }
        }
        true
    }
}
