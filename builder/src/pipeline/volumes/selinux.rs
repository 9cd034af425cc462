//! The labels of SELinux on what goes to each partition: last of all, so that whatever the build adds has one as well.

use std::collections::BTreeSet;

use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_formats::volume::FsKind;
use amiforge_formats::volume::format::FileMetadata;
use amiforge_rootfs::normalize::NormalizeRule;
use amiforge_rootfs::steps::StepError;
use amiforge_rootfs::steps::selinux::{
    FileLabels, SELINUX_XATTR, SelinuxError, add_lost_found, add_own_programs,
};
use amiforge_store::blobs::Blobs;

use crate::pipeline::BuildError;
use crate::recipe::{Recipe, RecipeContent, RecipePartition};

/// Prepares the policy of a system's `tree` for the programs that the build adds; comes behind the last of them.
///
/// # Errors
/// [`BuildError::Step`] when the policy cannot be read or written.
pub(in crate::pipeline) fn prepare(
    recipe: &Recipe,
    tree: &mut Tree,
    blobs: &Blobs,
    time: Time,
) -> Result<(), BuildError> {
    if recipe.rules.contains(&NormalizeRule::SelinuxLabels) {
        add_own_programs(tree, blobs, time).map_err(StepError::Selinux)?;
    }
    Ok(())
}

/// Labels the `trees` that a system's `tree` was divided into, if it uses SELinux and has a policy. File systems that hold
/// no attributes get their labels from the kernel.
///
/// # Errors
/// [`BuildError::Step`] when the policy cannot be read.
pub(in crate::pipeline) fn label(
    recipe: &Recipe,
    tree: &Tree,
    trees: &mut [Option<Tree>],
    blobs: &Blobs,
    time: Time,
) -> Result<(), BuildError> {
    if recipe.rules.contains(&NormalizeRule::SelinuxLabels) {
        label_trees(recipe, tree, trees, blobs, time).map_err(StepError::Selinux)?;
    }
    Ok(())
}

fn label_trees(
    recipe: &Recipe,
    tree: &Tree,
    trees: &mut [Option<Tree>],
    blobs: &Blobs,
    time: Time,
) -> Result<(), SelinuxError> {
    let Some(labels) = FileLabels::read(tree, blobs)? else { return Ok(()) };
    let attribute = String::from_utf8_lossy(SELINUX_XATTR);
    let with_label = recipe.files.iter().filter(|file| file.xattrs.contains_key(&*attribute));
    let kept: BTreeSet<&[u8]> = with_label.map(|file| file.path.as_bytes()).collect();
    for (partition, part) in recipe.partitions.iter().zip(trees) {
        let (Some(part), Some(mount)) = (part, mounted_at(partition)) else { continue };
        let Some(kind) = partition.holds.kind() else { continue };
        if kind.format().files() != Some(FileMetadata::Full) {
            continue;
        }
        let mut stay = kept.clone();
        let labelled;
        if matches!(partition.holds, RecipeContent::Kept(_)) {
            // What the image has labelled stays as it is, so that only what is new changes.
            labelled = labelled_paths(part, mount);
            stay.extend(labelled.iter().map(Vec::as_slice));
        } else if kind == FsKind::Ext4 {
            add_lost_found(part, time)?;
        }
        labels.apply(part, mount, &|path| stay.contains(path))?;
    }
    Ok(())
}

/// The paths of a partition that have a label, as the machine sees them.
fn labelled_paths(tree: &Tree, mount: &str) -> Vec<Vec<u8>> {
    let has_label = |id| tree.node(id).meta.xattrs.iter().any(|all| all.contains_key(SELINUX_XATTR));
    let labelled = tree.walk().filter(|entry| has_label(entry.id));
    labelled.map(|entry| [mount.trim_end_matches('/').as_bytes(), b"/", &entry.path].concat()).collect()
}

/// Where the machine sees a partition; a file system that is mounted without content of the tree has a root as well.
fn mounted_at(partition: &RecipePartition) -> Option<&str> {
    partition.tree.as_deref().or(partition.mount.as_deref()).filter(|mount| mount.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_labelled_for_where_the_machine_sees_it() {
        let partition = |tree: Option<&str>, mount: Option<&str>| {
            let mut partition = super::super::tests::partition("x", tree);
            partition.mount = mount.map(str::to_owned);
            mounted_at(&partition).map(str::to_owned)
        };
        assert_eq!(partition(Some("/srv"), None).as_deref(), Some("/srv"));
        assert_eq!(partition(None, Some("/data")).as_deref(), Some("/data"));
        assert_eq!(partition(None, Some("none")), None);
    }
}
