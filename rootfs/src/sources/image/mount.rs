//! The file systems of a disk in one tree: the root, with the others mounted into it as its fstab says.

use amiforge_formats::path::{self, Last};
use amiforge_formats::tree::{Node, NodeKind, Tree};
use amiforge_formats::volume::format::ReadVolume;

use super::error::DiskSourceError;
use super::mounts;
use super::volumes::DiskVolumes;
use crate::insert::insert_subtree;
use crate::sources::warning::Warning;

/// The tree of a disk.
#[derive(Debug)]
pub(super) struct MountedDisk {
    /// Every file; contents refer to the partitions.
    pub(super) tree: Tree,
    /// What its fstab mounts and the disk lacks.
    pub(super) warnings: Vec<Warning>,
    /// The partitions that are in it, by index, each with its mount point.
    pub(super) mounts: Vec<(usize, String)>,
}

/// The tree of the root file system with the others of the disk mounted into it as its fstab says.
///
/// # Errors
/// When there is no root, or a file system that is needed cannot be read.
pub(super) fn mounted(
    volumes: &mut DiskVolumes<'_>,
    partition: Option<&str>,
) -> Result<MountedDisk, DiskSourceError> {
    let root = volumes.root(partition)?;
    let mut tree = volumes.take_tree(root)?;
    let fstab = path::read(&tree, &*volumes, b"/etc/fstab");
    let fstab = fstab.map_err(|source| DiskSourceError::Path { path: b"etc/fstab".to_vec(), source })?;
    let (mut warnings, mut used) = (Vec::new(), vec![root]);
    let mut mounted = vec![(root, "/".to_owned())];
    for mount in mounts::parse(&String::from_utf8_lossy(&fstab.unwrap_or_default())) {
        if mount.point.is_empty() {
            continue;
        }
        match device(volumes, &mount.device, &used) {
            Ok(Some(index)) => {
                used.push(index);
                let below = volumes.take_tree(index)?;
                graft(&mut tree, &below, &mount.point, &volumes.parts[index].title())?;
                mounted.push((index, mount.point));
            }
            Ok(None) | Err(_) if mount.optional => {}
            Err(error) => return Err(error),
            Ok(None) => warnings.push(Warning::NotMounted { device: mount.device, point: mount.point }),
        }
    }
    Ok(MountedDisk { tree, warnings, mounts: mounted })
}

/// The partition that a device of the fstab is, if it is one of this disk.
///
/// # Errors
/// When none is, and a file system cannot be read: it has neither UUID nor label then, and may be the one.
fn device(
    volumes: &mut DiskVolumes<'_>,
    name: &str,
    used: &[usize],
) -> Result<Option<usize>, DiskSourceError> {
    let free: Vec<_> = (0..volumes.parts.len()).filter(|index| !used.contains(index)).collect();
    if let Some(index) = free.iter().find(|index| mounts::is_device(name, &volumes.parts[**index], None)) {
        return Ok(Some(*index));
    }
    let mut damaged = None;
    for index in free {
        let holds_files =
            volumes.parts[index].content.kind().and_then(|kind| kind.format().files()).is_some();
        if !holds_files {
            continue;
        }
        let (id, label) = match volumes.volume(index) {
            Ok(volume) => (volume.id.clone(), volume.label.clone()),
            Err(error) => {
                damaged.get_or_insert(error);
                continue;
            }
        };
        let volume = ReadVolume { id, label, ..Default::default() };
        if mounts::is_device(name, &volumes.parts[index], Some(&volume)) {
            return Ok(Some(index));
        }
    }
    damaged.map_or(Ok(None), Err)
}

/// Mounts a tree at a path: what is there is hidden, and so left out.
fn graft(tree: &mut Tree, mounted: &Tree, point: &str, partition: &str) -> Result<(), DiskSourceError> {
    let failed = |source| DiskSourceError::Path { path: point.as_bytes().to_vec(), source };
    let time = mounted.node(mounted.root()).meta.mtime;
    let at = path::resolve_with_parents(tree, point.as_bytes(), Last::Follow, time).map_err(failed)?;
    let meta = mounted.node(mounted.root()).meta.clone();
    match at.node {
        Some(dir) if matches!(tree.node(dir).kind, NodeKind::Dir(_)) => {
            *tree.node_mut(dir) = Node { meta, kind: NodeKind::dir() };
        }
        _ => {
            path::put(tree, &at, Node { meta, kind: NodeKind::dir() }).map_err(failed)?;
        }
    }
    insert_subtree(mounted, mounted.root(), tree, &at.path, time).map_err(|source| DiskSourceError::Mount {
        partition: partition.to_owned(),
        at: point.to_owned(),
        source,
    })
}
