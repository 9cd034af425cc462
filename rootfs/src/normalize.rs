//! Normalizes the finished tree before a file system is made of it: clamps times, and removes what must not be published or
//! would differ between builds. Every removal belongs to a named rule and is reported. Reads no content.
//!
//! Follows `SOURCE_DATE_EPOCH` of reproducible-builds.org for times, and machine-id(5) for an image that several machines
//! boot. Rules do not follow links: a link in the path of a rule may lead to files that the rule is not for.

mod targets;

use std::collections::BTreeSet;

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Name, Node, NodeId, NodeKind, Tree};
use schemars::JsonSchema;
use serde::Deserialize;

use self::targets::{EntrySelector, RuleTarget, TargetDepth, recursive};
use crate::package_databases::RPM_FOLDERS;

/// A rule of cleaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NormalizeRule {
    /// `/etc/machine-id` emptied, `/var/lib/dbus/machine-id` removed.
    MachineId,
    /// `/etc/ssh/ssh_host_*` removed.
    SshHostKeys,
    /// Keys and ids that packages make for their services when they are installed removed, and made again by each
    /// machine at its first boot: `/etc/bind/rndc.key`, `/etc/munge/munge.key`, the cookie of `rabbitmq`,
    /// `/etc/nvme/hostnqn` and `hostid`, `/etc/iscsi/initiatorname.iscsi` and the key and certificate
    /// `ssl-cert-snakeoil`; on Fedora and its kin, those that a unit of the distribution makes again. Those that a `[[file]]` puts there or `[secrets]` allows stay.
    ServiceKeys,
    /// Saved random seeds and the credential secret removed.
    RandomSeeds,
    /// Package lists and downloaded packages removed, and what rpm and dnf keep beside their databases: locks, shared
    /// memory and the week of `countme`.
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
    /// `/.dockerenv` and the other marks by which systemd takes a machine for a container removed, and the empty file
    /// that container engines leave as `/dev/console`.
    ContainerFiles,
    /// Every entry labelled for SELinux as the policy of the image says, where `/etc/selinux/config` does not disable
    /// SELinux and the policy has its `file_contexts`. A label that a `[[file]]` gives by `xattrs` stays.
    SelinuxLabels,
    /// `/` made root's and 0755 where not everybody may read and search it, or others than root may write to it.
    RootDirectory,
}

/// Options of [`normalize`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NormalizeSpec {
    /// The greatest time: later ones become this one.
    pub epoch: Time,
    /// The rules that are applied.
    pub rules: BTreeSet<NormalizeRule>,
}

/// The change of a path by a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathOutcome {
    /// Removed, with everything below it.
    Removed,
    /// Truncated to an empty regular file.
    Emptied,
    /// A directory given to root with mode 0755.
    Opened,
}

/// A change made by a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleChange {
    /// Absolute path.
    pub path: Vec<u8>,
    /// The rule.
    pub rule: NormalizeRule,
    /// The change.
    pub outcome: PathOutcome,
}

impl NormalizeRule {
    /// Every rule, in the order in which they are applied.
    pub const ALL: [Self; 14] = [
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
        Self::SelinuxLabels,
        Self::RootDirectory,
    ];

    /// The name of the rule in recipes.
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
            Self::SelinuxLabels => "selinux-labels",
            Self::RootDirectory => "root-directory",
        }
    }

    /// The rule of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }

    /// The rules that apply by default: identity, keys, seeds, caches, logs, labels, and those for files that keep a machine
    /// from starting.
    pub fn defaults() -> BTreeSet<Self> {
        use NormalizeRule::{
            Caches, ContainerFiles, Logs, MachineId, PackageCaches, RandomSeeds, RootDirectory,
            SelinuxLabels, ServiceKeys, SshHostKeys,
        };
        let clean = [MachineId, SshHostKeys, ServiceKeys, RandomSeeds, PackageCaches, Caches, Logs];
        clean.into_iter().chain([ContainerFiles, SelinuxLabels, RootDirectory]).collect()
    }
}

/// Why a tree cannot be normalized.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NormalizeError {
    /// The log of rpm's database has changes that the database does not have.
    #[error(
        "`/{path}` has changes that are not in rpm's database yet, and would be lost: run `rpmdb --rebuilddb` in the \
         source, or skip the rule `package-caches` of `[normalize]` to keep both"
    )]
    DatabaseLog {
        /// Its path, without the first `/`.
        path: String,
    },
}

