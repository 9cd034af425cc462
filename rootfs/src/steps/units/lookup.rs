//! Finds unit files in a tree: the search path, symlinks that are aliases, masks, and drop-ins. Changes nothing.
//!
//! Follows the *Unit File Load Path* of systemd.unit(5) without the folders that exist only on a running machine.

use std::collections::{BTreeMap, BTreeSet};

use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{NodeId, NodeKind, Tree};

use super::error::UnitError;
use super::install::InstallSection;
use super::name::{UnitName, UnitNameForm};
use amiforge_formats::path::{self, Last, TreePath};

/// The manager that units are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitScope {
    /// That of the system, as `systemctl --system`.
    System,
    /// Those of all users, as `systemctl --global`.
    User,
}

impl UnitScope {
    /// Folder of the units of the administrator and of all links of this module.
    pub(super) fn config(self) -> &'static str {
        match self {
            Self::System => "/etc/systemd/system",
            Self::User => "/etc/systemd/user",
        }
    }

    /// Name of the folders of preset files.
    fn presets(self) -> &'static str {
        match self {
            Self::System => "system-preset",
            Self::User => "user-preset",
        }
    }

    /// The search path, of a tree without the folders of a running machine.
    fn search_path(self, tree: &Tree) -> Result<Vec<&'static str>, UnitError> {
        if self == Self::User {
            return Ok(vec![
                "/etc/systemd/user.control",
                "/etc/systemd/user",
                "/usr/local/share/systemd/user",
                "/usr/share/systemd/user",
                "/usr/local/lib/systemd/user",
                "/usr/lib/systemd/user",
            ]);
        }
        let mut dirs = vec!["/etc/systemd/system.control", self.config(), "/etc/systemd/system.attached"];
        dirs.push("/usr/local/lib/systemd/system");
        // Both are the same directory on most distributions; they differ in which one links name.
        dirs.extend(match unit_dir(tree, self.config())? {
            UnitDir::Usr => ["/usr/lib/systemd/system", "/lib/systemd/system"],
            UnitDir::Root => ["/lib/systemd/system", "/usr/lib/systemd/system"],
        });
        Ok(dirs)
    }
}

/// Most links that are followed from one unit name to the next (`UNIT_FILE_FOLLOW_SYMLINK_MAX`).
const ALIASES_MAX: u32 = 64;

/// A unit file with its drop-ins.
#[derive(Debug, Clone)]
pub(super) struct UnitFile {
    /// The name with aliases resolved; still an instance where only its template has a file.
    pub(super) name: UnitName,
    /// Path of the file, as links to it spell it.
    pub(super) path: String,
    /// Its `[Install]` sections.
    pub(super) install: InstallSection,
}

/// The result of looking up a name.
#[derive(Debug, Clone)]
pub(super) enum UnitTarget {
    /// A unit.
    Unit(UnitFile),
    /// A mask: the path of a link to `/dev/null`, or of an empty file.
    Masked(String),
}

/// An entry in a folder of the search path.
enum PathEntry {
    File,
    Masked,
    Link(String),
}

/// Looks up the units of a tree.
pub(super) struct UnitLookup<'a> {
    tree: &'a Tree,
    sources: &'a dyn Sources,
    scope: UnitScope,
    dirs: Vec<&'static str>,
}

impl<'a> UnitLookup<'a> {
    /// Determines which folders of the search path the tree has.
    pub(super) fn new(tree: &'a Tree, sources: &'a dyn Sources, scope: UnitScope) -> Result<Self, UnitError> {
        let mut present = Vec::new();
        for dir in scope.search_path(tree)? {
            if path::find(tree, dir.as_bytes())?.is_some() {
                present.push(dir);
            }
        }
        Ok(Self { tree, sources, scope, dirs: present })
    }

