//! From a recipe and the trees of its partitions to the specification of the disk; and the content of the partitions that
//! are sealed, first as a draft of the same length, then as it will be.

use std::collections::BTreeMap;

use amiforge_formats::time::Time;
use amiforge_formats::tree::{ChangeGroups, Meta, Tree};
use amiforge_image::disk::{DiskSpec, PartitionContent, PartitionSpec, VolumeSpec};
use amiforge_image::seal::{EspFile, Sealed};
use amiforge_rootfs::steps::files::{self, FileAction, FileSpec};
use amiforge_store::blobs::Blobs;

use crate::pipeline::BuildError;
use crate::pipeline::boot::Boot;
use crate::pipeline::system::host_files::HostFiles;
use crate::recipe::{BootMode, Recipe, RecipeContent, RecipePartition};

/// Where the EFI system partition is mounted if the recipe does not say it.
const ESP_MOUNT: &str = "/boot/efi";

/// The partitions whose content follows from the plans of the others.
pub(in crate::pipeline) struct SealedPartitions {
    time: Time,
    /// The EFI system partition by its index, with the files that the system has there itself.
    esp: Option<(usize, Tree)>,
    /// The partitions of the loader for a legacy BIOS.
    bios: Vec<usize>,
}

impl SealedPartitions {
    /// Those of a recipe; none where nothing is made to boot.
    pub(in crate::pipeline) fn of(
        recipe: &Recipe,
        boot: Option<&Boot>,
        trees: &[Option<Tree>],
        time: Time,
    ) -> Self {
        let boot = boot.map(|boot| &boot.spec);
        let is_esp = |partition: &RecipePartition| partition.id == "esp";
        let esp = recipe
            .partitions
            .iter()
            .position(is_esp)
            .filter(|_| boot.is_some_and(|boot| boot.uefi.is_some()));
        let tree = |index: usize| trees[index].clone().unwrap_or_else(|| empty(time));
        let loaders = recipe.partitions.iter().enumerate().filter(|(_, partition)| {
            matches!(partition.holds, RecipeContent::Loader) && boot.is_some_and(|boot| boot.bios)
        });
        Self {
            time,
            esp: esp.map(|index| (index, tree(index))),
            bios: loaders.map(|(index, _)| index).collect(),
        }
    }

    /// Their indices in the recipe.
    pub(in crate::pipeline) fn indices(&self) -> Vec<usize> {
        self.esp.iter().map(|(index, _)| *index).chain(self.bios.iter().copied()).collect()
    }

    /// What the partitions hold, each by its index in the recipe.
    ///
    /// # Errors
    /// [`BuildError::Step`] when a file of the system is in the way on the EFI system partition.
    pub(in crate::pipeline) fn contents(
        &self,
        recipe: &Recipe,
        sealed: &Sealed,
        blobs: &Blobs,
    ) -> Result<Vec<(usize, PartitionContent)>, BuildError> {
        let mut contents = Vec::new();
        if let Some((index, tree)) = &self.esp {
            let mut tree = tree.clone();
            put(&mut tree, "", &sealed.esp, blobs, self.time)?;
            let content = volume(&recipe.partitions[*index], tree, ChangeGroups::default());
            contents.extend(content.map(|content| (*index, content)));
        }
        for index in &self.bios {
            contents.extend(sealed.bios.clone().map(|loader| (*index, PartitionContent::Loader(loader))));
        }
        Ok(contents)
    }
}

/// Puts what was sealed into the tree of the whole system, as the machine sees it.
///
/// # Errors
/// [`BuildError::Step`].
pub(in crate::pipeline) fn mount_sealed(
    recipe: &Recipe,
    tree: &mut Tree,
    sealed: &Sealed,
    blobs: &Blobs,
    time: Time,
) -> Result<(), BuildError> {
    let esp = recipe.partitions.iter().find(|partition| partition.id == "esp");
    let mount = esp.and_then(|esp| esp.tree.as_deref()).unwrap_or(ESP_MOUNT).trim_end_matches('/');
    put(tree, mount, &sealed.esp, blobs, time)
}

/// Puts files below a folder of a tree.
fn put(tree: &mut Tree, folder: &str, esp: &[EspFile], blobs: &Blobs, time: Time) -> Result<(), BuildError> {
    let spec = |file: &EspFile| FileSpec {
        path: format!("{folder}/{}", file.path),
        action: FileAction::Write(file.content.clone()),
        mode: None,
        user: None,
        group: None,
        xattrs: BTreeMap::new(),
    };
    let specs: Vec<_> = esp.iter().map(spec).collect();
    Ok(files::apply(tree, blobs, &specs, time)?)
}

/// The specification of the disk, of the tree of each partition and the groups in it. Partitions that are `sealed` have the
/// content given there.
///
/// # Errors
/// [`BuildError::HostFile`] for the bytes of a raw partition.
pub(in crate::pipeline) fn spec(
    recipe: &Recipe,
    (trees, groups): (Vec<Option<Tree>>, Vec<ChangeGroups>),
    sealed: &[(usize, PartitionContent)],
    time: Time,
    blobs: &mut Blobs,
    host_files: &mut HostFiles<'_>,
) -> Result<DiskSpec, BuildError> {
    let mut partitions = Vec::new();
    let parts = recipe.partitions.iter().zip(trees.into_iter().zip(groups));
    for (index, (partition, (tree, groups))) in parts.enumerate() {
        let content = if let Some((_, content)) = sealed.iter().find(|(at, _)| *at == index) {
            content.clone()
        } else if let RecipeContent::Raw { path, name } = &partition.holds {
            PartitionContent::Raw(host_files.open(path, name, blobs)?)
        } else if let RecipeContent::HashTree { of } = &partition.holds {
            PartitionContent::HashTree { of: of.clone() }
        } else {
            let tree = tree.unwrap_or_else(|| empty(time));
            volume(partition, tree, groups).unwrap_or(PartitionContent::Empty)
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

/// The file system of a partition, or its swap space; none for one that holds neither.
fn volume(partition: &RecipePartition, tree: Tree, groups: ChangeGroups) -> Option<PartitionContent> {
    let options = partition.holds.volume()?.clone();
    Some(PartitionContent::Volume(VolumeSpec { options, tree, groups }))
}

/// A tree without files.
fn empty(time: Time) -> Tree {
    Tree::new(Meta::root_owned(0o755, time))
}

/// How the image boots, as EC2 names it: as the recipe says, else by the partitions that firmware looks for.
pub(in crate::pipeline) fn boot_mode(recipe: &Recipe) -> Option<&'static str> {
    let has = |id| recipe.partitions.iter().any(|partition| partition.id == id);
    let mode = match &recipe.boot {
        Some(boot) => Some(boot.mode),
        None => BootMode::of_partitions(recipe.image.arch, has("esp"), has("bios-boot")),
    };
    mode.map(BootMode::ec2_name)
}
