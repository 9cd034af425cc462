//! What a tree has of programs, files and users. Changes nothing.

use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{NodeKind, Tree};

use amiforge_formats::path::PathError;
use amiforge_formats::path::{self, Last};

/// Where programs are looked for, as the scripts do.
const PATH: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Whether a path leads to a regular file.
pub(in crate::steps) fn is_there(tree: &Tree, path: &str) -> Result<bool, PathError> {
    let found = match path::find(tree, path.as_bytes()) {
        // A file where a folder is needed: then the path leads nowhere.
        Err(PathError::NotADir { .. }) => None,
        other => other?,
    };
    Ok(found.is_some_and(|id| matches!(tree.node(id).kind, NodeKind::File(_))))
}

/// Whether anything has that name, a link that leads nowhere included.
pub(super) fn exists(tree: &Tree, path: &str) -> Result<bool, PathError> {
    Ok(path::place(tree, path.as_bytes(), Last::Keep)?.is_some_and(|place| place.node.is_some()))
}

/// Whether a program of that name is in the usual folders.
pub(in crate::steps) fn has_program(tree: &Tree, name: &str) -> Result<bool, PathError> {
    for folder in PATH {
        if is_there(tree, &format!("{folder}/{name}"))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether `/etc/passwd` names a user.
pub(super) fn names_user(tree: &Tree, sources: &dyn Sources, user: &str) -> Result<bool, PathError> {
    let passwd = path::read(tree, sources, b"/etc/passwd")?.unwrap_or_default();
    let mut lines = passwd.split(|&byte| byte == b'\n');
    Ok(!user.is_empty() && lines.any(|line| line.split(|&byte| byte == b':').next() == Some(user.as_bytes())))
}
