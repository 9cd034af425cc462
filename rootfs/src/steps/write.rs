//! Writes the files that a step installs. Knows no step.

use amiforge_formats::path::{self, Last, PathError};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Node, NodeKind, Tree};

/// Writes a regular file owned by root to an absolute path and creates its parents. Replaces an existing file or symbolic
/// link.
pub(super) fn replace_file(
    tree: &mut Tree,
    path: &str,
    content: Content,
    mode: u16,
    time: Time,
) -> Result<(), PathError> {
    let resolved = path::resolve_with_parents(tree, path.as_bytes(), Last::Keep, time)?;
    path::put(tree, &resolved, Node { meta: Meta::root_owned(mode, time), kind: NodeKind::File(content) })?;
    Ok(())
}
