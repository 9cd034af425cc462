//! `amiforge undo`: restores AMIs and snapshots from the recycle bin, and enables disabled AMIs.

use amiforge_lifecycle::prune::{
    CleanUp, UndoScope, Undoable, UndoneImage, restore_snapshot, undo_image, undoable,
};
use serde_json::json;

use super::image_regions::{CHANNELS_BELOW, RegionsArg, failure, in_region, show_plan, show_table};
use super::region;
use crate::outcome::{CommandResult, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// Take a clean-up back: restore from the recycle bin, enable, cancel a deprecation
///
/// Without an id lists what can be taken back. Of an AMI it restores the snapshots first, then the AMI; a disabled AMI is
/// enabled and shared with the accounts that it was shared with, but is not made public. The recycle bin retains only
/// what a retention rule of the account names (`aws rbin create-rule --resource-type EC2_IMAGE`, and one for
/// `EBS_SNAPSHOT`): make the rules before you prune.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  amiforge undo --regions all\n  amiforge undo ami-0123456789abcdef0 --region eu-west-1"
)]
pub(crate) struct Args {
    /// The AMI (`ami-…`) or snapshot (`snap-…`)
    #[arg(value_parser = region::resource_id)]
    id: Option<String>,

    /// Print the calls and the IAM policy that they need; makes no call
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    regions: RegionsArg,

    #[command(flatten)]
    aws: region::Args,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    if args.dry_run {
        return plan(args, ui);
    }
    let cancel = interrupt_on_signals()?;
    let connected = args.aws.connect(&cancel)?;
    let Some(id) = &args.id else {
        let mut all = Vec::new();
        for name in args.regions.names(&connected, &cancel)? {
            let listed = in_region(&connected, &name, ui, &cancel, async |region| undoable(region).await);
            all.push(
                listed
                    .map_err(|error| failure(error, format!("cannot list what can be undone in {name}")))?,
            );
        }
        return list(&all, ui);
    };
    let name = connected.name().to_owned();
    let cannot = || format!("cannot restore {id}");
    if id.starts_with("snap-") {
        let restored =
            in_region(&connected, &name, ui, &cancel, async |region| restore_snapshot(region, id).await);
        restored.map_err(|error| failure(error, cannot()))?;
        return if ui.json() {
            ui.object(&json!({ "region": name, "snapshots": [id] })).map(|()| Outcome::Success)
        } else {
            ui.line(format_args!("{name} {id} restored")).map(|()| Outcome::Success)
        };
    }
    let undone = in_region(&connected, &name, ui, &cancel, async |region| undo_image(region, id).await);
    let undone = undone.map_err(|error| failure(error, cannot()))?;
    show(&name, id, &undone, ui)
}

/// Shows the calls and the policy.
fn plan(args: &Args, ui: &Ui) -> CommandResult {
    let scope = match &args.id {
        None => UndoScope::List,
        Some(id) if id.starts_with("snap-") => UndoScope::Snapshot,
        Some(_) => UndoScope::Image,
    };
    // What is named is in the one region.
    let regions = match scope {
        UndoScope::List => args.regions.planned(&args.aws)?,
        _ => RegionsArg::default().planned(&args.aws)?,
    };
    show_plan(CleanUp::Undo(scope), &regions, CHANNELS_BELOW, ui)
}

fn list(all: &[Undoable], ui: &Ui) -> CommandResult {
    if ui.json() {
        ui.object(&json!({ "regions": all }))?;
        return Ok(Outcome::Success);
    }
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let mut rows = Vec::new();
    for one in all {
        let mut add = |id: &String, name: &Option<String>, what: String| {
            rows.push(vec![one.region.clone(), id.clone(), text(name), what]);
        };
        for image in &one.images {
            add(&image.id, &image.name, format!("in the recycle bin until {}", text(&image.leaves)));
        }
        for snapshot in &one.snapshots {
            let until = text(&snapshot.leaves);
            add(&snapshot.id, &snapshot.description, format!("in the recycle bin until {until}"));
        }
        for image in &one.disabled {
            add(&image.id, &image.name, format!("disabled since {}", text(&image.since)));
        }
        for image in &one.deprecated {
            add(&image.id, &image.name, format!("deprecated since {}", text(&image.since)));
        }
    }
    show_table(&rows, ui)?;
    if rows.is_empty() {
        ui.status("there is nothing to take back");
    }
    Ok(Outcome::Success)
}

fn show(region: &str, id: &str, undone: &UndoneImage, ui: &Ui) -> CommandResult {
    if undone.was_public {
        ui.warn(format_args!(
            "{id} was public, which is not restored: `amiforge share {id} --with all` does that"
        ));
    }
    if ui.json() {
        let mut shown = json!(undone);
        shown["region"] = json!(region);
        shown["imageId"] = json!(id);
        ui.object(&shown)?;
        return Ok(Outcome::Success);
    }
    let mut done = Vec::new();
    done.extend(undone.restored.then(|| "restored from the recycle bin".to_owned()));
    done.extend((!undone.snapshots.is_empty()).then(|| format!("restored {}", undone.snapshots.join(" "))));
    done.extend(undone.enabled.then(|| "enabled".to_owned()));
    done.extend(
        (!undone.shared_with.is_empty()).then(|| format!("shared with {}", undone.shared_with.join(", "))),
    );
    done.extend(undone.deprecation.then(|| "not deprecated any more".to_owned()));
    let words = if done.is_empty() { "there is nothing to take back".to_owned() } else { done.join("; ") };
    ui.line(format_args!("{region} {id}: {words}"))?;
    Ok(Outcome::Success)
}
