//! Ids that a recipe assigns to users and groups which packages create: the packages' own commands use them from the
//! start, so that ids which a script writes into a file are right too. Home, shell and everything else remain the package's.
//!
//! `adduser(8)`, `useradd(8)`, `groupadd(8)`, `sysusers.d(5)`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Node, NodeKind, Tree};
use amiforge_sandbox::SandboxStep;

use super::shim::{InstalledShim, Shim, put, remove};
use amiforge_rootfs::steps::accounts::{GroupSpec, UserSpec};

/// Ids by names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountIds {
    users: BTreeMap<String, u32>,
    groups: BTreeMap<String, u32>,
}

const SCRIPT: &str = include_str!("account_ids.sh");

/// The folder of the real programs while the shims replace them, under their own names: `addgroup` is a link to `adduser`, which looks at the name
/// that it is called by.
const REAL_PROGRAMS: &str = "usr/sbin/.amiforge";

/// The programs that create accounts as shims, and the paths of the real ones.
const PROGRAMS: [(Shim, &str); 5] = [
    (Shim { path: b"usr/bin/systemd-sysusers", script: SCRIPT }, "usr/sbin/.amiforge/systemd-sysusers"),
    (Shim { path: b"usr/sbin/addgroup", script: SCRIPT }, "usr/sbin/.amiforge/addgroup"),
    (Shim { path: b"usr/sbin/adduser", script: SCRIPT }, "usr/sbin/.amiforge/adduser"),
    (Shim { path: b"usr/sbin/groupadd", script: SCRIPT }, "usr/sbin/.amiforge/groupadd"),
    (Shim { path: b"usr/sbin/useradd", script: SCRIPT }, "usr/sbin/.amiforge/useradd"),
];

/// Writes the table that the script reads, and changed copies of the packages' sysusers.d files, which go before these.
const PREPARE: &str = "\
mkdir -p /run/amiforge /run/sysusers.d
printf %s \"$ACCOUNTS\" >/run/amiforge/accounts
for file in /usr/lib/sysusers.d/*.conf; do
    [ -f \"$file\" ] && [ ! -e \"/etc/sysusers.d/${file##*/}\" ] || continue
    sed \"$SYSUSERS\" \"$file\" >/run/amiforge/sysusers
    cmp -s /run/amiforge/sysusers \"$file\" || cp /run/amiforge/sysusers \"/run/sysusers.d/${file##*/}\"
done
rm -f /run/amiforge/sysusers
";

impl AccountIds {
    /// The ids that a recipe assigns.
    pub fn of(groups: &[GroupSpec], users: &[UserSpec]) -> Self {
        let group = |group: &GroupSpec| Some((group.name.clone(), group.gid?));
        let user = |user: &UserSpec| Some((user.name.clone(), user.uid?));
        Self {
            users: users.iter().filter_map(user).collect(),
            groups: groups.iter().filter_map(group).collect(),
        }
    }

    /// A line for each: `user` or `group`, name, number.
    pub fn lines(&self) -> String {
        let mut lines = String::new();
        for (kind, ids) in [("group", &self.groups), ("user", &self.users)] {
            for (name, id) in ids {
                // Writing to a string cannot fail.
                let _ = writeln!(lines, "{kind} {name} {id}");
            }
        }
        lines
    }

    pub(crate) fn user(&self, name: &str) -> Option<u32> {
        self.users.get(name).copied()
    }

    pub(crate) fn group(&self, name: &str) -> Option<u32> {
        self.groups.get(name).copied()
    }

    /// The numbers of users.
    pub(crate) fn uids(&self) -> impl Iterator<Item = u32> {
        self.users.values().copied()
    }

    /// The numbers of groups.
    pub(crate) fn gids(&self) -> impl Iterator<Item = u32> {
        self.groups.values().copied()
    }

    /// A script of sed(1) that changes the third field of lines of sysusers.d(5). A user whose group has another
    /// number gets a line for the group.
    fn sysusers(&self) -> String {
        let mut script = String::new();
        let mut change = |kind: &str, name: &str, new: &str| {
            let name: String = name
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("[{c}]") })
                .collect();
            let _ = writeln!(
                script,
                "s/^\\({kind}!*[[:blank:]]\\{{1,\\}}{name}[[:blank:]]\\{{1,\\}}\\)[^:[:blank:]]*/{new}/"
            );
        };
        for (name, uid) in &self.users {
            change("u", name, &format!("\\1{uid}"));
        }
        for (name, gid) in &self.groups {
            change("g", name, &format!("\\1{gid}"));
            if self.user(name) != Some(*gid) {
                change("u", name, &format!("g {name} {gid}\\n&"));
            }
        }
        script
    }
}

