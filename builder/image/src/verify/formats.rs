//! The formats of an image against their specifications, by the readers and checkers of `formats`.

use amiforge_formats::ext4;
use amiforge_formats::fat;
use amiforge_formats::finding::Severity;
use amiforge_formats::gpt;
use amiforge_formats::read_at::{ReadAt, Window};
use amiforge_formats::tree::Tree;
use amiforge_progress::Progress;

use super::{BundleDifference, VerifyReport};
use crate::inspect::{DiskView, FsKind, InspectError, Medium, PartitionSlot, ReadFileSystem, chain};
use crate::manifest::{Manifest, ManifestPartition};

/// A file system of the image with the tree that its reader saw.
pub(super) struct SeenFileSystem {
    /// Name of the partition in the recipe.
    pub(super) id: String,
    /// How differences name it.
    pub(super) place: String,
    /// Whether it keeps owners, modes and exact times.
    pub(super) keeps: Keeps,
    /// Its files; nothing when they cannot be read, which the report says.
    pub(super) tree: Option<Tree>,
}

/// How much of a node's metadata a file system keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeps {
    /// All of it.
    Everything,
    /// Only names, kinds and sizes exactly.
    Names,
}

/// How differences name a partition.
pub(super) fn title(partition: &ManifestPartition) -> String {
    format!("partition {} `{}`", partition.number, partition.id)
}

/// The slot of a partition on the disk, whatever its partition table says; nothing when the disk is too short.
pub(super) fn slot(medium: &Medium, partition: &ManifestPartition) -> Option<PartitionSlot> {
    Window::new(medium, partition.start, partition.len)?;
    let holds = match partition.file_system.as_deref() {
        Some("ext4") => FsKind::Ext4,
        Some("fat32") => FsKind::Fat,
        Some("swap") => FsKind::Swap,
        _ => return None,
    };
    Some(PartitionSlot { partition: None, start: partition.start, len: partition.len, holds })
}

/// The files of a slot as its reader sees them.
pub(super) fn tree(medium: &Medium, slot: &PartitionSlot) -> Result<Option<Tree>, InspectError> {
    Ok(ReadFileSystem::read(medium, slot)?.and_then(|volume| volume.tree))
}

/// Checks the partition table and every file system. Without a manifest, what the partition table says is checked.
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
    let place = "GPT".to_owned();
    match gpt::check::check(medium) {
        Err(error) => {
            report.differences.push(BundleDifference::Format { place: place.clone(), fault: chain(&error) });
        }
        Ok(findings) => {
            let damage = findings.iter().filter(|finding| finding.severity == Severity::Damage);
            let damage = damage
                .map(|finding| BundleDifference::Format { place: place.clone(), fault: finding.to_string() });
            report.differences.extend(damage);
        }
    }
    report.checked.push(place);
    if let (Some(manifest), Ok(view)) = (manifest, DiskView::read(medium)) {
        compare_table(manifest, &view, report);
    }
}

/// Compares the partition table with what the manifest says of it.
fn compare_table(manifest: &Manifest, view: &DiskView, report: &mut VerifyReport) {
    let mut differ = |place: &str, key: &str, expected: String, found: String| {
        if expected != found {
            let (place, key) = (place.to_owned(), key.to_owned());
            report.differences.push(BundleDifference::Partition { place, key, expected, found });
        }
    };
    let guid = view.table.as_ref().map_or_else(|| "none".to_owned(), |table| table.guid.to_string());
    differ("the disk", "GUID", manifest.disk.to_string(), guid);
    let on_disk = view.slots.iter().filter(|slot| slot.partition.is_some()).count();
    differ("the disk", "partitions", manifest.partitions.len().to_string(), on_disk.to_string());
    for partition in &manifest.partitions {
        let place = title(partition);
        let number = Some(partition.number);
        let Some(slot) = view.slots.iter().find(|slot| slot.number() == number) else { continue };
        differ(&place, "first byte", partition.start.to_string(), slot.start.to_string());
        differ(&place, "length", partition.len.to_string(), slot.len.to_string());
        if let Some(entry) = &slot.partition {
            differ(&place, "type", partition.type_guid.to_string(), entry.type_guid.to_string());
            differ(&place, "GUID", partition.guid.to_string(), entry.guid.to_string());
            differ(&place, "name", partition.label.clone(), entry.name.clone());
        }
    }
}

fn check_partition(
    medium: &Medium,
    partition: &ManifestPartition,
    report: &mut VerifyReport,
) -> Option<SeenFileSystem> {
    let kind = partition.file_system.clone().unwrap_or_default();
    let place = format!("{kind} in {}", title(partition));
    let mut damaged =
        |fault: String| report.differences.push(BundleDifference::Format { place: place.clone(), fault });
    let Some(slot) = slot(medium, partition) else {
        damaged("it does not lie within the image, or no reader knows it".to_owned());
        return None;
    };
    match slot.holds {
        FsKind::Ext4 => check_ext4(&slot.window(medium)?, &mut damaged),
        FsKind::Fat => check_fat(&slot.window(medium)?, &mut damaged),
        _ => {}
    }
    let volume = ReadFileSystem::read(medium, &slot).map_err(|error| damaged(chain(&error))).ok().flatten();
    let found = volume.as_ref().and_then(|volume| volume.facts.uuid.as_ref());
    if let (Some(expected), Some(found)) = (&partition.uuid, found)
        && expected != found
    {
        damaged(format!("its id is {found}, and the manifest says {expected}"));
    }
    report.checked.push(place.clone());
    let keeps = match slot.holds {
        FsKind::Ext4 => Keeps::Everything,
        FsKind::Fat => Keeps::Names,
        _ => return None,
    };
    Some(SeenFileSystem {
        id: partition.id.clone(),
        place,
        keeps,
        tree: volume.and_then(|volume| volume.tree),
    })
}

fn check_ext4(window: &impl ReadAt, damaged: &mut impl FnMut(String)) {
    match ext4::check::check(window) {
        Err(error) => damaged(chain(&error)),
        Ok(found) => {
            let errors =
                found.findings.iter().filter(|finding| finding.severity == ext4::check::CheckSeverity::Error);
            errors.for_each(|finding| damaged(chain(finding)));
            if found.more > 0 {
                damaged(format!("{} more findings", found.more));
            }
        }
    }
}

fn check_fat(window: &impl ReadAt, damaged: &mut impl FnMut(String)) {
    match fat::check::check(window) {
        Err(error) => damaged(chain(&error)),
        Ok(found) => {
            let damage = found.iter().filter(|finding| finding.severity == Severity::Damage);
            damage.for_each(|finding| damaged(finding.to_string()));
        }
    }
}
