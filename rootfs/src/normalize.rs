//! The last step before a format sees the tree: clamps times, and takes out what must not be published or would
//! differ between builds. Every removal belongs to a named rule and is reported. Reads no content.
//!
//! Follows `SOURCE_DATE_EPOCH` of reproducible-builds.org for times, and machine-id(5) for images that many
//! machines boot. Rules do not follow links: a link in a rule's path leads to what was not meant.

use std::collections::BTreeSet;

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Name, Node, NodeId, NodeKind, Tree};

/// A cleaning rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum NormalizeRule {
    /// `/etc/machine-id` emptied, `/var/lib/dbus/machine-id` removed.
    MachineId,
    /// `/etc/ssh/ssh_host_*` removed. sshd does not start without: cloud-init or `ssh-keygen -A` makes new ones.
    SshHostKeys,
    /// Keys and ids that packages made for services removed, and made again at the first boot: see
    /// [`crate::steps::service_keys`], which does it after all other rules.
    ServiceKeys,
    /// Saved random seeds and the credential secret removed.
    RandomSeeds,
    /// Package lists and downloaded packages removed.
    PackageCaches,
    /// Caches that are made anew on need removed.
    Caches,
    /// Logs emptied or removed.
    Logs,
    /// Backups that package tools leave removed.
    Backups,
    /// Shell histories removed.
    Histories,
    /// Everything in `/tmp` and `/var/tmp` removed.
    TemporaryFiles,
    /// Everything in `/run` removed.
    RuntimeFiles,
    /// The marks by which systemd and others take a machine for a container removed, and the empty file that container
    /// engines leave as `/dev/console`.
    ContainerFiles,
    /// `/` made root's and 0755 where not everybody may read and search it, or others than root may write to it.
    RootDirectory,
}

/// What normalizing does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NormalizeSpec {
    /// Times above this become this.
    pub epoch: Time,
    /// Rules that apply.
    pub rules: BTreeSet<NormalizeRule>,
}

/// What became of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathOutcome {
    /// Removed, with all below it.
    Removed,
    /// A regular file that is empty now.
    Emptied,
    /// A directory that is root's and of mode 0755 now.
    Opened,
}

/// A change made by a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleChange {
    /// Absolute path.
    pub path: Vec<u8>,
    /// Which rule.
    pub rule: NormalizeRule,
    /// What happened.
    pub outcome: PathOutcome,
}

impl NormalizeRule {
    /// Every rule, in the order of application.
    pub const ALL: [Self; 13] = [
        Self::MachineId,
        Self::SshHostKeys,
        Self::ServiceKeys,
        Self::RandomSeeds,
        Self::PackageCaches,
        Self::Caches,
        Self::Logs,
        Self::Backups,
        Self::Histories,
        Self::TemporaryFiles,
        Self::RuntimeFiles,
        Self::ContainerFiles,
        Self::RootDirectory,
    ];

    /// The name by which a recipe turns it off.
    pub fn name(self) -> &'static str {
        match self {
            Self::MachineId => "machine-id",
            Self::SshHostKeys => "ssh-host-keys",
            Self::ServiceKeys => "service-keys",
            Self::RandomSeeds => "random-seeds",
            Self::PackageCaches => "package-caches",
            Self::Caches => "caches",
            Self::Logs => "logs",
            Self::Backups => "backups",
            Self::Histories => "histories",
            Self::TemporaryFiles => "temporary-files",
            Self::RuntimeFiles => "runtime-files",
            Self::ContainerFiles => "container-files",
            Self::RootDirectory => "root-directory",
        }
    }

    /// The rule of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }

    /// The rules that apply unless a recipe says otherwise: identity, keys, seeds, caches, logs, and what would keep a
    /// machine from starting.
    pub fn defaults() -> BTreeSet<Self> {
        use NormalizeRule::{
            Caches, ContainerFiles, Logs, MachineId, PackageCaches, RandomSeeds, RootDirectory, ServiceKeys,
            SshHostKeys,
        };
        let clean = [MachineId, SshHostKeys, ServiceKeys, RandomSeeds, PackageCaches, Caches, Logs];
        clean.into_iter().chain([ContainerFiles, RootDirectory]).collect()
    }
}

