//! `amiforge snapshot`: locks, storage tiers and fast restores of snapshots.

mod args;

use amiforge_lifecycle::api::storage::{FastRestoreChange, StorageCalls};
use amiforge_lifecycle::storage::StorageError;
use amiforge_lifecycle::storage::plan::{self, SnapshotOperation};
use amiforge_lifecycle::storage::snapshots::{self, SnapshotReport};
use amiforge_progress::Monitor;
use amiforge_publish::ami::AmiRegion;

pub(crate) use self::args::Args;
use self::args::Operation;
use super::{call_plan, storage_failure};
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let target = args.operation.target();
    let cannot = format!("cannot {} {}", args.operation.verb(), target.snapshot);
    if target.dry_run {
        let region = call_plan::named_region(&target.aws)?;
        let title = format!("{} {} in {region}", args.operation.verb(), target.snapshot);
        let plan =
            plan::snapshot(&region, &target.snapshot, args.operation.kind(), args.operation.zones().len());
        return call_plan::show(&title, &plan, ui);
    }
    args.operation.check_confirmed(&cannot)?;
    let cancel = interrupt_on_signals()?;
    let connected = target.aws.connect(&cancel)?;
    let services = connected.services();
    let region = AmiRegion {
        name: &services.region,
        ec2: &*services.ec2,
        timer: &services.timer,
        monitor: Monitor::new(ui, &cancel),
    };
    let failed = |error| storage_failure::failure(error, cannot.clone());
    let ids = connected.block_on(snapshots::snapshots_of(&region, &target.snapshot)).map_err(failed)?;
    let zones = match args.operation.kind() {
        SnapshotOperation::EnableFastRestore | SnapshotOperation::DisableFastRestore => {
            connected.block_on(snapshots::zones(&region, args.operation.zones())).map_err(failed)?
        }
        _ => Vec::new(),
    };
    if let Operation::FastRestore(options) = &args.operation
        && !options.off
    {
        let price = plan::fast_restore_price(Some(ids.len()), Some(zones.len()));
        ui.status(&price);
        if !options.yes {
            return Err(Failure::usage(anyhow::anyhow!(price).context(cannot))
                .hint("add `--yes` to accept the price, or `--zones` for fewer zones"));
        }
    }
    let mut reports = Vec::new();
    let mut outcome = Ok(());
    for id in &ids {
        match connected.block_on(perform(&region, id, &args.operation, &zones)) {
            Ok(report) => reports.push(report),
            Err(error) => {
                outcome = Err(failed(error));
                break;
            }
        }
    }
    show(&reports, ui)?;
    outcome.map(|()| Outcome::Success)
}

async fn perform<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    id: &str,
    operation: &Operation,
    zones: &[String],
) -> Result<SnapshotReport, StorageError> {
    match operation {
        Operation::Lock(options) => snapshots::lock(region, id, &options.lock()).await,
        Operation::Unlock(_) => snapshots::unlock(region, id).await,
        Operation::Archive(options) => snapshots::archive(region, id, options.waiting()).await,
        Operation::Restore(options) => {
            snapshots::restore(region, id, options.period(), options.waiting.waiting()).await
        }
        Operation::FastRestore(options) => {
            let change = if options.off { FastRestoreChange::Disable } else { FastRestoreChange::Enable };
            snapshots::fast_restore(region, id, change, zones).await
        }
    }
}

fn show(reports: &[SnapshotReport], ui: &Ui) -> Result<(), Failure> {
    if ui.json() {
        return ui.object(&serde_json::json!({ "snapshots": reports }));
    }
    for report in reports {
        let mut line = format!("{} {}", report.region, report.snapshot_id);
        if let Some(lock) = &report.lock {
            let until = lock.expires.as_deref().unwrap_or("an unknown time");
            line = format!("{line} locked ({}) until {until}", lock.state);
        }
        if let Some(tier) = &report.tier {
            line = format!("{line} {}", tier.tier);
            if let Some(operation) = &tier.operation {
                line = format!("{line} {operation} {} %", tier.progress.unwrap_or(0));
            }
            if let Some(until) = &tier.restored_until {
                line = format!("{line} until {until}");
            }
        }
        for restore in &report.fast_restores {
            line = format!("{line} {}={}", restore.zone, restore.state);
        }
        if !report.changed {
            line.push_str(" (nothing to change)");
        } else if report.lock.is_none() && report.tier.is_none() && report.fast_restores.is_empty() {
            line.push_str(" unlocked");
        }
        ui.line(line)?;
    }
    Ok(())
}
