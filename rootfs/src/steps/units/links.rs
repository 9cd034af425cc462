//! The links that stand for an enabled unit: makes and removes them below `/etc/systemd/system`. Does not read units.

use std::collections::BTreeSet;

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Name, Node, NodeId, NodeKind, Tree};

use super::error::UnitError;
use super::lookup::{CONFIG, absolute};
use super::name::UnitName;
use amiforge_formats::path::{self, Last};

/// Deepest directory below `/etc/systemd/system` that is searched for links.
const DEPTH_MAX: usize = 16;

/// What may be replaced by a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Replaceable {
    /// A link that leads nowhere.
    Broken,
    /// Any link.
    Links,
}

/// A link to be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UnitLink {
    /// Path below `/etc/systemd/system`.
    pub(super) name: String,
    /// Where it leads.
    pub(super) target: String,
    /// What it may replace.
    pub(super) over: Replaceable,
}

/// Makes a link; one that leads to the same file already stays as it is.
pub(super) fn make(tree: &mut Tree, link: &UnitLink, time: Time) -> Result<(), UnitError> {
    let path = format!("{CONFIG}/{}", link.name);
    let place = path::place_made(tree, path.as_bytes(), Last::Keep, time)?;
    match place.node.map(|id| &tree.node(id).kind) {
        None => {}
        Some(NodeKind::Symlink(found)) => {
            let found = found.to_vec();
            if same_file(tree, &absolute(&place.path, &found), link.target.as_bytes())? {
                return Ok(());
            }
            if link.over == Replaceable::Broken && path::find(tree, &place.path)?.is_some() {
                let found = String::from_utf8_lossy(&found).into_owned();
                return Err(UnitError::Taken { path, found: format!("a link to `{found}`") });
            }
        }
        Some(other) => return Err(UnitError::Taken { path, found: format!("a {}", other.word()) }),
    }
    let kind = NodeKind::Symlink(link.target.as_bytes().into());
    path::put(tree, &place, Node { meta: Meta::root_owned(0o777, time), kind })?;
    Ok(())
}

/// Whether two paths name one entry of one directory, however the directory is spelt.
fn same_file(tree: &Tree, a: &[u8], b: &[u8]) -> Result<bool, UnitError> {
    if a == b {
        return Ok(true);
    }
    let a = path::place(tree, a, Last::Keep)?;
    let b = path::place(tree, b, Last::Keep)?;
    Ok(matches!((a, b), (Some(a), Some(b)) if a.path == b.path))
}

/// Removes every link below `/etc/systemd/system` that has one of the names, leads to a file of such a name, or is
/// an instance of such a template; and so on for links to what was removed. Directories left empty go too.
pub(super) fn remove(tree: &mut Tree, mut names: BTreeSet<String>) -> Result<(), UnitError> {
    let Some(config) = path::find(tree, CONFIG.as_bytes())? else { return Ok(()) };
    loop {
        let known = names.len();
        let mut stack = vec![(config, CONFIG.as_bytes().to_vec(), 0)];
        let mut left = BTreeSet::new();
        while let Some((dir, path, depth)) = stack.pop() {
            for (name, id) in tree.entries(dir).cloned().unwrap_or_default() {
                let entry = [&path[..], b"/", name.as_bytes()].concat();
                let is_dir = tree.entries(id).is_some();
                if is_dir && depth < DEPTH_MAX {
                    stack.push((id, entry, depth + 1));
                } else if remove_if_marked(tree, dir, &name, &entry, &mut names)? {
                    left.insert(path.clone());
                }
            }
        }
        left.iter().try_for_each(|path| remove_if_empty(tree, path))?;
        if names.len() == known {
            return Ok(());
        }
    }
}

/// Removes a link if it stands for one of the names, and adds its own name to them.
fn remove_if_marked(
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
    let end = match path::place(tree, path, Last::Follow) {
        Ok(Some(place)) => place.path,
        Ok(None) => Vec::new(),
        Err(path::PathError::Loop { .. } | path::PathError::NotADir { .. }) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let end = String::from_utf8_lossy(&end).into_owned();
    let marked = names.contains(super::lookup::basename(&end))
        || names.contains(unit.as_str())
        || unit.template().is_some_and(|template| names.contains(template.as_str()));
    if marked {
        tree.unlink(dir, name.as_bytes());
        names.insert(unit.as_str().to_owned());
    }
    Ok(marked)
}

/// Removes a directory that its last link has left, and those above it that this leaves empty.
fn remove_if_empty(tree: &mut Tree, path: &[u8]) -> Result<(), UnitError> {
    let mut path = path.to_vec();
    while path != CONFIG.as_bytes() {
        let place = path::place(tree, &path, Last::Keep)?;
        let Some((dir, name)) = place.as_ref().and_then(|place| Some((place.dir, place.name.as_ref()?)))
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