/// Checks that no rule removes what is more than a cache.
///
/// # Errors
/// [`NormalizeError::DatabaseLog`] for a database of rpm that was copied while it was written.
pub fn check(tree: &Tree, spec: &NormalizeSpec) -> Result<(), NormalizeError> {
    if !spec.rules.contains(&NormalizeRule::PackageCaches) {
        return Ok(());
    }
    for folder in RPM_FOLDERS {
        let path = format!("{folder}/{}", targets::RPM_LOG);
        let kind = tree.lookup(path.as_bytes()).map(|id| &tree.node(id).kind);
        if matches!(kind, Some(NodeKind::File(content)) if !content.is_empty()) {
            return Err(NormalizeError::DatabaseLog { path });
        }
    }
    Ok(())
}

/// Applies the rules, then clamps every time. The changes are sorted by rule, then by path.
pub fn normalize(tree: &mut Tree, spec: &NormalizeSpec) -> Vec<RuleChange> {
    let mut changes = Vec::new();
    for &rule in &spec.rules {
        let mut rule_changes = Vec::new();
        for target in targets_of(rule) {
            for (id, path) in target_folders(tree, target) {
                remove_selected(tree, (id, path), target.selector, rule, &mut rule_changes);
            }
        }
        match rule {
            NormalizeRule::MachineId => empty_machine_id(tree, spec.epoch, &mut rule_changes),
            NormalizeRule::Logs => empty_logs(tree, spec.epoch, &mut rule_changes),
            NormalizeRule::RootDirectory => reset_root_directory(tree, &mut rule_changes),
            _ => {}
        }
        rule_changes.sort_by(|a, b| a.path.cmp(&b.path));
        changes.extend(rule_changes);
    }
    clamp(tree, spec.epoch);
    changes
}

/// The targets of a rule; `machine-id` and `logs` also truncate files.
fn targets_of(rule: NormalizeRule) -> &'static [RuleTarget] {
    match rule {
        NormalizeRule::MachineId => targets::MACHINE_ID,
        NormalizeRule::SshHostKeys => targets::SSH_HOST_KEYS,
        NormalizeRule::RandomSeeds => targets::RANDOM_SEEDS,
        NormalizeRule::PackageCaches => targets::PACKAGE_CACHES,
        NormalizeRule::Caches => targets::CACHES,
        NormalizeRule::Logs => targets::LOGS,
        NormalizeRule::Backups => targets::BACKUPS,
        NormalizeRule::Histories => targets::HISTORIES,
        NormalizeRule::TemporaryFiles => targets::TEMPORARY_FILES,
        NormalizeRule::RuntimeFiles => targets::RUNTIME_FILES,
        NormalizeRule::ContainerFiles => targets::CONTAINER_FILES,
        // Applied by steps of their own (`service_keys`, `selinux`), or to one entry.
        NormalizeRule::ServiceKeys | NormalizeRule::SelinuxLabels | NormalizeRule::RootDirectory => &[],
    }
}

/// Lowers every time that is after the epoch to the epoch.
fn clamp(tree: &mut Tree, epoch: Time) {
    let ids: Vec<NodeId> = tree.walk().map(|entry| entry.id).collect();
    for id in ids {
        let mtime = &mut tree.node_mut(id).meta.mtime;
        *mtime = epoch.min(*mtime);
    }
}

/// The existing folders of a target, with their absolute paths.
fn target_folders(tree: &Tree, target: &RuleTarget) -> Vec<(NodeId, Vec<u8>)> {
    let (base, any) = target.folder.strip_suffix("/*").map_or((target.folder, false), |base| (base, true));
    let Some(base_id) = tree.lookup(base.as_bytes()).filter(|id| tree.entries(*id).is_some()) else {
        return Vec::new();
    };
    let path = if base.is_empty() { Vec::new() } else { [b"/", base.as_bytes()].concat() };
    let mut folders = vec![(base_id, path)];
    if any || target.depth == TargetDepth::Recursive {
        let mut at = 0;
        while let Some((id, path)) = folders.get(at).cloned() {
            let below = tree.entries(id).into_iter().flatten().filter(|(_, id)| tree.entries(**id).is_some());
            folders.extend(below.map(|(name, id)| (*id, [&path[..], b"/", name.as_bytes()].concat())));
            at += 1;
            if any {
                break;
            }
        }
    }
    if any {
        folders.remove(0);
    }
    folders
}

