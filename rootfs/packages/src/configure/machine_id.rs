//! The id of a machine (machine-id(5)).

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, NodeKind, Tree};

/// Empties the machine's id, which some scripts draw from the clock: every machine makes its own.
pub(crate) fn forget(tree: &mut Tree, epoch: Time) {
    let Some(id) = tree.lookup(b"etc/machine-id") else { return };
    let node = tree.node_mut(id);
    if let NodeKind::File(content) = &mut node.kind
        && !content.is_empty()
    {
        *content = Content::empty();
        node.meta.mtime = epoch;
    }
}
