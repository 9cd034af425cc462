//! A disk that is kept: the bytes of an image that exists, in which only the file systems are amended that the recipe changes.
//!
//! Owns the way from a system tree to a disk in that case, in the place of the volumes, the sealing and the layout of a new
//! one. Whatever no file system of it changes (partition table, boot loader, other partitions) is ranges of the image.

mod amend;
mod boot;
mod difference;
mod erase;
mod error;
mod fat;
mod partitions;
mod trees;

use std::fmt::Write as _;

use amiforge_formats::dump;
use amiforge_formats::plan::{Claims, Data, Plan};
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_image::disk::{Disk, PartitionLayout};
use amiforge_image::origins::{Origins, PathOrigin};
use amiforge_rootfs::sources::image::{KeptDisk, KeptPart};
use amiforge_store::blobs::Blobs;

pub use error::KeptError;

use super::BuildError;
use super::system::SystemTree;
use super::volumes::{self, selinux};
use crate::recipe::Recipe;

/// A kept disk with what a bundle says of it.
pub(super) struct KeptImage {
    /// The disk.
    pub(super) disk: Disk,
    /// The files of its partitions.
    pub(super) listing: String,
    /// Where they come from.
    pub(super) origins: Origins,
    /// How it boots, as EC2 names it.
    pub(super) boot_mode: Option<&'static str>,
    /// What it will not be able to do.
    pub(super) warnings: Vec<String>,
}

/// Amends a kept disk so that its partitions hold the system tree.
///
/// # Errors
/// [`BuildError::Kept`] when something has changed that cannot be amended, [`BuildError::Split`].
pub(super) fn amended(
    recipe: &Recipe,
    system: &mut SystemTree<'_>,
    disk: &KeptDisk,
    blobs: &Blobs,
) -> Result<KeptImage, BuildError> {
    let made = system.time.made;
    boot::check(recipe, disk)?;
    let recipe = &Recipe { partitions: partitions::of(disk), ..recipe.clone() };
    let stale_kernel = boot::start_newest_kernel(&mut system.tree, disk, blobs, made)?;
    system.origins.observe(&system.tree, |_| PathOrigin::new("boot-menu"));
    selinux::prepare(recipe, &mut system.tree, blobs, made)?;
    let mut trees = volumes::split(system.tree.clone(), &recipe.partitions, made)?;
    trees::restore(disk, &recipe.partitions, &mut trees)?;
    selinux::label(recipe, &system.tree, &mut trees, blobs, made)?;
    let parts = disk.parts.iter().zip(&recipe.partitions).zip(trees);
    let parts =
        parts.map(|((part, partition), tree)| part_of(disk, part, (&partition.id, tree), blobs, made));
    let parts = parts.collect::<Result<Vec<_>, KeptError>>()?;
    let (boot_mode, mut warnings) = boot::mode(recipe, disk, &parts);
    warnings.extend(stale_kernel);
    let mut laid_out = laid_out(disk, &parts)?;
    if recipe.erase_free_space {
        (laid_out.plan, _) = erase::without_remains(&laid_out.plan, disk, blobs)?;
    }
    Ok(KeptImage {
        listing: listing(recipe, &parts),
        origins: std::mem::take(&mut system.origins).finish_kept(recipe, &system.tree, &parts),
        disk: laid_out,
        boot_mode,
        warnings,
    })
}

/// A partition of a kept disk with the files that it gets.
pub(super) struct AmendedPart<'a> {
    /// The partition as it was.
    pub(super) part: &'a KeptPart,
    /// Its name.
    pub(super) id: String,
    /// Its files, if it has some that are read.
    pub(super) tree: Option<Tree>,
    /// Its bytes; none where nothing of them changes.
    plan: Option<Plan>,
}

impl AmendedPart<'_> {
    /// The name of its file system in manifests and listings; none where it holds none that is read.
    pub(super) fn file_system(&self) -> Option<&'static str> {
        let format = self.part.content.kind()?.format();
        (format.files().is_none() || self.tree.is_some()).then(|| format.written_name())
    }
}

fn part_of<'a>(
    disk: &KeptDisk,
    part: &'a KeptPart,
    (id, tree): (&str, Option<Tree>),
    blobs: &Blobs,
    time: Time,
) -> Result<AmendedPart<'a>, KeptError> {
    // What the image does not mount, no recipe reaches.
    let tree = tree.filter(|_| part.mount.is_some());
    let (tree, plan) = match (tree, &part.tree) {
        (Some(tree), Some(_)) => amend::amended(disk, part, tree, blobs, time)?,
        (_, own) => (own.clone(), None),
    };
    Ok(AmendedPart { part, id: id.to_owned(), tree, plan })
}

/// `tree.txt`: as that of a new disk.
fn listing(recipe: &Recipe, parts: &[AmendedPart<'_>]) -> String {
    let mut text = String::new();
    for (part, partition) in parts.iter().zip(&recipe.partitions) {
        let (Some(name), Some(tree)) = (part.file_system(), &part.tree) else { continue };
        let mount = partition.mount.as_deref().filter(|mount| !mount.contains(|c: char| c.is_whitespace()));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# {} {name} {}", part.id, mount.unwrap_or("-"));
        text.push_str(&dump::to_string(tree));
    }
    text
}

/// The plan of the whole disk.
fn laid_out(disk: &KeptDisk, parts: &[AmendedPart<'_>]) -> Result<Disk, KeptError> {
    let mut claims = Claims::new(disk.size);
    let mut kept = 0;
    for amended in parts {
        let Some(plan) = &amended.plan else { continue };
        let start = amended.part.start;
        disk.claim((kept, start.saturating_sub(kept)), kept, &mut claims);
        claims.plan(start, plan.clone());
        kept = start + plan.len();
    }
    disk.claim((kept, disk.size.saturating_sub(kept)), kept, &mut claims);
    let plan = claims.finish(&Data::Free).map_err(KeptError::Plan)?;
    let partitions = parts.iter().map(layout).collect();
    Ok(Disk { plan, guid: disk.guid, partitions, verity: Vec::new() })
}

fn layout(amended: &AmendedPart<'_>) -> PartitionLayout {
    let KeptPart { entry, start, len, id, .. } = amended.part;
    PartitionLayout {
        id: amended.id.clone(),
        number: entry.number,
        start: *start,
        len: *len,
        type_guid: entry.type_guid,
        guid: entry.guid,
        label: entry.name.clone(),
        attributes: entry.attributes,
        file_system: amended.file_system(),
        uuid: id.clone(),
    }
}
