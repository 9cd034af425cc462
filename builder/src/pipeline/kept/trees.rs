//! What the files of each partition lack: a tree of the whole system has no room for what a mount hides, and no recipe is
//! about `lost+found`.

use amiforge_formats::tree::{Name, Node, NodeId, NodeKind, Tree, TreeError};
use amiforge_formats::volume::FsKind;
use amiforge_rootfs::sources::image::KeptDisk;

use super::KeptError;
use crate::recipe::RecipePartition;

/// Where e2fsck puts what it finds.
const LOST_FOUND: &[u8] = b"lost+found";

/// Puts back what the mounts of a disk hide in the `trees` of its partitions, and `lost+found`.
///
/// # Errors
/// [`KeptError::Hidden`].
pub(super) fn restore(
    disk: &KeptDisk,
    partitions: &[RecipePartition],
    trees: &mut [Option<Tree>],
) -> Result<(), KeptError> {
    for (index, (part, tree)) in disk.parts.iter().zip(trees.iter_mut()).enumerate() {
        let (Some(own), Some(tree), Some(mount)) = (&part.tree, tree, &part.mount) else { continue };
        for point in partitions.iter().enumerate().filter(|(other, _)| *other != index) {
            let Some(below) = point.1.mount.as_deref().and_then(|point| below(point, mount)) else {
                continue;
            };
            hidden(own, tree, below)
                .map_err(|source| KeptError::Hidden { point: format!("{mount}/{below}"), source })?;
        }
        if part.content.kind() == Some(FsKind::Ext4) && tree.child(tree.root(), LOST_FOUND).is_none() {
            let put = lost_found(own, tree);
            put.map_err(|source| KeptError::Hidden { point: "lost+found".to_owned(), source })?;
        }
    }
    Ok(())
}

/// The path of a mount point below another one.
fn below<'a>(point: &'a str, mount: &str) -> Option<&'a str> {
    let rest = point.strip_prefix(mount.trim_end_matches('/'))?;
    rest.strip_prefix('/').filter(|rest| !rest.is_empty())
}

/// Gives a mount point the attributes and the entries that it has when nothing is mounted.
fn hidden(own: &Tree, tree: &mut Tree, path: &str) -> Result<(), TreeError> {
    let (Some(from), Some(to)) = (own.lookup(path.as_bytes()), tree.lookup(path.as_bytes())) else {
        return Ok(());
    };
    if own.entries(from).is_none() || tree.entries(to).is_none() {
        return Ok(());
    }
    tree.node_mut(to).meta = own.node(from).meta.clone();
    copy(own, from, tree, to)
}

/// Puts back the folder of e2fsck.
fn lost_found(own: &Tree, tree: &mut Tree) -> Result<(), TreeError> {
    let Some(from) = own.child(own.root(), LOST_FOUND).filter(|id| own.entries(*id).is_some()) else {
        return Ok(());
    };
    let node = Node { meta: own.node(from).meta.clone(), kind: NodeKind::dir() };
    let to = tree.add(tree.root(), Name::new(LOST_FOUND)?, node)?;
    copy(own, from, tree, to)
}

/// Copies the entries of a folder that another lacks, with all below them.
fn copy(own: &Tree, from: NodeId, tree: &mut Tree, to: NodeId) -> Result<(), TreeError> {
    let mut stack = vec![(from, to)];
    while let Some((from, to)) = stack.pop() {
        for (name, id) in own.entries(from).into_iter().flatten() {
            if tree.child(to, name.as_bytes()).is_some() {
                continue;
            }
            let node = own.node(*id);
            let folder = matches!(node.kind, NodeKind::Dir(_));
            let kind = if folder { NodeKind::dir() } else { node.kind.clone() };
            let new = tree.add(to, name.clone(), Node { meta: node.meta.clone(), kind })?;
            if folder {
                stack.push((*id, new));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_below_a_mount_is_hidden_by_another() {
        assert_eq!(below("/boot/efi", "/"), Some("boot/efi"));
        assert_eq!(below("/boot/efi", "/boot"), Some("efi"));
        assert_eq!(below("/boot", "/boot"), None);
        assert_eq!(below("/bootx", "/boot"), None);
        assert_eq!(below("/", "/boot"), None);
    }
}