    /// Follows a name through aliases to its unit file and reads it.
    pub(super) fn find(&self, name: &UnitName) -> Result<UnitTarget, UnitError> {
        let mut name = name.clone();
        let mut linked: Option<String> = None;
        for _ in 0..ALIASES_MAX {
            let (path, entry) = match linked.take() {
                Some(path) => self.entry(&path)?.map(|entry| (path, entry)),
                None => self.search(&name)?,
            }
            .ok_or_else(|| UnitError::Missing { name: name.to_string() })?;
            match entry {
                PathEntry::Masked => return Ok(UnitTarget::Masked(path)),
                PathEntry::File => {
                    let install = self.read_install(&name, &path)?;
                    return Ok(UnitTarget::Unit(UnitFile { name, path, install }));
                }
                PathEntry::Link(target) if basename(&target) == basename(&path) => linked = Some(target),
                PathEntry::Link(target) => name = alias_target(&name, &target)?,
            }
        }
        Err(UnitError::AliasLoop { name: name.to_string() })
    }

    /// The names of all unit files and links in the search path, sorted.
    pub(super) fn names(&self) -> Result<BTreeSet<UnitName>, UnitError> {
        let mut names = BTreeSet::new();
        for dir in &self.dirs {
            let Some(dir) = path::find(self.tree, dir.as_bytes())? else { continue };
            for (name, id) in self.tree.entries(dir).into_iter().flatten() {
                if matches!(self.tree.node(*id).kind, NodeKind::File(_) | NodeKind::Symlink(_)) {
                    names.extend(std::str::from_utf8(name.as_bytes()).ok().and_then(UnitName::new));
                }
            }
        }
        Ok(names)
    }

