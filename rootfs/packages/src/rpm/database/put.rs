//! Files of databases put into a tree.

use std::sync::Arc;

use amiforge_formats::path::{self, Last, PathError};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Node, NodeKind, Tree};

use super::kind::RpmDatabaseKind;

/// Puts the database into its folder, in place of one that is there with its journals. Anybody may read it.
pub(super) fn database(tree: &mut Tree, folder: &str, bytes: Vec<u8>, at: Time) -> Result<(), PathError> {
    let file = RpmDatabaseKind::Sqlite.file();
    for beside in ["-wal", "-shm", "-journal"] {
        let path = format!("{folder}/{file}{beside}");
        if let Some(found) = path::resolve(tree, path.as_bytes(), Last::Keep)?
            && let Some(name) = found.name.as_ref().filter(|_| found.node.is_some())
        {
            tree.unlink(found.dir, name.as_bytes());
        }
    }
    put(tree, &format!("{folder}/{file}"), bytes, at)
}

/// Puts a file of root's that anybody may read at a path, in place of one that is there.
pub(super) fn put(tree: &mut Tree, path: &str, bytes: Vec<u8>, at: Time) -> Result<(), PathError> {
    let location = path::resolve_with_parents(tree, path.as_bytes(), Last::Keep, at)?;
    let kind = NodeKind::File(Content::Inline(Arc::from(bytes)));
    path::put(tree, &location, Node { meta: Meta::root_owned(0o644, at), kind }).map(|_| ())
}
