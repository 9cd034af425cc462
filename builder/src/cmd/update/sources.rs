//! The snapshots whose disks are sources of a recipe: an update reads them, so its policy has to allow that.

use amiforge::recipe::{DiskChoice, Recipe};
use amiforge_publish::plan::{SourceName, SourceRead};

/// The snapshots that a recipe takes disks from. Those without a region are read in `home`.
pub(super) fn source_reads(recipe: &Recipe, home: &str) -> Vec<SourceRead> {
    let named_by = |choice: &DiskChoice| match choice {
        DiskChoice::Id(id) if id.starts_with("snap-") => SourceName::Snapshot,
        DiskChoice::Id(_) | DiskChoice::Newest { .. } => SourceName::Image,
        DiskChoice::Parameter(name) => SourceName::Parameter(name.clone()),
    };
    let read = recipe.snapshots.iter().map(|one| SourceRead {
        region: one.region.clone().unwrap_or_else(|| home.to_owned()),
        named_by: named_by(&one.choice),
    });
    read.collect()
}
