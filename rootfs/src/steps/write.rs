//! Writes files that a step brings. Knows no step.

use amiforge_formats::path::{self, Last, PathError};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Node, NodeKind, Tree};

/// Puts a regular file of root at an absolute path, in place of any file or link of that name; the folders above it are
/// created. A symbolic link is replaced, not followed.
pub(super) fn replace_file(
    tree: &mut Tree,
    path: &str,
    content: Content,
    mode: u16,
    time: Time,
) -> Result<(), PathError> {
    let place = path::place_made(tree, path.as_bytes(), Last::Keep, time)?;
    path::put(tree, &place, Node { meta: Meta::root_owned(mode, time), kind: NodeKind::File(content) })?;
    Ok(())
}
