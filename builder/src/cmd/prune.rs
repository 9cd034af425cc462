//! `amiforge prune`: deprecates, disables and deregisters AMIs that nothing uses.

use std::time::Duration;

use amiforge_lifecycle::api::images::UseRegions as _;
use amiforge_lifecycle::prune::{
    self, CleanUp, CleanUpRegions, Outcome as Done, PlannedImage, PruneOptions, PrunePlan, PruneReport, Step,
    Verdict, span,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::image_regions::{CHANNELS_BELOW, RegionsArg, failure, in_region, now, show_policy, show_table};
use super::region;
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// Deprecate, disable and deregister AMIs that nothing uses, one step per run
///
/// Without `--yes` only says what would be done, and why each AMI goes or stays. An AMI goes in three steps with a grace
/// time between them: it is deprecated, disabled (it cannot be launched, and is not shared any more), and
/// deregistered together with its snapshots. Run it daily. Only AMIs that amiforge published are looked at. What names an
/// AMI is asked again directly before each step: running and stopped instances, all versions of launch templates, Auto
/// Scaling groups, parameters, other accounts. `amiforge undo` takes a step back.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amiforge prune --keep 5 --older-than 30d --unused-for 14d\n  \
    amiforge prune --regions all --name web --keep 3 --not-in-channels stable --grace 7d --yes")]
pub(crate) struct Args {
    /// Only AMIs of this image name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Keep the newest N of each name in every region, at least one
    #[arg(long, value_name = "N", default_value_t = 5)]
    keep: usize,

    /// Keep AMIs that are younger
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = span)]
    older_than: i64,

    /// Keep AMIs that were launched within this time
    #[arg(long, value_name = "TIME", default_value = "14d", value_parser = span)]
    unused_for: i64,

    /// Keep every AMI that these channels ever held. What any channel holds, or held until its last change, is always kept
    #[arg(long, value_name = "CHANNEL", value_delimiter = ',')]
    not_in_channels: Vec<String>,

    /// The path of the parameters that are channels
    #[arg(long, value_name = "PATH", default_value = CHANNELS_BELOW)]
    channels_below: String,

    /// Time between two steps
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = span)]
    grace: i64,

    /// Do not ask whether other accounts use an AMI (`CreateImageUsageReport`)
    #[arg(long)]
    ignore_other_accounts: bool,

    /// Maximum time to wait for reports on other accounts; what is not known then is kept until the next run
    #[arg(long, value_name = "TIME", default_value = "10min", value_parser = span)]
    report_wait: i64,

    /// Do it
    #[arg(long)]
    yes: bool,

    /// Also print the calls and the IAM policy that they need; changes nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,

    #[command(flatten)]
    regions: RegionsArg,

    #[command(flatten)]
    aws: region::Args,
}

/// A region as `--json` shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PruneRegionJson<'a> {
    #[serde(flatten)]
    plan: &'a PrunePlan,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    leftovers: &'a Vec<String>,
}

/// What happened in a region.
struct RegionResult {
    plan: PrunePlan,
    report: Option<PruneReport>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cancel = interrupt_on_signals()?;
    let connected = args.aws.connect(&cancel)?;
    let names = args.regions.names(&connected, &cancel)?;
    let options = args.options();
    let (mut results, mut failed) = (Vec::new(), None);
    for name in &names {
        let other = connected.config().image_use(name);
        let result = in_region(&connected, name, ui, &cancel, async |region| {
            let plan = prune::plan(region, &other, &options).await?;
            if !args.yes {
                return Ok((plan, None));
            }
            let report = prune::perform(region, &other, &plan, &options).await;
            Ok((plan, Some(report)))
        });
        match result {
            Ok((plan, None)) => results.push(RegionResult { plan, report: None }),
            Ok((plan, Some(Ok(report)))) => results.push(RegionResult { plan, report: Some(report) }),
            Ok((_, Some(Err(error)))) | Err(error) => {
                let failure = failure(error, format!("cannot clean up the images of {name}"));
                ui.warn(format_args!("{:#}", failure.error));
                failed.get_or_insert(failure);
            }
        }
        if cancel.is_cancelled() {
            break;
        }
    }
    show(args, &args.regions.known(&names, &connected), &results, ui)?;
    match (failed, first_error(results)) {
        (Some(failure), _) | (None, Some(failure)) => Err(failure),
        (None, None) => Ok(Outcome::Success),
    }
}

impl Args {
    fn options(&self) -> PruneOptions {
        PruneOptions {
            name: self.name.clone(),
            keep: self.keep,
            older_than: self.older_than,
            unused_for: self.unused_for,
            grace: self.grace,
            channels: self.not_in_channels.clone(),
            channels_below: self.channels_below.clone(),
            other_accounts: !self.ignore_other_accounts,
            report_wait: Duration::from_secs(self.report_wait.unsigned_abs()),
            now: now(),
        }
    }
}

/// The failure of a run in which images could not be changed.
fn first_error(results: Vec<RegionResult>) -> Option<Failure> {
    let outcomes = results.into_iter().filter_map(|result| result.report).flat_map(|report| report.images);
    let mut errors: Vec<_> =
        outcomes.filter_map(|one| Some((one.image_id, one.step, one.outcome.err()?))).collect();
    let count = errors.len();
    if count == 0 {
        return None;
    }
    let (image, step, error) = errors.swap_remove(0);
    let cannot = match count {
        1 => format!("cannot {} {image}", step.word()),
        _ => format!("cannot {} {image}, and {} more", step.word(), count - 1),
    };
    Some(failure(error, cannot))
}

