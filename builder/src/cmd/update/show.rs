//! Shows the report of an update.

use std::io::Write as _;

use amiforge::update::{UpdateOutcome, UpdateReport};
use amiforge_formats::digest::BLOCK;

use super::Args;
use crate::cmd::outdated::{held_back_line, package_line};
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::ui::{HumanBytes, Ui, written};

/// Shows the report, and gives the outcome of the command.
pub(super) fn outcome(report: &UpdateReport, args: &Args, ui: &Ui) -> CommandResult {
    // The plan of a dry run is the result.
    if ui.json() && report.outcome != UpdateOutcome::Planned {
        ui.object(report)?;
    } else if !ui.json() {
        list(report, ui)?;
        summary(report, args, ui);
    }
    Ok(if report.outcome == UpdateOutcome::BootFailed { Outcome::Difference } else { Outcome::Success })
}

/// The lines of the result: the packages, then the AMIs or the bundle.
fn list(report: &UpdateReport, ui: &Ui) -> Result<(), Failure> {
    let mut out = ui.out();
    let mut write = || {
        for package in &report.packages {
            writeln!(out, "{}", package_line(package))?;
        }
        for held in &report.held_back {
            writeln!(out, "{}", held_back_line(held))?;
        }
        match &report.published {
            Some(published) => {
                let snapshot = published.snapshot_id.as_deref().unwrap_or_default();
                writeln!(out, "{} {} {snapshot}", published.region, published.image_id)?;
                for copy in &published.copies {
                    writeln!(out, "{} {}", copy.region, copy.image_id)?;
                }
            }
            None if report.outcome == UpdateOutcome::Built => {
                writeln!(out, "{} {}", report.bundle, report.sha256)?;
            }
            None => {}
        }
        out.flush()
    };
    written(write())
}

/// The lines of status.
fn summary(report: &UpdateReport, args: &Args, ui: &Ui) {
    if report.outcome == UpdateOutcome::Unchanged && report.lock_changed {
        ui.status("the new lock gives the same image; it is in place now");
    }
    if let Some(files) = report.files {
        ui.status(format_args!(
            "files: {} changed, {} added, {} removed",
            files.changed, files.added, files.removed
        ));
    }
    if let Some(boot) = &report.boot {
        let verdict = if boot.passed { "booted" } else { "did not boot as requested" };
        let reason = boot.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        ui.status(format_args!("{verdict}, {}, {:.1} s{reason}", boot.machine, boot.seconds));
        for check in &boot.unmet {
            ui.status(format_args!("  not shown: {check}"));
        }
    }
    let seconds = report.seconds;
    let update = format!("{}.update", report.bundle);
    match (report.outcome, &report.published) {
        (UpdateOutcome::Published, Some(published)) => {
            let (sent, of) = (published.blocks_sent, report.blocks);
            ui.status(format_args!(
                "sent {sent} of {of} blocks ({}) as `{}`, {seconds:.1} s",
                HumanBytes(sent * BLOCK),
                published.name
            ));
            ui.status(format_args!(
                "no channel has it yet: `amiforge promote {} --channel CHANNEL`",
                published.image_id
            ));
        }
        (UpdateOutcome::Built | UpdateOutcome::Published, _) => {
            ui.status(format_args!("built `{}`, {seconds:.1} s", report.bundle));
        }
        (UpdateOutcome::Unchanged, _) => match &report.present {
            Some(present) => ui.status(format_args!("nothing is published: {present} has these bytes already")),
            None => ui.status(format_args!(
                "nothing changed: `{}` has these bytes already, and nothing is published",
                args.to.upload.parent_bundle.as_ref().map_or(report.bundle.clone(), |path| path.display().to_string())
            )),
        },
        (UpdateOutcome::BootFailed, _) => ui.status(format_args!(
            "nothing was published, and lock and bundle are as they were; the new bundle is in `{update}`"
        )),
        (UpdateOutcome::Planned, _) => ui.status(format_args!(
            "lock and bundle are as they were; the new bundle is in `{update}`, and the command without `--dry-run` continues"
        )),
    }
}
