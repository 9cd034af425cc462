//! Which names belong to the present layer of an image. Membership belongs to a name and not to its node: a hard link in
//! this layer to a lower file makes the link a name of this layer and leaves the lower name what it was, so that a
//! whiteout, an opaque directory or a new version of the lower file still removes that (OCI image format
//! specification 1.1, *Image Layer Filesystem Changeset*; what overlayfs and the appliers of runtimes give).

use std::collections::{HashMap, HashSet};

use amiforge_formats::tree::{Name, NodeId};

/// Which names a path is resolved by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LayerView {
    /// Those of the tree.
    Present,
    /// Those that the present layer removed, and those of the tree.
    Lower,
    /// Those of the tree; directories that are missing are made.
    Made,
}

/// Names of the present layer, and the lower names that it removed.
#[derive(Debug, Default)]
pub(super) struct Membership {
    /// Counted from 1; 0 where there are no layers.
    layer: u32,
    given: HashMap<NodeId, HashSet<Name>>,
    removed: HashMap<NodeId, HashMap<Name, NodeId>>,
}

impl Membership {
    /// Begins the next layer: all that is there becomes lower.
    pub(super) fn next_layer(&mut self) {
        self.layer = self.layer.saturating_add(1);
        self.given.clear();
        self.removed.clear();
    }

    /// Whether there can be anything lower. The first layer, usually the largest by far, needs no bookkeeping.
    fn has_lower(&self) -> bool {
        self.layer > 1
    }

    /// Whether an existing name belongs to lower layers only.
    pub(super) fn is_lower(&self, dir: NodeId, name: &[u8]) -> bool {
        self.has_lower() && !self.given.get(&dir).is_some_and(|names| names.contains(name))
    }

    /// Adds a name to the present layer.
    pub(super) fn give(&mut self, dir: NodeId, name: &Name) {
        if self.has_lower() {
            self.given.entry(dir).or_default().insert(name.clone());
        }
    }

    /// Records that the present layer removes a lower name. What it named can still be the target of a hard link in this
    /// layer: appliers differ in whether they handle whiteouts first.
    pub(super) fn remove(&mut self, dir: NodeId, name: &Name, node: NodeId) {
        if self.has_lower() {
            self.removed.entry(dir).or_default().entry(name.clone()).or_insert(node);
        }
    }

    /// The node of a lower name that the present layer removed.
    pub(super) fn removed(&self, dir: NodeId, name: &[u8]) -> Option<NodeId> {
        self.removed.get(&dir)?.get(name).copied()
    }
}
