//! Creates and removes the links of enabled units below `/etc/systemd/system` or `/etc/systemd/user`. Does not read units.

use std::collections::BTreeSet;

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Name, Node, NodeId, NodeKind, Tree};

use super::error::UnitError;
use super::lookup::{UnitScope, absolute};
use super::name::UnitName;
use amiforge_formats::path::{self, Last};

/// Greatest depth below the folder of the administrator that is searched for links.
const DEPTH_MAX: usize = 16;

/// The existing entries that a link may replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Replaceable {
    /// A dangling link.
    BrokenLink,
    /// Any link.
    AnyLink,
}

/// A link to create.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UnitLink {
    /// Path below the folder of the administrator.
    pub(super) name: String,
    /// Its target.
    pub(super) target: String,
    /// The entries that it may replace.
    pub(super) replaces: Replaceable,
}

/// Creates a link; an existing one to the same file is kept.
pub(super) fn create(
    tree: &mut Tree,
    scope: UnitScope,
    link: &UnitLink,
    time: Time,
) -> Result<(), UnitError> {
    let path = format!("{}/{}", scope.config(), link.name);
    let resolved = path::resolve_with_parents(tree, path.as_bytes(), Last::Keep, time)?;
    match resolved.node.map(|id| &tree.node(id).kind) {
        None => {}
        Some(NodeKind::Symlink(existing)) => {
            let existing = existing.to_vec();
            if is_same_entry(tree, &absolute(&resolved.path, &existing), link.target.as_bytes())? {
                return Ok(());
            }
            if link.replaces == Replaceable::BrokenLink && path::find(tree, &resolved.path)?.is_some() {
                let existing = String::from_utf8_lossy(&existing).into_owned();
                return Err(UnitError::Taken { path, found: format!("a link to `{existing}`") });
            }
        }
        Some(other) => return Err(UnitError::Taken { path, found: format!("a {}", other.word()) }),
    }
    let kind = NodeKind::Symlink(link.target.as_bytes().into());
    path::put(tree, &resolved, Node { meta: Meta::root_owned(0o777, time), kind })?;
    Ok(())
}

/// Whether two paths name the same entry of the same folder, whichever links lead to the folder.
fn is_same_entry(tree: &Tree, a: &[u8], b: &[u8]) -> Result<bool, UnitError> {
    if a == b {
        return Ok(true);
    }
    let a = path::resolve(tree, a, Last::Keep)?;
    let b = path::resolve(tree, b, Last::Keep)?;
    Ok(matches!((a, b), (Some(a), Some(b)) if a.path == b.path))
}

/// Removes every link below the folder of the administrator that has one of the names, leads to a file of such a name, or is an
/// instance of such a template, and then the links to removed ones. Folders that become empty are removed too.
pub(super) fn remove(
    tree: &mut Tree,
    scope: UnitScope,
    mut names: BTreeSet<String>,
) -> Result<(), UnitError> {
    let config = scope.config().as_bytes();
    let Some(top) = path::find(tree, config)? else { return Ok(()) };
    loop {
        let before = names.len();
        let mut stack = vec![(top, config.to_vec(), 0)];
        let mut parents = BTreeSet::new();
        while let Some((dir, path, depth)) = stack.pop() {
            for (name, id) in tree.entries(dir).cloned().unwrap_or_default() {
                let entry = [&path[..], b"/", name.as_bytes()].concat();
                let is_dir = tree.entries(id).is_some();
                if is_dir && depth < DEPTH_MAX {
                    stack.push((id, entry, depth + 1));
                } else if remove_if_named(tree, dir, &name, &entry, &mut names)? {
                    parents.insert(path.clone());
                }
            }
        }
        parents.iter().try_for_each(|path| remove_if_empty(tree, config, path))?;
        if names.len() == before {
            return Ok(());
        }
    }
}

/// Removes a link if it refers to one of the names, and adds its own name to them; returns whether it did.
fn remove_if_named(
    tree: &mut Tree,
    dir: NodeId,
    name: &Name,
    path: &[u8],
    names: &mut BTreeSet<String>,
) -> Result<bool, UnitError> {
    let is_link =
        tree.child(dir, name.as_bytes()).is_some_and(|id| matches!(tree.node(id).kind, NodeKind::Symlink(_)));
    let unit = std::str::from_utf8(name.as_bytes()).ok().and_then(UnitName::new);
    let Some(unit) = unit.filter(|_| is_link) else { return Ok(false) };
    let end = match path::resolve(tree, path, Last::Follow) {
        Ok(Some(resolved)) => resolved.path,
        Ok(None) => Vec::new(),
        Err(path::PathError::Loop { .. } | path::PathError::NotADir { .. }) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let end = String::from_utf8_lossy(&end).into_owned();
    let matches = names.contains(super::lookup::basename(&end))
        || names.contains(unit.as_str())
        || unit.template().is_some_and(|template| names.contains(template.as_str()));
    if matches {
        tree.unlink(dir, name.as_bytes());
        names.insert(unit.as_str().to_owned());
    }
    Ok(matches)
}

/// Removes a folder if it is empty, and then its parents that become empty.
fn remove_if_empty(tree: &mut Tree, config: &[u8], path: &[u8]) -> Result<(), UnitError> {
    let mut path = path.to_vec();
    while path != config {
        let resolved = path::resolve(tree, &path, Last::Keep)?;
        let Some((dir, name)) =
            resolved.as_ref().and_then(|resolved| Some((resolved.dir, resolved.name.as_ref()?)))
        else {
            break;
        };
        let id = tree.child(dir, name.as_bytes());
        if !id.and_then(|id| tree.entries(id)).is_some_and(std::collections::BTreeMap::is_empty) {
            break;
        }
        tree.unlink(dir, name.as_bytes());
        path.truncate(path.iter().rposition(|&byte| byte == b'/').unwrap_or_default());
    }
    Ok(())
}
