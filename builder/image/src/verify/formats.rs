//! The formats of an image against their specifications, by the readers and checkers of `formats`.

use amiforge_formats::finding::Severity;
use amiforge_formats::gpt;
use amiforge_formats::read_at::Window;
use amiforge_formats::tree::Tree;
use amiforge_formats::volume::format::FileMetadata;
use amiforge_formats::volume::{FsKind, VolumeContent};
use amiforge_progress::Progress;

use super::{BundleDifference, VerifyReport};
use crate::inspect::{DiskView, InspectError, Medium, PartitionSlot, ReadFileSystem, chain};
use crate::manifest::{Manifest, ManifestPartition};

/// A file system of the image with the tree that its reader saw.
pub(super) struct SeenFileSystem {
    /// Name of the partition in the recipe.
    pub(super) id: String,
    /// How differences name it.
    pub(super) location: String,
    /// How much of the metadata of files it stores.
    pub(super) metadata: FileMetadata,
    /// Its files; `None` when they cannot be read, which is a difference of its own.
    pub(super) tree: Option<Tree>,
}

/// How differences name a partition.
pub(super) fn title(partition: &ManifestPartition) -> String {
    format!("partition {} `{}`", partition.number, partition.id)
}

/// The range of a partition of the manifest, whatever the partition table of the image has; `None` when the disk is too
/// short, or no reader knows the file system.
pub(super) fn slot(medium: &Medium, partition: &ManifestPartition) -> Option<PartitionSlot> {
    Window::new(medium, partition.start, partition.len)?;
    let kind = FsKind::by_written_name(partition.file_system.as_deref()?)?;
    let content = VolumeContent::Known(kind);
    Some(PartitionSlot { partition: None, start: partition.start, len: partition.len, content })
}

/// The files of a slot as its reader sees them.
pub(super) fn tree(medium: &Medium, slot: &PartitionSlot) -> Result<Option<Tree>, InspectError> {
    Ok(ReadFileSystem::read(medium, slot)?.and_then(|volume| volume.tree))
}

/// Checks the partition table, and every file system that the manifest names; without a manifest the table alone.
pub(super) fn check(
    medium: &Medium,
    manifest: Option<&Manifest>,
    progress: &dyn Progress,
    report: &mut VerifyReport,
) -> Vec<SeenFileSystem> {
    progress.begin("checking the formats", None);
    check_table(medium, manifest, report);
    let seen = manifest.map_or_else(Vec::new, |manifest| {
        let partitions = manifest.partitions.iter().filter(|partition| partition.file_system.is_some());
        partitions.filter_map(|partition| check_partition(medium, partition, report)).collect()
    });
    progress.end();
    seen
}

fn check_table(medium: &Medium, manifest: Option<&Manifest>, report: &mut VerifyReport) {
    let location = "GPT".to_owned();
    match gpt::check::check(medium) {
        Err(error) => {
            report
                .differences
                .push(BundleDifference::Format { location: location.clone(), problem: chain(&error) });
        }
        Ok(findings) => {
            let damage = findings.iter().filter(|finding| finding.severity == Severity::Damage);
            let damage = damage.map(|finding| BundleDifference::Format {
                location: location.clone(),
                problem: finding.to_string(),
            });
            report.differences.extend(damage);
        }
    }
    report.checked.push(location);
    if let (Some(manifest), Ok(view)) = (manifest, DiskView::read(medium)) {
        compare_table(manifest, &view, report);
    }
}

/// Compares the partition table with that of the manifest.
fn compare_table(manifest: &Manifest, view: &DiskView, report: &mut VerifyReport) {
    let mut differ = |location: &str, key: &str, expected: String, found: String| {
        if expected != found {
            let (location, key) = (location.to_owned(), key.to_owned());
            report.differences.push(BundleDifference::Partition { location, key, expected, found });
        }
    };
    let guid = view.table.as_ref().map_or_else(|| "none".to_owned(), |table| table.guid.to_string());
    differ("the disk", "GUID", manifest.disk.to_string(), guid);
    let on_disk = view.slots.iter().filter(|slot| slot.partition.is_some()).count();
    differ("the disk", "partitions", manifest.partitions.len().to_string(), on_disk.to_string());
    for partition in &manifest.partitions {
        let location = title(partition);
        let number = Some(partition.number);
        let Some(slot) = view.slots.iter().find(|slot| slot.number() == number) else {
            differ(&location, "number", partition.number.to_string(), "no partition".to_owned());
            continue;
        };
        differ(&location, "first byte", partition.start.to_string(), slot.start.to_string());
        differ(&location, "length", partition.len.to_string(), slot.len.to_string());
        if let Some(entry) = &slot.partition {
            differ(&location, "type", partition.type_guid.to_string(), entry.type_guid.to_string());
            differ(&location, "GUID", partition.guid.to_string(), entry.guid.to_string());
            differ(&location, "name", partition.label.clone(), entry.name.clone());
        }
    }
}

fn check_partition(
    medium: &Medium,
    partition: &ManifestPartition,
    report: &mut VerifyReport,
) -> Option<SeenFileSystem> {
    let kind = partition.file_system.clone().unwrap_or_default();
    let location = format!("{kind} in {}", title(partition));
    let mut damaged = |problem: String| {
        report.differences.push(BundleDifference::Format { location: location.clone(), problem });
    };
    let Some(slot) = slot(medium, partition) else {
        damaged("it is not within the image, or no reader knows it".to_owned());
        return None;
    };
    let format = slot.content.kind()?.format();
    match format.check(&slot.window(medium)?) {
        Err(error) => damaged(chain(&*error)),
        Ok(problems) => problems.into_iter().for_each(&mut damaged),
    }
    let volume = ReadFileSystem::read(medium, &slot).map_err(|error| damaged(chain(&error))).ok().flatten();
    let found = volume.as_ref().and_then(|volume| volume.facts.uuid.as_ref());
    if let (Some(expected), Some(found)) = (&partition.uuid, found)
        && expected != found
    {
        damaged(format!("its id is {found}, and the manifest says {expected}"));
    }
    report.checked.push(location.clone());
    Some(SeenFileSystem {
        id: partition.id.clone(),
        location,
        metadata: format.files()?,
        tree: volume.and_then(|volume| volume.tree),
    })
}
