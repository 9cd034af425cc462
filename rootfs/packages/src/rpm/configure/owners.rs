//! The owners of files, which packages give by name: their numbers are those of `/etc/passwd` and `/etc/group` in the tree.
//! rpm gives a file of an unknown owner to root and goes on; here that is an error.

use std::collections::BTreeMap;

use amiforge_formats::path::{self, Last, PathError};
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{NodeId, Printable, Tree};

use crate::rpm::package::{FilePresence, UnpackedRpm};

/// Why a file has no owner.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RpmOwnerError {
    /// A name that no account has.
    #[error(
        "`{}` of the package `{package}` belongs to the {kind} `{name}`, which does not exist: no package and no `sysusers.d` \
         file makes it; add the package that does, or give it under `[[{kind}]]`",
        Printable(path)
    )]
    Unknown {
        /// The package.
        package: String,
        /// The file.
        path: Vec<u8>,
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// The tables of accounts cannot be read, or a file's path not be followed.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// A file whose owner is not root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedFile<'a> {
    /// Index of its package.
    pub package: usize,
    /// Its path as the package has it.
    pub path: &'a [u8],
    /// Its node.
    pub node: NodeId,
    /// Name of its user.
    pub user: &'a str,
    /// Name of its group.
    pub group: &'a str,
}

/// The files of packages that do not belong to root alone, in the order of the packages.
///
/// # Errors
/// A path that cannot be followed.
pub fn owned_files<'a>(tree: &Tree, packages: &'a [UnpackedRpm]) -> Result<Vec<OwnedFile<'a>>, PathError> {
    let mut owned = Vec::new();
    for (package, unpacked) in packages.iter().enumerate() {
        for file in &unpacked.files {
            if file.presence != FilePresence::Installed || (is_root(&file.user) && is_root(&file.group)) {
                continue;
            }
            // The last name is the file itself, even where it is a link.
            let found = path::resolve(tree, &file.path, Last::Keep)?.and_then(|found| found.node);
            if let Some(node) = found {
                let (user, group) = (file.user.as_str(), file.group.as_str());
                owned.push(OwnedFile { package, path: &file.path, node, user, group });
            }
        }
    }
    Ok(owned)
}

/// Root's name, or none at all.
fn is_root(name: &str) -> bool {
    matches!(name, "" | "root")
}

/// The numbers of users and groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountNumbers {
    users: BTreeMap<String, u32>,
    groups: BTreeMap<String, u32>,
}

impl AccountNumbers {
    /// Reads `/etc/passwd` and `/etc/group`.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(tree: &Tree, sources: &dyn Sources) -> Result<Self, PathError> {
        let table = |path: &[u8]| -> Result<BTreeMap<String, u32>, PathError> {
            let bytes = path::read(tree, sources, path)?.unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let row = |line: &str| {
                let mut fields = line.split(':');
                Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
            };
            // The first line of a name counts.
            let mut numbers = BTreeMap::new();
            for (name, number) in text.lines().filter_map(row) {
                numbers.entry(name).or_insert(number);
            }
            Ok(numbers)
        };
        Ok(Self { users: table(b"/etc/passwd")?, groups: table(b"/etc/group")? })
    }

    fn user(&self, name: &str) -> Option<u32> {
        if is_root(name) { Some(0) } else { self.users.get(name).copied().or_else(|| name.parse().ok()) }
    }

    fn group(&self, name: &str) -> Option<u32> {
        if is_root(name) { Some(0) } else { self.groups.get(name).copied().or_else(|| name.parse().ok()) }
    }

    /// The numbers of a file's owner.
    ///
    /// # Errors
    /// [`RpmOwnerError::Unknown`].
    pub fn of(&self, file: &OwnedFile<'_>, packages: &[UnpackedRpm]) -> Result<(u32, u32), RpmOwnerError> {
        let unknown = |kind, name: &str| RpmOwnerError::Unknown {
            package: packages.get(file.package).map(|one| one.locked.name.clone()).unwrap_or_default(),
            path: file.path.strip_prefix(b"/").unwrap_or(file.path).to_vec(),
            kind,
            name: name.to_owned(),
        };
        let uid = self.user(file.user).ok_or_else(|| unknown("user", file.user))?;
        let gid = self.group(file.group).ok_or_else(|| unknown("group", file.group))?;
        Ok((uid, gid))
    }
}

/// Gives the files their owners.
///
/// # Errors
/// [`RpmOwnerError`]: the first that has none.
pub fn resolve(
    tree: &mut Tree,
    packages: &[UnpackedRpm],
    sources: &dyn Sources,
) -> Result<(), RpmOwnerError> {
    let numbers = AccountNumbers::read(tree, sources)?;
    for file in owned_files(tree, packages)? {
        let (uid, gid) = numbers.of(&file, packages)?;
        let meta = &mut tree.node_mut(file.node).meta;
        (meta.uid, meta.gid) = (uid, gid);
    }
    Ok(())
}
