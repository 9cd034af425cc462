//! The database of dpkg and apt's list of automatic packages, written into a tree as dpkg itself would have left
//! them: `/var/lib/dpkg/{status,available,arch,diversions,info/,triggers/,updates/}` and
//! `/var/lib/apt/extended_states`.
//!
//! dpkg(1), dpkg-query(1), deb-triggers(5); the order of fields and everything undocumented is that of dpkg 1.21, which
//! reads what older and newer ones write. Locks and backups, which every run of dpkg makes anew, are left out.

mod conffiles;
mod early;
mod md5;
mod state;
mod status;
mod triggers;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Node, NodeKind, Tree};

use self::conffiles::{Conffiles, Own};
pub use self::state::DatabaseState;
use super::diversions::Diversion;
use super::unpack::UnpackedPackage;
use crate::locked::LockReason;
use amiforge_formats::path::PathError;
use amiforge_formats::path::{self, Last};

/// Folder of dpkg's database.
const ADMIN: &str = "/var/lib/dpkg";

/// apt's list of automatically installed packages.
const EXTENDED: &str = "/var/lib/apt/extended_states";

/// The architectures of a system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Architectures {
    /// Its own, such as `amd64`.
    pub native: String,
    /// Those that it takes packages of besides.
    pub foreign: Vec<String>,
}

/// Why the database could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// A path of it, or of a file that it speaks of, cannot be used.
    #[error("writing the package database")]
    Path(#[from] PathError),
}

/// Writes the database into a tree that [`super::unpack::unpack`] gave. Files of it that are there are replaced, and
/// those that dpkg would have made get the time `at`. With [`DatabaseState::Unpacked`], conffiles move to where dpkg looks
/// for them.
///
/// # Errors
/// When the content of a file whose md5sum is needed cannot be read, or a path of the database is occupied.
pub fn write(
    tree: &mut Tree,
    packages: &[UnpackedPackage],
    diversions: &[Diversion],
    state: DatabaseState,
    architectures: &Architectures,
    at: Time,
    sources: &dyn Sources,
) -> Result<(), DatabaseError> {
    let mut sorted: Vec<&UnpackedPackage> = packages.iter().collect();
    sorted.sort_by_key(|package| (&package.locked.name, &package.locked.arch));
    for folder in ["info", "triggers", "updates"] {
        make_folder(tree, &format!("{ADMIN}/{folder}"), at)?;
    }
    let early = early::packages(&sorted);
    let mut status = String::new();
    for package in &sorted {
        let sums = md5::missing(tree, package, sources)?;
        let conffiles = Conffiles::of(tree, package, state, sources)?;
        status.push_str(&status::stanza(package, state, &conffiles));
        info(tree, package, sums, at)?;
        if state == DatabaseState::Unpacked {
            let is_early = early.contains(package.locked.name.as_str());
            conffiles.set_aside(tree, if is_early { Own::Stays } else { Own::Goes })?;
        }
    }
    put(tree, &format!("{ADMIN}/status"), status.into_bytes(), 0o644, at)?;
    put(tree, &format!("{ADMIN}/available"), Vec::new(), 0o644, at)?;
    put(tree, &format!("{ADMIN}/info/format"), b"1\n".to_vec(), 0o644, at)?;
    put(tree, &format!("{ADMIN}/arch"), architectures.lines().into_bytes(), 0o644, at)?;
    for (name, lines) in triggers::files(&sorted) {
        put(tree, &format!("{ADMIN}/triggers/{name}"), lines, 0o644, at)?;
    }
    if !diversions.is_empty() {
        put(tree, &format!("{ADMIN}/diversions"), lines_of(diversions), 0o644, at)?;
    }
    let has_apt = packages.iter().any(|package| package.locked.name == "apt");
    if has_apt {
        put(tree, EXTENDED, extended(&sorted, &architectures.native).into_bytes(), 0o644, at)?;
    }
    Ok(())
}