/// The shims of the programs that make accounts.
pub(crate) struct AccountShims {
    placed: Vec<InstalledShim>,
    step: Option<SandboxStep>,
}

impl AccountShims {
    /// Replaces those of the programs that the packages have by the shim; does nothing where no number is given.
    pub(crate) fn prepare(tree: &mut Tree, ids: &AccountIds, epoch: Time) -> Self {
        let mut account_shims = Self { placed: Vec::new(), step: None };
        if *ids == AccountIds::default() {
            return account_shims;
        }
        let folder = Node { meta: Meta::root_owned(0o755, epoch), kind: NodeKind::dir() };
        put(tree, REAL_PROGRAMS.as_bytes(), folder);
        for (shim, real) in PROGRAMS {
            if !shim.has_program(tree) {
                continue;
            }
            let Some(placed) = shim.install(tree, epoch) else { continue };
            if let Some(replaced) = placed.replaced() {
                put(tree, real.as_bytes(), replaced.clone());
            }
            account_shims.placed.push(placed);
        }
        let step = SandboxStep::shell("the numbers of `[[user]]` and `[[group]]`", PREPARE);
        account_shims.step = Some(step.env("ACCOUNTS", ids.lines()).env("SYSUSERS", ids.sysusers()));
        account_shims
    }

    /// The step that runs before any script.
    pub(crate) fn step(&self) -> Option<SandboxStep> {
        self.step.clone()
    }