/// Which entries of a folder a rule is about.
#[derive(Debug, Clone, Copy)]
enum EntrySelector {
    /// Those with one of the names.
    Names(&'static [&'static str]),
    /// Files that start so.
    Prefix(&'static str),
    /// Files that end in one of these.
    Suffixes(&'static [&'static str]),
    /// All of them; of package caches, folders named `partial` stay, emptied, for they belong to another user.
    Everything,
}

/// A place that a rule cleans.
#[derive(Debug, Clone, Copy)]
struct RuleTarget {
    /// The folder, without the first `/`; a `*` stands for every folder there.
    folder: &'static str,
    pick: EntrySelector,
    /// Whether folders below are cleaned alike.
    depth: Depth,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    One,
    All,
}

const fn here(folder: &'static str, pick: EntrySelector) -> RuleTarget {
    RuleTarget { folder, pick, depth: Depth::One }
}

const fn below(folder: &'static str, pick: EntrySelector) -> RuleTarget {
    RuleTarget { folder, pick, depth: Depth::All }
}

const ALL: EntrySelector = EntrySelector::Everything;

const HISTORIES: EntrySelector = EntrySelector::Names(&[
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
]);

const BACKUPS: EntrySelector = EntrySelector::Suffixes(&[
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

const LOADER_SEED: EntrySelector = EntrySelector::Names(&["random-seed"]);

/// What each rule removes; machine-id and logs also empty files.
const PLACES: &[(NormalizeRule, RuleTarget)] = &[
    (NormalizeRule::MachineId, here("var/lib/dbus", EntrySelector::Names(&["machine-id"]))),
    (NormalizeRule::SshHostKeys, here("etc/ssh", EntrySelector::Prefix("ssh_host_"))),
    (NormalizeRule::RandomSeeds, here("boot/efi/loader", LOADER_SEED)),
    (NormalizeRule::RandomSeeds, here("boot/loader", LOADER_SEED)),
    (NormalizeRule::RandomSeeds, here("efi/loader", LOADER_SEED)),
    (NormalizeRule::RandomSeeds, here("root", EntrySelector::Names(&[".rnd"]))),
    (NormalizeRule::RandomSeeds, here("var/lib", EntrySelector::Names(&["random-seed"]))),
    (
        NormalizeRule::RandomSeeds,
        here("var/lib/systemd", EntrySelector::Names(&["credential.secret", "random-seed"])),
    ),
    (NormalizeRule::RandomSeeds, here("var/lib/urandom", EntrySelector::Names(&["random-seed"]))),
    (NormalizeRule::PackageCaches, here("var/cache/apk", ALL)),
    (
        NormalizeRule::PackageCaches,
        here("var/cache/apt", EntrySelector::Names(&["pkgcache.bin", "srcpkgcache.bin"])),
    ),
    (NormalizeRule::PackageCaches, here("var/cache/apt/archives", ALL)),
    (NormalizeRule::PackageCaches, here("var/cache/dnf", ALL)),
    (NormalizeRule::PackageCaches, here("var/cache/libdnf5", ALL)),
    (NormalizeRule::PackageCaches, here("var/cache/pacman/pkg", ALL)),
    (NormalizeRule::PackageCaches, here("var/cache/yum", ALL)),
    (NormalizeRule::PackageCaches, here("var/cache/zypp", ALL)),
    (NormalizeRule::PackageCaches, here("var/lib/apt/lists", ALL)),
    (NormalizeRule::Caches, here("root/.cache", ALL)),
    (NormalizeRule::Caches, here("var/cache/debconf", EntrySelector::Suffixes(&["-old"]))),
    (NormalizeRule::Caches, here("var/cache/fontconfig", ALL)),
    (NormalizeRule::Caches, here("var/cache/ldconfig", EntrySelector::Names(&["aux-cache"]))),
    (NormalizeRule::Caches, here("var/cache/man", ALL)),
    (NormalizeRule::Logs, here("var/log/journal", ALL)),
    (
        NormalizeRule::Logs,
        below("var/log", EntrySelector::Suffixes(&[".gz", ".xz", ".zst", ".bz2", ".old", ".0", ".1"])),
    ),
    (NormalizeRule::Backups, below("etc", BACKUPS)),
    (
        NormalizeRule::Backups,
        here(
            "etc",
            EntrySelector::Names(&["group-", "gshadow-", "passwd-", "shadow-", "subgid-", "subuid-"]),
        ),
    ),
    (NormalizeRule::Backups, here("var/backups", ALL)),
    (NormalizeRule::Backups, here("var/lib/dpkg", EntrySelector::Suffixes(&["-old"]))),
    (NormalizeRule::Histories, here("home/*", HISTORIES)),
    (NormalizeRule::Histories, here("root", HISTORIES)),
    (NormalizeRule::TemporaryFiles, here("tmp", ALL)),
    (NormalizeRule::TemporaryFiles, here("var/tmp", ALL)),
    (NormalizeRule::RuntimeFiles, here("run", ALL)),
    // The names that systemd's detect_container() and the tools of others look for.
    (
        NormalizeRule::ContainerFiles,
        here("", EntrySelector::Names(&[".containerenv", ".dockerenv", ".dockerinit"])),
    ),
    (NormalizeRule::ContainerFiles, here("dev", EntrySelector::Names(&["console"]))),
    (NormalizeRule::ContainerFiles, here("run", EntrySelector::Names(&[".containerenv"]))),
    (NormalizeRule::ContainerFiles, here("run/host", EntrySelector::Names(&["container-manager"]))),
    (NormalizeRule::ContainerFiles, here("run/systemd", EntrySelector::Names(&["container"]))),
];

/// Applies the rules, then clamps every time. The changes come in the order of the rules, then of the paths.
pub fn normalize(tree: &mut Tree, spec: &NormalizeSpec) -> Vec<RuleChange> {
    let mut changes = Vec::new();
    for &rule in &spec.rules {
        let mut of_rule = Vec::new();
        for (_, place) in PLACES.iter().filter(|(of, _)| *of == rule) {
            for (id, path) in folders(tree, place) {
                clean(tree, (id, path), place.pick, rule, &mut of_rule);
            }
        }
        match rule {
            NormalizeRule::MachineId => empty_machine_id(tree, spec.epoch, &mut of_rule),
            NormalizeRule::Logs => empty_logs(tree, spec.epoch, &mut of_rule),
            NormalizeRule::RootDirectory => open_root(tree, &mut of_rule),
            _ => {}
        }
        of_rule.sort_by(|a, b| a.path.cmp(&b.path));
        changes.extend(of_rule);
    }
    clamp(tree, spec.epoch);
    changes
}

/// Nothing in the image is newer than the epoch.
fn clamp(tree: &mut Tree, epoch: Time) {
    let ids: Vec<NodeId> = tree.walk().map(|entry| entry.id).collect();
    for id in ids {
        let mtime = &mut tree.node_mut(id).meta.mtime;
        *mtime = epoch.min(*mtime);
    }
}

/// The folders of a place that exist, with their absolute paths.
fn folders(tree: &Tree, place: &RuleTarget) -> Vec<(NodeId, Vec<u8>)> {
    let (base, any) = place.folder.strip_suffix("/*").map_or((place.folder, false), |base| (base, true));
    let Some(base_id) = tree.lookup(base.as_bytes()).filter(|id| tree.entries(*id).is_some()) else {
        return Vec::new();
    };
    let path = if base.is_empty() { Vec::new() } else { [b"/", base.as_bytes()].concat() };
    let mut found = vec![(base_id, path)];
    if any || place.depth == Depth::All {
        let mut at = 0;
        while let Some((id, path)) = found.get(at).cloned() {
            let below = tree.entries(id).into_iter().flatten().filter(|(_, id)| tree.entries(**id).is_some());
            found.extend(below.map(|(name, id)| (*id, [&path[..], b"/", name.as_bytes()].concat())));
            at += 1;
            if any {
                break;
            }
        }
    }
    if any {
        found.remove(0);
    }
    found
}

/// Removes what a pick takes from one folder.
fn clean(
    tree: &mut Tree,
    (folder, path): (NodeId, Vec<u8>),
    pick: EntrySelector,
    rule: NormalizeRule,
    changes: &mut Vec<RuleChange>,
) {
    for (name, id) in tree.entries(folder).cloned().unwrap_or_default() {
        let path = [&path[..], b"/", name.as_bytes()].concat();
        let kind = &tree.node(id).kind;
        let is_dir = matches!(kind, NodeKind::Dir(_));
        let bytes = name.as_bytes();
        let taken = match pick {
            // A link, as /var/lib/dbus/machine-id often is, holds nothing of its own.
            EntrySelector::Names(names) => {
                names.iter().any(|name| name.as_bytes() == bytes) && matches!(kind, NodeKind::File(_))
            }
            EntrySelector::Prefix(prefix) => bytes.starts_with(prefix.as_bytes()) && !is_dir,
            EntrySelector::Suffixes(suffixes) => {
                suffixes.iter().any(|suffix| bytes.ends_with(suffix.as_bytes())) && !is_dir
            }
            EntrySelector::Everything
                if is_dir && rule == NormalizeRule::PackageCaches && bytes == b"partial" =>
            {
                clean(tree, (id, path), pick, rule, changes);
                continue;
            }
            EntrySelector::Everything => true,
        };
        if taken {
            tree.unlink(folder, name.as_bytes());
            changes.push(RuleChange { path, rule, outcome: PathOutcome::Removed });
        }
    }
}

/// An id of nobody: empty, so that each machine makes its own. `uninitialized` means that already, and is told by
/// its length, as is the id of 32 digits.
fn empty_machine_id(tree: &mut Tree, epoch: Time, changes: &mut Vec<RuleChange>) {
    let Some(etc) = tree.lookup(b"etc") else { return };
    let Ok(name) = Name::new(b"machine-id") else { return };
    let Some(id) = tree.child(etc, name.as_bytes()) else { return };
    let NodeKind::File(content) = &tree.node(id).kind else { return };
    if !matches!(content.len(), 0 | 13 | 14) {
        empty(tree, etc, &name, id, epoch);
        let path = b"/etc/machine-id".to_vec();
        changes.push(RuleChange { path, rule: NormalizeRule::MachineId, outcome: PathOutcome::Emptied });
    }
}

/// Lets everybody into `/`. An archive of a working folder, such as `mktemp -d` makes with mode 0700, gives its mode
/// and owner to the root, and then no program but root's finds any file.
fn open_root(tree: &mut Tree, changes: &mut Vec<RuleChange>) {
    let root = tree.root();
    let meta = &mut tree.node_mut(root).meta;
    let closed = meta.mode & 0o555 != 0o555 || meta.mode & 0o022 != 0;
    if closed || (meta.uid, meta.gid) != (0, 0) {
        (meta.mode, meta.uid, meta.gid) = (0o755, 0, 0);
        changes.push(RuleChange {
            path: b"/".to_vec(),
            rule: NormalizeRule::RootDirectory,
            outcome: PathOutcome::Opened,
        });
    }
}

/// Empties every file below `/var/log`: who wrote one expects to find it, with its owner and mode.
fn empty_logs(tree: &mut Tree, epoch: Time, changes: &mut Vec<RuleChange>) {
    for (folder, path) in folders(tree, &below("var/log", ALL)) {
        for (name, id) in tree.entries(folder).cloned().unwrap_or_default() {
            if matches!(&tree.node(id).kind, NodeKind::File(content) if !content.is_empty()) {
                empty(tree, folder, &name, id, epoch);
                let path = [&path[..], b"/", name.as_bytes()].concat();
                changes.push(RuleChange { path, rule: NormalizeRule::Logs, outcome: PathOutcome::Emptied });
            }
        }
    }
}

/// Puts an empty file in the place of one; further names of it elsewhere keep its content.
fn empty(tree: &mut Tree, folder: NodeId, name: &Name, id: NodeId, mtime: Time) {
    let mut meta = tree.node(id).meta.clone();
    meta.mtime = mtime;
    tree.unlink(folder, name.as_bytes());
    // The name has just become free, and the folder is one.
    let _ = tree.add(folder, name.clone(), Node { meta, kind: NodeKind::File(Content::empty()) });
}

#[cfg(test)]
mod tests;