/// Says of packages that they are half configured, as dpkg does of those whose scripts failed: then dpkg configures them
/// when it is run next, and its `--audit` names them.
///
/// # Errors
/// When the database cannot be read or written.
pub fn mark_half_configured(
    tree: &mut Tree,
    names: &BTreeSet<&str>,
    at: Time,
    sources: &dyn Sources,
) -> Result<(), DatabaseError> {
    let path = format!("{ADMIN}/status");
    let text = path::read(tree, sources, path.as_bytes())?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let marked = text.split_inclusive("\n\n").map(|stanza| {
        let name = stanza.lines().next().and_then(|line| line.strip_prefix("Package: "));
        if !name.is_some_and(|name| names.contains(name)) {
            return stanza.to_owned();
        }
        stanza.replacen("\nStatus: install ok installed\n", "\nStatus: install ok half-configured\n", 1)
    });
    let marked: String = marked.collect();
    Ok(put(tree, &path, marked.into_bytes(), 0o644, at)?)
}

impl Architectures {
    /// As `dpkg --add-architecture` writes them.
    fn lines(&self) -> String {
        let all: Vec<&str> = [&self.native].into_iter().chain(&self.foreign).map(String::as_str).collect();
        all.join("\n") + "\n"
    }
}

/// Writes the files of a package below `info`: its list of paths, and its control archive's members.
fn info(
    tree: &mut Tree,
    package: &UnpackedPackage,
    sums: Option<Vec<u8>>,
    at: Time,
) -> Result<(), DatabaseError> {
    let stem = format!("{ADMIN}/info/{}", package.info_name());
    let mut list = package.files.join(&b'\n');
    list.push(b'\n');
    put(tree, &format!("{stem}.list"), list, 0o644, at)?;
    if let Some(sums) = sums {
        put(tree, &format!("{stem}.md5sums"), sums, 0o644, at)?;
    }
    for (name, member) in &package.members {
        put(tree, &format!("{stem}.{name}"), member.bytes.clone(), member.mode, member.mtime)?;
    }
    Ok(())
}

/// The file `diversions`: three lines for each.
fn lines_of(diversions: &[Diversion]) -> Vec<u8> {
    let mut lines = Vec::new();
    for Diversion { from, to, package } in diversions {
        let package = package.as_deref().unwrap_or(":");
        for line in [from.as_slice(), to, package.as_bytes()] {
            lines.extend_from_slice(line);
            lines.push(b'\n');
        }
    }
    lines
}

/// The packages that apt may take away once nothing needs them.
fn extended(packages: &[&UnpackedPackage], native: &str) -> String {
    let automatic = packages.iter().filter(|package| package.locked.reason == LockReason::Dependency);
    let mut states = String::new();
    for package in automatic {
        let locked = &package.locked;
        let arch = if locked.arch == "all" { native } else { &locked.arch };
        // Writing to a string cannot fail.
        let _ = write!(states, "Package: {}\nArchitecture: {arch}\nAuto-Installed: 1\n\n", locked.name);
    }
    states
}

/// Puts a file owned by root at a path, replacing an existing one.
fn put(tree: &mut Tree, path: &str, bytes: Vec<u8>, mode: u16, at: Time) -> Result<(), PathError> {
    let location = path::resolve_with_parents(tree, path.as_bytes(), Last::Keep, at)?;
    let kind = NodeKind::File(Content::Inline(Arc::from(bytes)));
    path::put(tree, &location, Node { meta: Meta::root_owned(mode, at), kind }).map(|_| ())
}

fn make_folder(tree: &mut Tree, path: &str, at: Time) -> Result<(), PathError> {
    let location = path::resolve_with_parents(tree, path.as_bytes(), Last::Follow, at)?;
    if location.node.is_none() {
        let node = Node { meta: Meta::root_owned(0o755, at), kind: NodeKind::dir() };
        path::put(tree, &location, node)?;
    }
    Ok(())
}
