//! Packages over a system that exists already: what the lock needs to know of it, how much of it may change, and how the packages
//! come into it.

use std::fs;
use std::io;

use amiforge_formats::path;
use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeKind, Tree};
use amiforge_store::blobs::{Blobs, FileStamp};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::backend::PackageFile;
use crate::locked::PackageId;

/// Which packages of a system below get newer versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UpgradePolicy {
    /// None but those that a new package needs newer.
    #[default]
    Keep,
    /// Those too that a suite of security updates has newer.
    Security,
    /// All that the archives have newer.
    All,
}

impl UpgradePolicy {
    /// Its text in the digest of a lock's inputs.
    pub fn lock_input(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Security => "security",
            Self::All => "all",
        }
    }
}

/// A system with a package database of its own.
#[derive(Clone, Copy)]
pub struct InstalledSystem<'a> {
    /// Its files.
    pub tree: &'a Tree,
    /// Their contents.
    pub sources: &'a dyn Sources,
    /// Which of its packages get newer versions.
    pub upgrade: UpgradePolicy,
}

impl std::fmt::Debug for InstalledSystem<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstalledSystem").field("upgrade", &self.upgrade).finish_non_exhaustive()
    }
}

/// What changes in a system.
#[derive(Debug, Clone, Copy)]
pub struct SystemChange<'a> {
    /// Packages that come.
    pub files: &'a [PackageFile<'a>],
    /// Packages that are erased, as the lock has them (see [`crate::backend::LockedSets::removed`]).
    pub removed: &'a [PackageId],
}

/// Files that only systems with packages of a kind have.
const DATABASES: [(&str, &str, &[&str]); 2] = [
    ("deb", "Debian's (dpkg)", &["/var/lib/dpkg/status"]),
    (
        "rpm",
        "rpm's",
        &[
            "/usr/lib/sysimage/rpm/rpmdb.sqlite",
            "/usr/lib/sysimage/rpm/Packages.db",
            "/var/lib/rpm/rpmdb.sqlite",
            "/var/lib/rpm/Packages.db",
            "/var/lib/rpm/Packages",
        ],
    ),
];

/// What packages a system has that has none of the kind that was looked for: a sentence's end.
pub(crate) fn other_packages(tree: &Tree) -> String {
    let has = |file: &&str| path::find(tree, file.as_bytes()).ok().flatten().is_some();
    match DATABASES.iter().find(|(_, _, files)| files.iter().any(|file| has(&file))) {
        Some((kind, whose, _)) => format!("its packages are {whose}: take `kind = \"{kind}\"`"),
        None => "no package database that is known is in it: is it the right partition?".to_owned(),
    }
}

/// Puts packages into a folder of a tree, `00000.EXTENSION` and on; gives their absolute paths, in the order of the call.
///
/// # Errors
/// A file of the store that is gone.
pub(crate) fn place(
    tree: &mut Tree,
    (folder, extension): (&str, &str),
    files: &[PackageFile<'_>],
    at: Time,
    blobs: &mut Blobs,
) -> io::Result<Vec<String>> {
    let mut inside = tree.root();
    for name in folder.split('/') {
        let made = Node { meta: Meta::root_owned(0o755, at), kind: NodeKind::dir() };
        inside = match tree.child(inside, name.as_bytes()) {
            Some(there) => there,
            None => tree
                .add(inside, Name::new(name.as_bytes()).map_err(io::Error::other)?, made)
                .map_err(io::Error::other)?,
        };
    }
    let mut paths = Vec::with_capacity(files.len());
    for (number, file) in files.iter().enumerate() {
        let found = fs::metadata(&file.path)?;
        let source = blobs.add_closed(file.path.clone(), FileStamp::of_entry(&found));
        let content = Content::Slice { source, at: 0, len: found.len() };
        let node = Node { meta: Meta::root_owned(0o644, at), kind: NodeKind::File(content) };
        let name = format!("{number:05}.{extension}");
        tree.add(inside, Name::new(name.as_bytes()).map_err(io::Error::other)?, node)
            .map_err(io::Error::other)?;
        paths.push(format!("/{folder}/{name}"));
    }
    Ok(paths)
}
