//! `--dry-run` of `lock`, `fetch`, `import` and `outdated`: the calls that read disks of snapshots, and their IAM policy. What
//! else these commands fetch is from archives, not from AWS.

use amiforge::lock::LockedSnapshot;
use amiforge::recipe::DiskChoice;
use amiforge_lifecycle::source_plan::{PlannedRead, ReadDepth, ReadNaming, plan};

use super::inputs::SourceCopyArgs;
use super::{call_plan, region, region_snapshots};
use crate::outcome::{CommandResult, Failure};
use crate::ui::Ui;

/// A disk that a recipe names.
pub(super) fn planned(choice: &DiskChoice, region: Option<&str>) -> Result<PlannedRead, Failure> {
    let naming = match choice {
        DiskChoice::Id(id) if id.starts_with("snap-") => ReadNaming::Snapshot(id.clone()),
        DiskChoice::Id(_) | DiskChoice::Newest { .. } => ReadNaming::Image,
        DiskChoice::Parameter(name) => ReadNaming::Parameter(name.clone()),
    };
    let aws = region::Args { region: region.map(str::to_owned), profile: None, endpoint_url: None };
    Ok(PlannedRead { region: call_plan::named_region(&aws)?, naming, depth: ReadDepth::Blocks })
}

/// A disk that a lock pins.
pub(super) fn locked(snapshot: &LockedSnapshot) -> PlannedRead {
    let naming = ReadNaming::Snapshot(snapshot.snapshot.clone());
    PlannedRead { region: snapshot.region.clone(), naming, depth: ReadDepth::Blocks }
}

/// What says which snapshot a recipe means now.
pub(super) fn asked(choice: &DiskChoice, region: Option<&str>) -> Result<PlannedRead, Failure> {
    planned(choice, region).map(|read| PlannedRead { depth: ReadDepth::Identity, ..read })
}

/// Shows the plan.
pub(super) fn show(what: &str, reads: &[PlannedRead], copies: &SourceCopyArgs, ui: &Ui) -> CommandResult {
    let disks = match reads.iter().filter(|read| read.depth == ReadDepth::Blocks).count() {
        0 => "no disk of a snapshot is read".to_owned(),
        1 => "one disk of a snapshot is read".to_owned(),
        count => format!("{count} disks of snapshots are read"),
    };
    call_plan::show(&format!("{what}: {disks}"), &plan(reads, region_snapshots::consent(copies.copy)), ui)
}
