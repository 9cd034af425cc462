//! Tests what a tree contains: programs, files and users. Changes nothing.

use amiforge_formats::path::{self, Last, PathError};
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{NodeKind, Tree};

/// Folders in which programs are looked up, as the installed scripts do.
const PATH: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Whether a path leads to an entry of any kind, links followed; `false` too where the path cannot be resolved.
pub fn exists(tree: &Tree, path: &str) -> bool {
    path::find(tree, path.as_bytes()).ok().flatten().is_some()
}

/// Whether a path leads to a regular file, links followed.
pub(super) fn is_file(tree: &Tree, path: &str) -> Result<bool, PathError> {
    let id = match path::find(tree, path.as_bytes()) {
        // A file where a folder is needed: then the path leads nowhere.
        Err(PathError::NotADir { .. }) => None,
        other => other?,
    };
    Ok(id.is_some_and(|id| matches!(tree.node(id).kind, NodeKind::File(_))))
}

/// Whether a directory has an entry of that name; a symbolic link counts even if its target does not exist.
pub(super) fn has_entry(tree: &Tree, path: &str) -> Result<bool, PathError> {
    Ok(path::resolve(tree, path.as_bytes(), Last::Keep)?.is_some_and(|resolved| resolved.node.is_some()))
}

/// Whether one of the usual folders of programs has a program of that name.
pub(super) fn has_program(tree: &Tree, name: &str) -> Result<bool, PathError> {
    for folder in PATH {
        if is_file(tree, &format!("{folder}/{name}"))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether `/etc/passwd` has an entry of that name.
pub(super) fn has_user(tree: &Tree, sources: &dyn Sources, user: &str) -> Result<bool, PathError> {
    let passwd = path::read(tree, sources, b"/etc/passwd")?.unwrap_or_default();
    let mut lines = passwd.split(|&byte| byte == b'\n');
    Ok(!user.is_empty() && lines.any(|line| line.split(|&byte| byte == b':').next() == Some(user.as_bytes())))
}
