//! Where a tree keeps rpm's database.

use amiforge_formats::path::{self, Last, TreePath};
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{NodeKind, Tree};
use amiforge_rootfs::package_databases::RPM_FOLDERS;

use super::error::RpmDatabaseError;
use super::kind::RpmDatabaseKind;
use super::macros::RpmMacros;

/// The folder that the tree's rpm looks into: `%_dbpath` of its macros. Where that is not set, or not without running a
/// program, the folder that the tree has.
///
/// # Errors
/// Macros that cannot be read; an rpm that does not use SQLite.
pub(super) fn folder(tree: &Tree, sources: &dyn Sources) -> Result<String, RpmDatabaseError> {
    let macros = RpmMacros::of_tree(tree, sources)?;
    let backend = macros.value("_db_backend");
    let kind = backend.as_deref().and_then(RpmDatabaseKind::of_backend);
    if let Some(kind) = kind.filter(|kind| *kind != RpmDatabaseKind::Sqlite) {
        return Err(RpmDatabaseError::WritesNo(kind));
    }
    if let Some(folder) = stated(&macros) {
        return Ok(folder);
    }
    let [sysimage, upstream, _] = RPM_FOLDERS;
    let is_there = path::find(tree, sysimage.as_bytes())?.is_some();
    Ok(format!("/{}", if is_there { sysimage } else { upstream }))
}

fn stated(macros: &RpmMacros) -> Option<String> {
    macros.value("_dbpath").filter(|folder| folder.starts_with('/') && folder.len() > 1)
}

/// The database of a tree; none where it has none.
///
/// # Errors
/// Macros or paths that cannot be read.
pub(super) fn find(
    tree: &Tree,
    sources: &dyn Sources,
) -> Result<Option<(RpmDatabaseKind, TreePath)>, RpmDatabaseError> {
    let stated = stated(&RpmMacros::of_tree(tree, sources)?);
    let folders: Vec<String> =
        stated.into_iter().chain(RPM_FOLDERS.map(|folder| format!("/{folder}"))).collect();
    for kind in RpmDatabaseKind::ALL {
        for folder in &folders {
            let path = format!("{folder}/{}", kind.file());
            let Some(at) = path::resolve(tree, path.as_bytes(), Last::Follow)? else { continue };
            if at.node.is_some_and(|id| matches!(tree.node(id).kind, NodeKind::File(_))) {
                return Ok(Some((kind, at)));
            }
        }
    }
    Ok(None)
}
