//! The steps that make the merged tree a system, in the order that gives a recipe its meaning.

use std::path::Path;

use amiforge_formats::gpt::types;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_formats::volume::{FsKind, VolumeIds, VolumeOptions};
use amiforge_rootfs::steps::files::{FileAction, FileSpec};
use amiforge_rootfs::steps::first_boot::{self, FirstBootAgent, FirstBootSpec, Hostname};
use amiforge_rootfs::steps::fstab::{self, Device, FstabSpec, MountSpec};
use amiforge_rootfs::steps::{accounts, files, system, units};
use amiforge_store::blobs::Blobs;

use super::host_files::HostFiles;
use crate::pipeline::BuildError;
use crate::pipeline::origins::{OriginRecorder, RecipeOrigins};
use crate::recipe::{FileEntry, FilePut, FirstBoot, Fstab, Recipe, RecipePartition};

/// Applies the settings of the recipe to the tree, in their order; gives warnings.
pub(super) fn apply(
    recipe: &Recipe,
    tree: &mut Tree,
    origins: &mut OriginRecorder,
    blobs: &mut Blobs,
    host_files: &mut HostFiles<'_>,
    time: Time,
) -> Result<Vec<String>, BuildError> {
    let from = RecipeOrigins(recipe);
    let entries = recipe.files.iter().map(|entry| file(entry, blobs, host_files));
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    let mut warnings = match &recipe.packages {
        Some(packages) => {
            let mut open = |path: &Path, name: &str, blobs: &mut Blobs| {
                host_files.open(path, name, blobs).map_err(Into::into)
            };
            packages.backend().write_upgrade_sources(tree, blobs, &mut open, time)?
        }
        None => Vec::new(),
    };
    origins.observe(tree, |_| from.table("apt-sources", "source"));
    accounts::apply(tree, blobs, &recipe.groups, &recipe.users, time)?;
    origins.observe(tree, |path| from.accounts(path));
    files::apply(tree, blobs, &entries, time)?;
    origins.observe(tree, |path| from.file(path));
    system::apply(tree, blobs, &recipe.system, time)?;
    origins.observe(tree, |_| from.table("system", "system"));
    warnings.extend(first_boot(recipe, tree, blobs, time)?);
    origins.observe(tree, |_| from.table("first-boot-units", "boot"));
    units::apply(tree, blobs, &recipe.units, time)?;
    origins.observe(tree, |_| from.table("units", "system"));
    if let Some(spec) = fstab_of(recipe) {
        fstab::apply(tree, blobs, &spec, time)?;
        origins.observe(tree, |_| from.table("fstab", "partition"));
    }
    Ok(warnings)
}

/// Installs the units of the first boot where the recipe requests them; gives warnings about what they will not be able to do.
fn first_boot(
    recipe: &Recipe,
    tree: &mut Tree,
    blobs: &Blobs,
    time: Time,
) -> Result<Vec<String>, BuildError> {
    let own = match recipe.boot.as_ref().map(|boot| boot.first_boot) {
        None | Some(FirstBoot::None) => false,
        Some(FirstBoot::Own) => true,
        Some(FirstBoot::Auto) => first_boot::detect_agent(tree)? == FirstBootAgent::OwnUnits,
    };
    if !own {
        return Ok(Vec::new());
    }
    let user = recipe.users.first().map_or("root", |user| user.name.as_str());
    let hostname = match recipe.system.hostname {
        Some(_) => Hostname::Image,
        None => Hostname::Metadata,
    };
    let root = recipe.partitions.iter().find(|partition| partition.id == "root");
    let read_only = root.and_then(|root| root.holds.volume()).is_some_and(is_read_only);
    let spec = FirstBootSpec { user: user.to_owned(), hostname, grow: !read_only, time };
    let installed = first_boot::install(tree, blobs, &spec)?;
    Ok(installed.missing.iter().map(ToString::to_string).collect())
}

fn file(
    entry: &FileEntry,
    blobs: &mut Blobs,
    host_files: &mut HostFiles<'_>,
) -> Result<FileSpec, BuildError> {
    let action = match &entry.put {
        FilePut::Bytes(bytes) => FileAction::Write(amiforge_formats::tree::Content::Inline(bytes.clone())),
        FilePut::HostFile { path, name } => FileAction::Write(host_files.open(path, name, blobs)?),
        FilePut::Symlink(target) => FileAction::Symlink(target.clone()),
        FilePut::Folder => FileAction::Folder,
        FilePut::Remove(missing) => FileAction::Remove(*missing),
    };
    Ok(FileSpec {
        path: entry.path.clone(),
        action,
        mode: entry.mode,
        user: entry.user.clone(),
        group: entry.group.clone(),
        xattrs: entry.xattrs.clone(),
    })
}

/// The lines of fstab; none if the recipe keeps the existing file.
fn fstab_of(recipe: &Recipe) -> Option<FstabSpec> {
    let existing = match recipe.fstab {
        Fstab::Keep => return None,
        Fstab::Write => fstab::ExistingFstab::Refuse,
        Fstab::Replace => fstab::ExistingFstab::Replace,
    };
    // A verified root is mounted in its initrd; its file system also has its id on the partition that nothing verifies.
    let verified = |partition: &&RecipePartition| {
        recipe.trust.profile.is_some() && partition.mount.as_deref() == Some("/")
    };
    let mounts = recipe.partitions.iter().filter(|partition| !verified(partition));
    let mounts = mounts.filter_map(|partition| mount(&recipe.image.name, partition)).collect();
    Some(FstabSpec { mounts, existing })
}

/// The line for a partition. File systems are named by their own UUIDs, which survive a copy to another disk.
fn mount(image: &str, partition: &RecipePartition) -> Option<MountSpec> {
    let options = partition.holds.volume()?;
    let kind = options.kind();
    let device = Device::Uuid(options.id(&VolumeIds::derive(image, &partition.id)));
    let fs_type = kind.format().mount_type();
    let mut spec = match (kind, partition.mount.as_deref()) {
        (FsKind::Swap, _) => MountSpec::swap(device),
        (FsKind::Fat, point) if partition.type_guid == types::ESP => MountSpec::esp(device, point?),
        (_, Some("/")) => MountSpec::root(device, fs_type),
        (_, point) => MountSpec::data(device, point?, fs_type),
    };
    if is_read_only(options) {
        // Nothing can go wrong in it that a check at boot could repair.
        spec.options = vec!["ro".to_owned()];
        spec.pass = 0;
    }
    if let Some(options) = &partition.mount_options {
        spec.options.clone_from(options);
    }
    Some(spec)
}

/// Whether nothing can be written to a volume on a machine.
fn is_read_only(options: &VolumeOptions) -> bool {
    options.kind().format().is_read_only()
}