fn show(args: &Args, asked: &CleanUpRegions, results: &[RegionResult], ui: &Ui) -> Result<(), Failure> {
    let command = CleanUp::Prune { other_accounts: !args.ignore_other_accounts };
    if ui.json() {
        let regions: Vec<PruneRegionJson<'_>> = results.iter().map(region_json).collect();
        let mut shown = json!({ "regions": regions });
        if args.dry_run {
            shown["calls"] = json!(prune::actions(command, asked));
            shown["policy"] = prune::policy(command, asked, &args.channels_below);
        }
        return ui.object(&shown);
    }
    for result in results {
        match &result.report {
            None => show_plan(&result.plan, asked.names.len() > 1, ui)?,
            Some(report) => show_report(&result.plan, report, ui)?,
        }
    }
    if args.dry_run {
        show_policy(command, asked, &args.channels_below, ui)?;
    }
    let due =
        results.iter().flat_map(|result| &result.plan.images).filter(|image| image.step().is_some()).count();
    if !args.yes {
        let hint = if due > 0 { "; `--yes` does it" } else { "" };
        ui.status(format_args!("{due} images are due{hint}"));
    }
    Ok(())
}

fn region_json(result: &RegionResult) -> PruneRegionJson<'_> {
    const NONE: &Vec<String> = &Vec::new();
    let done = result.report.as_ref().map(|report| {
        let one = |one: &prune::ImageOutcome| match &one.outcome {
            Ok(outcome) => {
                let mut shown = json!(outcome);
                shown["imageId"] = json!(one.image_id);
                shown["step"] = json!(one.step);
                shown
            }
            Err(error) => {
                json!({ "imageId": one.image_id, "step": one.step, "outcome": "failed", "error": error.line() })
            }
        };
        report.images.iter().map(one).collect()
    });
    PruneRegionJson {
        plan: &result.plan,
        done,
        leftovers: result.report.as_ref().map_or(NONE, |report| &report.leftovers),
    }
}

fn show_plan(plan: &PrunePlan, several: bool, ui: &Ui) -> Result<(), Failure> {
    if several {
        ui.line(&plan.region)?;
    }
    show_table(&plan.images.iter().map(row).collect::<Vec<_>>(), ui)
}

fn row(image: &PlannedImage) -> Vec<String> {
    let (action, mut why) = match &image.verdict {
        Verdict::Keep { because } => {
            ("keep".to_owned(), because.iter().map(ToString::to_string).collect::<Vec<_>>())
        }
        Verdict::Wait { step, until } => (format!("{} from {until}", step.word()), Vec::new()),
        Verdict::Go { step } => (step.word().to_owned(), Vec::new()),
    };
    if !image.loses.is_empty() {
        why.push(format!("loses its sharing with {}", image.loses.join(", ")));
    }
    if image.step() == Some(Step::Deregister) {
        why.push(format!("with {}", image.snapshots.join(" ")));
    }
    why.extend(image.facts.iter().cloned());
    vec![
        image.image.clone(),
        image.version.clone().unwrap_or_else(|| "-".to_owned()),
        image.image_id.clone(),
        image.state.word().to_owned(),
        action,
        why.join("; "),
    ]
}

fn show_report(plan: &PrunePlan, report: &PruneReport, ui: &Ui) -> Result<(), Failure> {
    let region = &plan.region;
    for one in &report.images {
        let (id, step) = (&one.image_id, one.step.word());
        match &one.outcome {
            Ok(Done::Done { deleted, kept, lost }) => {
                let mut line = format!("{region} {id} {step}: done");
                if !deleted.is_empty() {
                    line = format!("{line}; deleted {}", deleted.join(" "));
                }
                if !kept.is_empty() {
                    line = format!("{line}; kept {}", kept.join(", "));
                }
                if !lost.is_empty() {
                    line = format!("{line}; no longer shared with {}", lost.join(", "));
                }
                ui.line(line)?;
            }
            Ok(Done::Changed) => {
                ui.line(format_args!("{region} {id} {step}: it has changed meanwhile, so it is left"))?;
            }
            Ok(Done::Gone) => ui.line(format_args!("{region} {id} {step}: it is gone already"))?,
            Ok(Done::Kept { because }) => {
                ui.line(format_args!("{region} {id} {step}: not done, {}", joined(because)))?;
            }
            Ok(Done::TakenBack { because }) => {
                ui.line(format_args!("{region} {id} {step}: done and taken back, {}", joined(because)))?;
            }
            Ok(other) => ui.line(format_args!("{region} {id} {step}: {other:?}"))?,
            Err(error) => ui.warn(format_args!("{region} {id} {step}: {}", error.line())),
        }
    }
    for snapshot in &report.leftovers {
        ui.line(format_args!("{region} {snapshot} deleted, which an earlier run had left"))?;
    }
    let kept = plan.images.iter().filter(|image| image.step().is_none()).count();
    ui.status(format_args!("{region}: {} images were due, {kept} were not", report.images.len()));
    Ok(())
}

fn joined(because: &[prune::KeepReason]) -> String {
    because.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
