//! `amiforge orphans`: finds snapshots that no AMI uses, and deletes them.

use std::collections::BTreeMap;

use amiforge_lifecycle::inventory::ImageError;
use amiforge_lifecycle::prune::{
    self, CleanUp, CleanUpRegions, OrphanOptions, OrphanPlan, delete_orphans, orphans, span,
};
use serde_json::{Value, json};

use super::image_regions::{CHANNELS_BELOW, RegionsArg, failure, in_region, now, show_policy, show_table};
use super::region;
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::{HumanBytes, Ui};

/// Find snapshots of amiforge that no AMI of any state uses
///
/// Looks at the snapshots with tags of amiforge alone. Pending ones, locked ones, and those of an AMI that is being stored
/// are kept. A snapshot that was uploaded by `amiforge upload` and never registered is an orphan, too.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amiforge orphans --region eu-west-1\n  \
    amiforge orphans --regions all --older-than 7d --delete --yes")]
pub(crate) struct Args {
    /// Only snapshots of this image name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Keep snapshots that are younger: their AMI may not be registered yet
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = span)]
    older_than: i64,

    /// Delete them, together with `--yes`
    #[arg(long)]
    delete: bool,

    /// Do it
    #[arg(long, requires = "delete")]
    yes: bool,

    /// Also print the calls and the IAM policy that they need; changes nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,

    #[command(flatten)]
    regions: RegionsArg,

    #[command(flatten)]
    aws: region::Args,
}

/// The outcomes of deletions by snapshot.
type Deletions = BTreeMap<String, Result<bool, ImageError>>;

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cancel = interrupt_on_signals()?;
    let connected = args.aws.connect(&cancel)?;
    let names = args.regions.names(&connected, &cancel)?;
    let options = OrphanOptions { name: args.name.clone(), older_than: args.older_than, now: now() };
    let mut results: Vec<(OrphanPlan, Deletions)> = Vec::new();
    for name in &names {
        let cannot = || format!("cannot look for orphans in {name}");
        let result = in_region(&connected, name, ui, &cancel, async |region| {
            let plan = orphans(region, region.ec2, &options).await?;
            let deleted =
                if args.yes { delete_orphans(region, region.ec2, &plan).await? } else { Deletions::new() };
            Ok((plan, deleted))
        });
        results.push(result.map_err(|error| failure(error, cannot()))?);
    }
    show(args, &args.regions.known(&names, &connected), &results, ui)?;
    let errors = results.into_iter().flat_map(|(_, deletions)| deletions);
    let mut errors = errors.filter_map(|(id, outcome)| Some((id, outcome.err()?)));
    match errors.next() {
        Some((id, error)) => Err(failure(error, format!("cannot delete {id}"))),
        None => Ok(Outcome::Success),
    }
}

fn show(
    args: &Args,
    asked: &CleanUpRegions,
    results: &[(OrphanPlan, Deletions)],
    ui: &Ui,
) -> Result<(), Failure> {
    let command = CleanUp::Orphans { delete: args.delete };
    if ui.json() {
        let regions: Vec<Value> =
            results.iter().map(|(plan, deleted)| region_json(plan, deleted, args)).collect();
        let mut shown = json!({ "regions": regions });
        if args.dry_run {
            shown["calls"] = json!(prune::actions(command, asked));
            shown["policy"] = prune::policy(command, asked, CHANNELS_BELOW);
        }
        return ui.object(&shown);
    }
    let rows: Vec<Vec<String>> = results
        .iter()
        .flat_map(|(plan, deleted)| plan.orphans.iter().map(|one| row(plan, one, deleted)))
        .collect();
    show_table(&rows, ui)?;
    if args.dry_run {
        show_policy(command, asked, CHANNELS_BELOW, ui)?;
    }
    let free: usize =
        results.iter().map(|(plan, _)| plan.orphans.iter().filter(|one| one.kept.is_none()).count()).sum();
    if !args.yes {
        let hint = if free > 0 { "; `--delete --yes` deletes them" } else { "" };
        ui.status(format_args!("{free} orphans{hint}"));
    }
    Ok(())
}

fn region_json(plan: &OrphanPlan, deleted: &Deletions, args: &Args) -> Value {
    let mut shown = json!(plan);
    if args.yes {
        let of = |is_deleted: bool| {
            let ids = deleted.iter().filter(|(_, outcome)| matches!(outcome, Ok(one) if *one == is_deleted));
            ids.map(|(id, _)| id.clone()).collect::<Vec<_>>()
        };
        shown["deleted"] = json!(of(true));
        shown["usedMeanwhile"] = json!(of(false));
        let failed: BTreeMap<&String, String> =
            deleted.iter().filter_map(|(id, outcome)| Some((id, outcome.as_ref().err()?.line()))).collect();
        shown["failed"] = json!(failed);
    }
    shown
}

fn row(plan: &OrphanPlan, orphan: &prune::Orphan, deleted: &Deletions) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let outcome = match (deleted.get(&orphan.snapshot_id), &orphan.kept) {
        (Some(Ok(true)), _) => "deleted".to_owned(),
        (Some(Ok(false)), _) => "kept: it is used meanwhile".to_owned(),
        (Some(Err(_)), _) => "failed".to_owned(),
        (None, Some(why)) => format!("kept: {why}"),
        (None, None) => "orphan".to_owned(),
    };
    vec![
        plan.region.clone(),
        orphan.snapshot_id.clone(),
        text(&orphan.image),
        text(&orphan.version),
        orphan.started.clone(),
        orphan.full_bytes.map_or_else(|| "-".to_owned(), |bytes| HumanBytes(bytes).to_string()),
        outcome,
    ]
}
