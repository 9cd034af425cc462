//! Labels files for SELinux: computes `security.selinux` of every entry from the policy in the tree, as setfiles(8) would
//! on the machine, so that an image boots in enforcing mode without a relabel.
//!
//! Neither a kernel with SELinux nor the policy of the host is needed. Without a label, the kernel takes a file for
//! `file_t` or `unlabeled_t`, which no confined service may read. File systems without extended attributes, such as FAT,
//! are labelled by the kernel (`genfscon` of the policy), and so are those that it makes, such as `/proc`.
//!
//! Follows `selabel_file(5)`, `file_contexts(5)` and the behaviour of libselinux 3.4, which a test compares: substitutions
//! of the distribution, then of the administrator; rules without meta characters before all others; then the last rule
//! that matches and is for the type of file. Modules: `rules` (parses the files), `pattern` (regular expressions),
//! `matcher` (index and lookup).

pub(super) mod error;
mod matcher;
mod pattern;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use amiforge_formats::path::{self, PathError};
use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Name, Node, NodeId, NodeKind, Tree, TreeError};

use self::matcher::{LabelMatcher, MatchedRule};
use self::rules::{PolicyFile, RuleFileType, Substitutions};

pub use self::error::{RuleProblem, SelinuxError};

/// Name of the attribute.
pub const SELINUX_XATTR: &[u8] = b"security.selinux";

/// Path of the configuration, and the folder of the policies.
const CONFIG: &str = "/etc/selinux/config";
const POLICIES: &str = "/etc/selinux";

/// The policy where the configuration names none (`SELINUXDEFAULT` of libselinux).
const DEFAULT_POLICY: &str = "targeted";

/// The folder of the programs of amiforge, and the line that gives them the labels of programs.
const OWN_FOLDER: &str = "/usr/lib/amiforge";
const OWN_PROGRAMS: &str = "/usr/lib/amiforge /usr/libexec/amiforge";

/// Name of the directory that every ext4 file system has at its root.
const LOST_FOUND: &[u8] = b"lost+found";

/// What the machine does with the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelinuxMode {
    /// It forbids what the policy does not allow.
    Enforcing,
    /// It only reports that.
    Permissive,
    /// It does not load a policy.
    Disabled,
}

/// The configuration of SELinux in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelinuxConfig {
    /// The mode. A value that is none of the three is taken for enforcing, so that labels are there.
    pub mode: SelinuxMode,
    /// Name of the policy, such as `targeted`.
    pub policy: String,
}

impl SelinuxConfig {
    /// Parses `/etc/selinux/config` (`selinux_config(5)`).
    pub fn parse(text: &str) -> Self {
        let mut config = Self { mode: SelinuxMode::Enforcing, policy: DEFAULT_POLICY.to_owned() };
        let mut has_mode = false;
        for line in text.lines().map(str::trim) {
            if let Some(mode) = line.strip_prefix("SELINUX=").filter(|_| !has_mode) {
                has_mode = true;
                config.mode = match mode.trim().to_ascii_lowercase().as_str() {
                    "permissive" => SelinuxMode::Permissive,
                    "disabled" => SelinuxMode::Disabled,
                    _ => SelinuxMode::Enforcing,
                };
            } else if let Some(policy) = line.strip_prefix("SELINUXTYPE=") {
                policy.trim().clone_into(&mut config.policy);
            }
        }
        config
    }

    /// Reads the configuration of a tree; `None` where it has none.
    ///
    /// # Errors
    /// [`SelinuxError::Path`] when the file cannot be read.
    pub fn read(tree: &Tree, sources: &dyn Sources) -> Result<Option<Self>, SelinuxError> {
        let bytes = read_file(tree, sources, CONFIG)?;
        Ok(bytes.map(|bytes| Self::parse(&String::from_utf8_lossy(&bytes))))
    }
}

/// The labels that a policy gives to files.
#[derive(Debug)]
pub struct FileLabels {
    matcher: LabelMatcher,
}

/// What [`FileLabels::apply`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LabelCount {
    /// Entries that have a label now.
    pub labelled: u64,
    /// Entries that no rule, or a rule with `<<none>>`, is for.
    pub without: u64,
}

impl FileLabels {
    /// Reads the policy of a tree; `None` where SELinux is disabled or not configured, or its policy has no
    /// `contexts/files/file_contexts`.
    ///
    /// # Errors
    /// [`SelinuxError`] names the line that cannot be used.
    pub fn read(tree: &Tree, sources: &dyn Sources) -> Result<Option<Self>, SelinuxError> {
        let Some(base) = policy_rules(tree, sources)? else { return Ok(None) };
        let read = |suffix: &str| -> Result<Option<PolicyFile>, SelinuxError> {
            let path = format!("{base}{suffix}");
            let bytes = read_file(tree, sources, &path)?;
            Ok(bytes.map(|bytes| PolicyFile { path, bytes }))
        };
        let Some(rules) = read("")? else { return Ok(None) };
        let mut files = vec![rules];
        files.extend(read(".homedirs")?);
        files.extend(read(".local")?);
        let substitutions = |suffix: &str| -> Result<Substitutions, SelinuxError> {
            Ok(read(suffix)?.map_or_else(Substitutions::default, |file| Substitutions::parse(&file.bytes)))
        };
        let substitutions = [substitutions(".subs_dist")?, substitutions(".subs")?];
        Ok(Some(Self { matcher: LabelMatcher::new(files, substitutions)? }))
    }