    /// Restores the real programs.
    pub(crate) fn restore(self, tree: &mut Tree) {
        for placed in self.placed {
            placed.restore(tree);
        }
        remove(tree, REAL_PROGRAMS.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::process::Command;

    use super::*;

    fn ids() -> AccountIds {
        let user = |name: &str, uid| UserSpec { name: name.to_owned(), uid, ..UserSpec::default() };
        let group = |name: &str, gid| GroupSpec { name: name.to_owned(), gid, ..GroupSpec::default() };
        AccountIds::of(
            &[
                group("both", Some(5001)),
                group("only.group", Some(5002)),
                group("any", None),
                group("there", Some(5004)),
            ],
            &[
                user("both", Some(5000)),
                user("only-user", Some(5003)),
                user("any", None),
                user("there", Some(5004)),
            ],
        )
    }

    fn program(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The arguments of the calls of the real programs. The account `there` exists, and so does a group that was made.
    fn called(words: &[&str]) -> String {
        let (log, ended) = run(words, "");
        assert!(ended.status.success(), "{words:?}");
        log
    }

    /// The same, and how it ended; `taken` has an account of each number that is in use.
    fn run(words: &[&str], taken: &str) -> (String, std::process::Output) {
        let folder = tempfile::tempdir().unwrap();
        let (dir, log) = (folder.path(), folder.path().join("log"));
        let fake = format!("#!/bin/sh\necho \"${{0##*/}} $*\" >>{}\n", log.display());
        std::fs::create_dir(dir.join(".amiforge")).unwrap();
        let script = SCRIPT
            .replace("/usr/sbin/", &format!("{}/", dir.display()))
            .replace("/run/", &format!("{}/", dir.display()))
            .replace("/amiforge/", "/");
        std::fs::create_dir(dir.join("sysusers.d")).unwrap();
        std::fs::write(dir.join("sysusers.d/changed.conf"), "").unwrap();
        std::fs::write(dir.join("taken"), taken).unwrap();
        for name in ["adduser", "addgroup", "useradd", "groupadd", "systemd-sysusers"] {
            program(&dir.join(name), &script);
            program(&dir.join(".amiforge").join(name), &fake);
        }
        let getent = format!(
            "#!/bin/sh\n[ \"$2\" = there ] || grep -qs \"^groupadd .* $2$\" {} || grep -s \":$2:\" {}\n",
            log.display(),
            dir.join("taken").display()
        );
        program(&dir.join("getent"), &getent);
        std::fs::write(dir.join("accounts"), ids().lines()).unwrap();
        let path = format!("{}:{}", dir.display(), std::env::var("PATH").unwrap());
        let ended = Command::new(dir.join(words[0])).args(&words[1..]).env("PATH", path).output().unwrap();
        (std::fs::read_to_string(log).unwrap_or_default(), ended)
    }

    #[test]
    fn a_number_that_another_account_has_is_named_with_both() {
        for (words, taken, expected) in [
            (
                "adduser --system only-user",
                "other:x:5003:",
                "the user `only-user` the uid 5003, which `other`",
            ),
            ("useradd -r only-user", "other:x:5003:", "or `other` one of its own under `[[user]]`"),
            (
                "adduser --system --group both",
                "other:x:5001:",
                "the group `both` the gid 5001, which `other`",
            ),
            ("addgroup --system only.group", "other:x:5002:", "give `only.group` another `gid`"),
        ] {
            let words: Vec<&str> = words.split(' ').collect();
            let (log, ended) = run(&words, taken);
            let stderr = String::from_utf8_lossy(&ended.stderr);
            assert_eq!((log.as_str(), ended.status.code()), ("", Some(1)), "{words:?}: {stderr}");
            assert!(stderr.contains(expected), "{words:?}: {stderr}");
        }
        let (log, _) = run(&["adduser", "--system", "only-user"], "only-user:x:5003:");
        assert_eq!(log, "adduser --uid 5003 --system only-user\n");
    }

    #[test]
    fn a_file_of_sysusers_that_is_named_by_its_path_is_the_changed_copy() {
        let words = [
            "systemd-sysusers",
            "/usr/lib/sysusers.d/changed.conf",
            "/usr/lib/sysusers.d/same.conf",
            "x.conf",
        ];
        let log = called(&words);
        let (_, changed) = log.trim().split_once(' ').unwrap();
        let words: Vec<&str> = changed.split(' ').collect();
        assert!(words[0].ends_with("/sysusers.d/changed.conf") && !words[0].starts_with("/usr/lib"), "{log}");
        assert_eq!(words[1..], ["/usr/lib/sysusers.d/same.conf", "x.conf"]);
    }

    #[test]
    fn programs_that_make_accounts_get_the_numbers_of_the_recipe() {
        let redis = "adduser --system --home /var/lib/x --gecos";
        for (words, expected) in [
            (
                "adduser --system --home /x --group only-user",
                "adduser --uid 5003 --system --home /x --group only-user\n",
            ),
            (
                "adduser --system --group --quiet both",
                "groupadd -g 5001 both\nadduser --uid 5000 --ingroup both --system --quiet both\n",
            ),
            ("adduser --system --group there", ""),
            ("adduser --system --uid 7 --group only-user", "adduser --system --uid 7 --group only-user\n"),
            ("adduser only-user both", "adduser only-user both\n"),
            ("adduser --system any", "adduser --system any\n"),
            ("adduser --system --shell both any", "adduser --system --shell both any\n"),
            ("adduser --group only.group", "adduser --gid 5002 --group only.group\n"),
            ("addgroup --system only.group", "addgroup --gid 5002 --system only.group\n"),
            ("addgroup --system there", ""),
            ("addgroup --system --gid 8 only.group", "addgroup --system --gid 8 only.group\n"),
            ("groupadd -r -f only.group", "groupadd -g 5002 -r -f only.group\n"),
            ("groupadd -f -r only.group", "groupadd -g 5002 -f -r only.group\n"),
            ("groupadd -r any", "groupadd -r any\n"),
            (
                "useradd -r -d /x -s /bin/false only-user",
                "useradd -u 5003 -r -d /x -s /bin/false only-user\n",
            ),
            ("useradd -rU both", "groupadd -g 5001 both\nuseradd -u 5000 -g both -rU both\n"),
            ("useradd -r -U both", "groupadd -g 5001 both\nuseradd -u 5000 -g both -r both\n"),
            ("useradd -r -g daemon both", "useradd -u 5000 -r -g daemon both\n"),
            ("useradd --system --uid=9 only-user", "useradd --system --uid=9 only-user\n"),
        ] {
            let words: Vec<&str> = words.split(' ').collect();
            assert_eq!(called(&words), expected, "{words:?}");
        }
        // Words with spaces stay what they are.
        let words: Vec<&str> = redis.split(' ').chain(["A daemon", "--group", "both"]).collect();
        let expected = "groupadd -g 5001 both\nadduser --uid 5000 --ingroup both --system --home /var/lib/x --gecos A daemon both\n";
        assert_eq!(called(&words), expected);
    }

    #[test]
    fn files_of_sysusers_name_the_numbers_of_the_recipe() {
        let given = "u only-user - \"A daemon\" /var/lib/x\nu! both 33:daemon -\nu both-too - -\ng only.group -\ng onlyxgroup 3\n\
                     m both any\nu\tboth\t-\t-\n";
        let expected = "u only-user 5003 \"A daemon\" /var/lib/x\ng both 5001\nu! both 5000:daemon -\nu both-too - -\n\
                        g only.group 5002\ng onlyxgroup 3\nm both any\ng both 5001\nu\tboth\t5000\t-\n";
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.conf");
        std::fs::write(&file, given).unwrap();
        let output = Command::new("sed").arg(ids().sysusers()).arg(&file).output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            expected,
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
