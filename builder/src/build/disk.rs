//! What the disk should be, of a recipe and the trees that go on its partitions.

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Tree};
use amiforge_image::disk::{DiskSpec, Loader, PartitionContent, PartitionSpec, VolumeSpec};
use amiforge_store::blobs::Blobs;

use super::BuildError;
use super::host_files::HostFiles;
use crate::recipe::{BootMode, Recipe, RecipeContent, RecipePartition};

/// The specification of the disk.
pub(super) fn spec(
    recipe: &Recipe,
    trees: Vec<Option<Tree>>,
    loader: Option<&Loader>,
    time: Time,
    blobs: &mut Blobs,
    host_files: &mut HostFiles<'_>,
) -> Result<DiskSpec, BuildError> {
    let mut partitions = Vec::new();
    for (partition, tree) in recipe.partitions.iter().zip(trees) {
        let tree = tree.unwrap_or_else(|| Tree::new(Meta::root_owned(0o755, time)));
        let content = match (&partition.holds, loader) {
            (RecipeContent::Loader, Some(loader)) => PartitionContent::Loader(loader.clone()),
            _ => content(partition, tree, blobs, host_files)?,
        };
        partitions.push(PartitionSpec {
            number: partition.number,
            id: partition.id.clone(),
            label: partition.label.clone(),
            type_guid: partition.type_guid,
            guid: partition.guid,
            attributes: partition.attributes,
            size: partition.size,
            content,
        });
    }
    Ok(DiskSpec { name: recipe.image.name.clone(), size: recipe.size, guid: recipe.guid, time, partitions })
}

fn content(
    partition: &RecipePartition,
    tree: Tree,
    blobs: &mut Blobs,
    host_files: &mut HostFiles<'_>,
) -> Result<PartitionContent, BuildError> {
    Ok(match &partition.holds {
        RecipeContent::Volume(options) => {
            PartitionContent::Volume(VolumeSpec { options: options.clone(), tree })
        }
        RecipeContent::Raw { path, name } => PartitionContent::Raw(host_files.open(path, name, blobs)?),
        RecipeContent::Nothing | RecipeContent::Loader => PartitionContent::Empty,
    })
}

/// How the image boots, as EC2 calls it: as the recipe says, else by the partitions that firmware looks for.
pub(super) fn boot_mode(recipe: &Recipe) -> Option<&'static str> {
    let has = |id| recipe.partitions.iter().any(|partition| partition.id == id);
    let mode = match &recipe.boot {
        Some(boot) => Some(boot.mode),
        None => BootMode::of_partitions(recipe.image.arch, has("esp"), has("bios-boot")),
    };
    mode.map(BootMode::ec2_name)
}
