//! The folders that the rules clean, and the entries that they remove there. Does not know the rules.

use crate::package_databases::RPM_FOLDERS;

/// The entries of a folder that a rule selects.
#[derive(Debug, Clone, Copy)]
pub(super) enum EntrySelector {
    /// Regular files with one of the names.
    Names(&'static [&'static str]),
    /// Entries other than folders whose name starts with this.
    Prefix(&'static str),
    /// Entries other than folders whose name ends in one of these.
    Suffixes(&'static [&'static str]),
    /// All entries. In package caches, folders named `partial` are emptied and kept, because they belong to another user.
    Everything,
}

/// A folder that a rule cleans.
#[derive(Debug, Clone, Copy)]
pub(super) struct RuleTarget {
    /// Path of the folder, without the first `/`; `*` as its last name means every folder in the one before.
    pub(super) folder: &'static str,
    /// The entries that are removed.
    pub(super) selector: EntrySelector,
    /// Whether the folders below are cleaned too.
    pub(super) depth: TargetDepth,
}

/// How deep a target reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TargetDepth {
    /// The folder only.
    Folder,
    /// The folder and all folders below it.
    Recursive,
}

const fn all_in(folder: &'static str) -> RuleTarget {
    in_folder(folder, EntrySelector::Everything)
}

const fn names_in(folder: &'static str, names: &'static [&'static str]) -> RuleTarget {
    in_folder(folder, EntrySelector::Names(names))
}

const fn in_folder(folder: &'static str, selector: EntrySelector) -> RuleTarget {
    RuleTarget { folder, selector, depth: TargetDepth::Folder }
}

pub(super) const fn recursive(folder: &'static str, selector: EntrySelector) -> RuleTarget {
    RuleTarget { folder, selector, depth: TargetDepth::Recursive }
}

const HISTORY_FILES: &[&str] = &[
    ".ash_history",
    ".bash_history",
    ".lesshst",
    ".mysql_history",
    ".node_repl_history",
    ".psql_history",
    ".python_history",
    ".sh_history",
    ".sqlite_history",
    ".viminfo",
    ".wget-hsts",
    ".zsh_history",
];

const BACKUP_SUFFIXES: EntrySelector = EntrySelector::Suffixes(&[
    ".dpkg-bak",
    ".dpkg-dist",
    ".dpkg-new",
    ".dpkg-old",
    ".dpkg-tmp",
    ".rpmnew",
    ".rpmorig",
    ".rpmsave",
    ".ucf-dist",
    ".ucf-new",
    ".ucf-old",
]);

/// The log of changes that are not in the database itself yet, empty where rpm ended as it should.
pub(super) const RPM_LOG: &str = "rpmdb.sqlite-wal";

/// What rpm makes again when it opens its database: their bytes differ between runs.
const RPM_TRANSIENT: &[&str] = &[".rpm.lock", "rpmdb.sqlite-shm", RPM_LOG];

const LOADER_SEED: &[&str] = &["random-seed"];

/// The targets of the rule `machine-id`.
pub(super) const MACHINE_ID: &[RuleTarget] = &[names_in("var/lib/dbus", &["machine-id"])];

/// The targets of the rule `ssh-host-keys`.
pub(super) const SSH_HOST_KEYS: &[RuleTarget] = &[in_folder("etc/ssh", EntrySelector::Prefix("ssh_host_"))];

/// The targets of the rule `random-seeds`.
pub(super) const RANDOM_SEEDS: &[RuleTarget] = &[
    names_in("boot/efi/loader", LOADER_SEED),
    names_in("boot/loader", LOADER_SEED),
    names_in("efi/loader", LOADER_SEED),
    names_in("root", &[".rnd"]),
    names_in("var/lib", &["random-seed"]),
    names_in("var/lib/systemd", &["credential.secret", "random-seed"]),
    names_in("var/lib/urandom", &["random-seed"]),
];

/// The targets of the rule `package-caches`.
pub(super) const PACKAGE_CACHES: &[RuleTarget] = &[
    all_in("var/cache/apk"),
    names_in("var/cache/apt", &["pkgcache.bin", "srcpkgcache.bin"]),
    all_in("var/cache/apt/archives"),
    all_in("var/cache/dnf"),
    all_in("var/cache/libdnf5"),
    all_in("var/cache/pacman/pkg"),
    all_in("var/cache/yum"),
    all_in("var/cache/zypp"),
    all_in("var/lib/apt/lists"),
    // A count of this machine's weeks, which dnf sends to the mirrors.
    names_in("var/lib/dnf/repos/*", &["countme"]),
    names_in(RPM_FOLDERS[0], RPM_TRANSIENT),
    names_in(RPM_FOLDERS[1], RPM_TRANSIENT),
    names_in(RPM_FOLDERS[2], RPM_TRANSIENT),
];

/// The targets of the rule `caches`.
pub(super) const CACHES: &[RuleTarget] = &[
    all_in("root/.cache"),
    in_folder("var/cache/debconf", EntrySelector::Suffixes(&["-old"])),
    all_in("var/cache/fontconfig"),
    names_in("var/cache/ldconfig", &["aux-cache"]),
    all_in("var/cache/man"),
];

/// The targets of the rule `logs`.
pub(super) const LOGS: &[RuleTarget] = &[
    all_in("var/log/journal"),
    // dnf, yum and their library make theirs anew, each with its own mode.
    names_in("var/log", &["hawkey.log"]),
    in_folder("var/log", EntrySelector::Prefix("dnf")),
    in_folder("var/log", EntrySelector::Prefix("yum")),
    recursive("var/log", EntrySelector::Suffixes(&[".gz", ".xz", ".zst", ".bz2", ".old", ".0", ".1"])),
];

/// The targets of the rule `backups`.
pub(super) const BACKUPS: &[RuleTarget] = &[
    recursive("etc", BACKUP_SUFFIXES),
    names_in("etc", &["group-", "gshadow-", "passwd-", "shadow-", "subgid-", "subuid-"]),
    all_in("var/backups"),
    in_folder("var/lib/dpkg", EntrySelector::Suffixes(&["-old"])),
];

/// The targets of the rule `histories`.
pub(super) const HISTORIES: &[RuleTarget] =
    &[names_in("home/*", HISTORY_FILES), names_in("root", HISTORY_FILES)];

/// The targets of the rule `temporary-files`.
pub(super) const TEMPORARY_FILES: &[RuleTarget] = &[all_in("tmp"), all_in("var/tmp")];

/// The targets of the rule `runtime-files`.
pub(super) const RUNTIME_FILES: &[RuleTarget] = &[all_in("run")];

/// The targets of the rule `container-files`.
pub(super) const CONTAINER_FILES: &[RuleTarget] = &[
    // The names that detect_container() of systemd and other tools look for.
    names_in("", &[".containerenv", ".dockerenv", ".dockerinit"]),
    names_in("dev", &["console"]),
    names_in("run", &[".containerenv"]),
    names_in("run/host", &["container-manager"]),
    names_in("run/systemd", &["container"]),
];