/// Removes the entries of one folder that the selector matches.
fn remove_selected(
    tree: &mut Tree,
    (folder, path): (NodeId, Vec<u8>),
    selector: EntrySelector,
    rule: NormalizeRule,
    changes: &mut Vec<RuleChange>,
) {
    for (name, id) in tree.entries(folder).cloned().unwrap_or_default() {
        let path = [&path[..], b"/", name.as_bytes()].concat();
        let kind = &tree.node(id).kind;
        let is_dir = matches!(kind, NodeKind::Dir(_));
        let bytes = name.as_bytes();
        let selected = match selector {
            // A link, as /var/lib/dbus/machine-id often is, has no content of its own.
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
                remove_selected(tree, (id, path), selector, rule, changes);
                continue;
            }
            EntrySelector::Everything => true,
        };
        if selected {
            tree.unlink(folder, name.as_bytes());
            changes.push(RuleChange { path, rule, outcome: PathOutcome::Removed });
        }
    }
}

/// Truncates `/etc/machine-id`, so that each machine generates its own id. A file with `uninitialized` has the same effect
/// and is kept; its length identifies it, because no content is read here.
fn empty_machine_id(tree: &mut Tree, epoch: Time, changes: &mut Vec<RuleChange>) {
    let Some(etc) = tree.lookup(b"etc") else { return };
    let Ok(name) = Name::new(b"machine-id") else { return };
    let Some(id) = tree.child(etc, name.as_bytes()) else { return };
    let NodeKind::File(content) = &tree.node(id).kind else { return };
    if !matches!(content.len(), 0 | 13 | 14) {
        replace_by_empty(tree, etc, &name, id, epoch);
        let path = b"/etc/machine-id".to_vec();
        changes.push(RuleChange { path, rule: NormalizeRule::MachineId, outcome: PathOutcome::Emptied });
    }
}

/// Makes `/` accessible to every user. The archive of a working folder, such as `mktemp -d` creates with mode 0700, gives
/// its mode and owner to the root, and then only programs of root can open any file.
fn reset_root_directory(tree: &mut Tree, changes: &mut Vec<RuleChange>) {
    let root = tree.root();
    let meta = &mut tree.node_mut(root).meta;
    let inaccessible = meta.mode & 0o555 != 0o555 || meta.mode & 0o022 != 0;
    if inaccessible || (meta.uid, meta.gid) != (0, 0) {
        (meta.mode, meta.uid, meta.gid) = (0o755, 0, 0);
        changes.push(RuleChange {
            path: b"/".to_vec(),
            rule: NormalizeRule::RootDirectory,
            outcome: PathOutcome::Opened,
        });
    }
}

/// Truncates every file below `/var/log` and keeps it: the program that created it expects it with its owner and mode.
fn empty_logs(tree: &mut Tree, epoch: Time, changes: &mut Vec<RuleChange>) {
    for (folder, path) in target_folders(tree, &recursive("var/log", EntrySelector::Everything)) {
        for (name, id) in tree.entries(folder).cloned().unwrap_or_default() {
            if matches!(&tree.node(id).kind, NodeKind::File(content) if !content.is_empty()) {
                replace_by_empty(tree, folder, &name, id, epoch);
                let path = [&path[..], b"/", name.as_bytes()].concat();
                changes.push(RuleChange { path, rule: NormalizeRule::Logs, outcome: PathOutcome::Emptied });
            }
        }
    }
}

/// Replaces a file by an empty one; other hard links of the file keep its content.
fn replace_by_empty(tree: &mut Tree, folder: NodeId, name: &Name, id: NodeId, mtime: Time) {
    let mut meta = tree.node(id).meta.clone();
    meta.mtime = mtime;
    tree.unlink(folder, name.as_bytes());
    // Cannot fail: the name has just become free.
    let _ = tree.add(folder, name.clone(), Node { meta, kind: NodeKind::File(Content::empty()) });
}

#[cfg(test)]
mod tests;
