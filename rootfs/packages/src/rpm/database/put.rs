//! Files of databases put into a tree.

use std::sync::Arc;

use amiforge_formats::path::{self, Last, PathError};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Node, NodeKind, Tree};

use super::kind::RpmDatabaseKind;

/// Puts the database into its folder, in place of one that is there. Anybody may read it.
pub(super) fn database(tree: &mut Tree, folder: &str, bytes: Vec<u8>, at: Time) -> Result<(), PathError> {
    replace(tree, format!("{folder}/{}", RpmDatabaseKind::Sqlite.file()).as_bytes(), bytes, at)
}

/// Puts a database to a path, in place of one that is there with its journals.
pub(super) fn replace(tree: &mut Tree, path: &[u8], bytes: Vec<u8>, at: Time) -> Result<(), PathError> {
    for beside in [b"-wal".as_slice(), b"-shm", b"-journal"] {
        let beside = [path, beside].concat();
        if let Some(found) = path::resolve(tree, &beside, Last::Keep)?
            && let Some(name) = found.name.as_ref().filter(|_| found.node.is_some())
        {
            tree.unlink(found.dir, name.as_bytes());
        }
    }
    put(tree, path, bytes, at)
}

/// Puts a file of root's that anybody may read at a path, in place of one that is there.
pub(super) fn put(tree: &mut Tree, path: &[u8], bytes: Vec<u8>, at: Time) -> Result<(), PathError> {
    let location = path::resolve_with_parents(tree, path, Last::Keep, at)?;
    let kind = NodeKind::File(Content::Inline(Arc::from(bytes)));
    path::put(tree, &location, Node { meta: Meta::root_owned(0o644, at), kind }).map(|_| ())
}