    /// Whether a path is in a folder of the search path.
    pub(super) fn is_in_search_path(&self, path: &str) -> Result<bool, UnitError> {
        let Some((parent, _)) = path.rsplit_once('/') else { return Ok(false) };
        let parent = path::find(self.tree, parent.as_bytes())?;
        for dir in &self.dirs {
            if parent.is_some() && parent == path::find(self.tree, dir.as_bytes())? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The first entry for a name: one of its own in any folder comes before one of its template.
    fn search(&self, name: &UnitName) -> Result<Option<(String, PathEntry)>, UnitError> {
        for name in std::iter::once(name.clone()).chain(name.template()) {
            for dir in &self.dirs {
                let path = format!("{dir}/{name}");
                if let Some(entry) = self.entry(&path)? {
                    return Ok(Some((path, entry)));
                }
            }
        }
        Ok(None)
    }

    fn entry(&self, path: &str) -> Result<Option<PathEntry>, UnitError> {
        let Some(resolved) = path::resolve(self.tree, path.as_bytes(), Last::Keep)? else { return Ok(None) };
        let Some(id) = resolved.node else { return Ok(None) };
        match &self.tree.node(id).kind {
            NodeKind::Symlink(target) => self.follow_link(&resolved, target).map(Some),
            _ if self.is_null(id) => Ok(Some(PathEntry::Masked)),
            NodeKind::File(_) => Ok(Some(PathEntry::File)),
            _ => Ok(None),
        }
    }

    /// Follows a single link: going to the end of a chain would skip the names in between.
    fn follow_link(&self, resolved: &TreePath, target: &[u8]) -> Result<PathEntry, UnitError> {
        let absolute = absolute(&resolved.path, target);
        let next = path::resolve(self.tree, &absolute, Last::Keep)?;
        let next = next.map_or(absolute.clone(), |next| next.path);
        let null =
            next == b"/dev/null" || path::find(self.tree, &absolute)?.is_some_and(|id| self.is_null(id));
        if null {
            return Ok(PathEntry::Masked);
        }
        let target = String::from_utf8(next).map_err(|_| UnitError::BadLink {
            link: String::from_utf8_lossy(&resolved.path).into_owned(),
            target: String::from_utf8_lossy(target).into_owned(),
        })?;
        Ok(PathEntry::Link(target))
    }

    /// Whether systemd treats a node as a mask.
    fn is_null(&self, id: NodeId) -> bool {
        match &self.tree.node(id).kind {
            NodeKind::File(content) => content.is_empty(),
            NodeKind::CharDevice { major, minor } => (*major, *minor) == (1, 3),
            _ => false,
        }
    }

    /// Reads the `[Install]` sections of a unit file and its drop-ins, which are sorted by name across folders.
    fn read_install(&self, name: &UnitName, path: &str) -> Result<InstallSection, UnitError> {
        let mut install = InstallSection::default();
        let bytes = path::read(self.tree, self.sources, path.as_bytes())?;
        install.merge(&bytes.unwrap_or_default());
        let mut files: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        for drop_in in name.drop_ins() {
            for dir in &self.dirs {
                self.conf_files(&format!("{dir}/{drop_in}"), b".conf", &mut files)?;
            }
        }
        for path in files.values() {
            install.merge(&self.read_if_file(path)?);
        }
        Ok(install)
    }

    /// Adds the files of a folder by name; a name of an earlier folder has precedence.
    fn conf_files(
        &self,
        dir: &str,
        suffix: &[u8],
        files: &mut BTreeMap<Vec<u8>, Vec<u8>>,
    ) -> Result<(), UnitError> {
        let Some(id) = path::find(self.tree, dir.as_bytes())? else { return Ok(()) };
        for name in self.tree.entries(id).into_iter().flat_map(BTreeMap::keys) {
            let name = name.as_bytes();
            if name.ends_with(suffix) && !name.starts_with(b".") {
                files.entry(name.to_vec()).or_insert_with(|| [dir.as_bytes(), b"/", name].concat());
            }
        }
        Ok(())
    }

    /// The bytes of a file; empty where it is a link to `/dev/null` or a dangling link.
    fn read_if_file(&self, path: &[u8]) -> Result<Vec<u8>, UnitError> {
        match path::find(self.tree, path)? {
            Some(id) if matches!(self.tree.node(id).kind, NodeKind::File(_)) => {
                Ok(path::read(self.tree, self.sources, path)?.unwrap_or_default())
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The preset files in the order of precedence.
    pub(super) fn preset_files(&self) -> Result<Vec<Vec<u8>>, UnitError> {
        let mut files = BTreeMap::new();
        for dir in ["/etc", "/usr/local/lib", "/usr/lib", "/lib"] {
            self.conf_files(&format!("{dir}/systemd/{}", self.scope.presets()), b".preset", &mut files)?;
        }
        files.values().map(|path| self.read_if_file(path)).collect()
    }
}

/// The folder that links to units of the distribution name.
enum UnitDir {
    Usr,
    Root,
}

/// systemctl writes the folder that it was built for: `/lib/systemd/system` on Debian up to 12, `/usr/lib/systemd/system` on
/// nearly every other distribution. The existing links of the distribution show which one.
fn unit_dir(tree: &Tree, config: &str) -> Result<UnitDir, UnitError> {
    let Some(config) = path::find(tree, config.as_bytes())? else { return Ok(UnitDir::Usr) };
    let (mut usr, mut root) = (0_u32, 0_u32);
    let mut count = |id: &NodeId| {
        if let NodeKind::Symlink(target) = &tree.node(*id).kind {
            usr += u32::from(target.starts_with(b"/usr/lib/systemd/system/"));
            root += u32::from(target.starts_with(b"/lib/systemd/system/"));
        }
    };
    for id in tree.entries(config).into_iter().flat_map(BTreeMap::values) {
        count(id);
        tree.entries(*id).into_iter().flat_map(BTreeMap::values).for_each(&mut count);
    }
    Ok(if root > usr { UnitDir::Root } else { UnitDir::Usr })
}

/// The unit that a link of the name `name` is an alias of.
fn alias_target(name: &UnitName, target: &str) -> Result<UnitName, UnitError> {
    let invalid = || UnitError::BadLink { link: name.to_string(), target: target.to_owned() };
    let unit = UnitName::new(basename(target)).ok_or_else(invalid)?;
    if (name.form(), unit.form()) == (UnitNameForm::Instance, UnitNameForm::Template) {
        return unit.with_instance(name.instance()).ok_or_else(invalid);
    }
    Ok(unit)
}

/// The target of the link at `link`, relative to the root.
pub(super) fn absolute(link: &[u8], target: &[u8]) -> Vec<u8> {
    if target.starts_with(b"/") {
        return target.to_vec();
    }
    let parent = link.iter().rposition(|&byte| byte == b'/').and_then(|at| link.get(..at));
    [parent.unwrap_or_default(), b"/", target].concat()
}

/// The part after the last `/`.
pub(super) fn basename(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}