    /// Labels every entry of a tree that the machine mounts at `mount`, an absolute path. Labels that the tree has are
    /// replaced, except those of the paths for which `keep` says so; entries that no rule is for keep theirs. A file with
    /// several names gets the label of the name whose rule has the highest precedence, as of setfiles(8).
    ///
    /// # Errors
    /// [`SelinuxError::Rule`] when a pattern that could match cannot be compiled.
    pub fn apply(
        &self,
        tree: &mut Tree,
        mount: &str,
        keep: &dyn Fn(&[u8]) -> bool,
    ) -> Result<LabelCount, SelinuxError> {
        let mount = mount.trim_end_matches('/').as_bytes();
        // Most nodes have one name; a node's first rule is replaced by one with precedence.
        let mut rules: BTreeMap<NodeId, Option<MatchedRule<'_>>> = BTreeMap::new();
        for entry in tree.walk() {
            let below = if entry.path.is_empty() { Vec::new() } else { [b"/", &*entry.path].concat() };
            let mut path = [mount, &below].concat();
            if path.is_empty() {
                path.push(b'/');
            }
            if keep(&path) {
                continue;
            }
            let rule = self.matcher.find(&path, RuleFileType::of(&tree.node(entry.id).kind))?;
            let known = rules.entry(entry.id).or_insert(rule);
            *known = (*known).max(rule);
        }
        let mut count = LabelCount::default();
        for (id, rule) in rules {
            let Some(MatchedRule { context: Some(context), .. }) = rule else {
                count.without += 1;
                continue;
            };
            count.labelled += 1;
            // The kernel's own labels end in a NUL.
            let label = [context, b"\0"].concat();
            let xattrs = tree.node_mut(id).meta.xattrs.get_or_insert_default();
            xattrs.insert(SELINUX_XATTR.into(), label.into());
        }
        Ok(count)
    }
}

/// The path of `file_contexts` of the policy that a tree uses, if it has that file; others are named after it.
fn policy_rules(tree: &Tree, sources: &dyn Sources) -> Result<Option<String>, SelinuxError> {
    let config = SelinuxConfig::read(tree, sources)?;
    let Some(config) = config.filter(|config| config.mode != SelinuxMode::Disabled) else { return Ok(None) };
    let name = config.policy;
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        return Err(SelinuxError::PolicyName { name });
    }
    let path = format!("{POLICIES}/{name}/contexts/files/file_contexts");
    Ok(super::probe::is_file(tree, &path)?.then_some(path))
}

/// Has the policy of a tree treat the programs of amiforge, if it has any, as those of `/usr/libexec`, for it takes files in
/// `/usr/lib` for libraries, which services run in the domain of their manager. The line is one of the administrator's
/// substitutions, so that a relabel of the machine and an update of the policy keep it. Returns whether it was added.
///
/// # Errors
/// [`SelinuxError`] when a path of the tree cannot be resolved or written.
pub fn add_own_programs(tree: &mut Tree, sources: &dyn Sources, time: Time) -> Result<bool, SelinuxError> {
    let Some(base) = policy_rules(tree, sources)? else { return Ok(false) };
    let path = format!("{base}.subs");
    let mut bytes = read_file(tree, sources, &path)?.unwrap_or_default();
    let known = bytes.split(|&byte| byte == b'\n').any(|line| line == OWN_PROGRAMS.as_bytes());
    if known || !super::probe::exists(tree, OWN_FOLDER) {
        return Ok(false);
    }
    if !bytes.is_empty() && !bytes.ends_with(b"\n") {
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(format!("{OWN_PROGRAMS}\n").as_bytes());
    path::write(tree, path.as_bytes(), &bytes, 0o644, time)?;
    Ok(true)
}

/// Adds the directory `lost+found`, which the writer of ext4 would add, to the root of a tree, so that it can be labelled.
///
/// # Errors
/// [`SelinuxError::Path`] when the tree refuses it; never where the root is a directory.
pub fn add_lost_found(tree: &mut Tree, time: Time) -> Result<(), SelinuxError> {
    let failed =
        |source: TreeError| SelinuxError::Path(PathError::Tree { path: [b"/", LOST_FOUND].concat(), source });
    if tree.child(tree.root(), LOST_FOUND).is_none() {
        let node = Node { meta: Meta::root_owned(0o700, time), kind: NodeKind::dir() };
        tree.add(tree.root(), Name::new(LOST_FOUND).map_err(failed)?, node).map_err(failed)?;
    }
    Ok(())
}

/// The bytes of a regular file of at most 16 MiB; `None` where the path leads to nothing or to another kind of entry.
fn read_file(tree: &Tree, sources: &dyn Sources, path: &str) -> Result<Option<Vec<u8>>, SelinuxError> {
    if !super::probe::is_file(tree, path)? {
        return Ok(None);
    }
    Ok(path::read(tree, sources, path.as_bytes())?)
}
