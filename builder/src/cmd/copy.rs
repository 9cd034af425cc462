//! `amiforge copy`: copies an existing AMI to other regions at any time.

use std::time::Duration;

use amiforge_lifecycle::storage::copy::{self, CopyOutcome, CopyRequest};
use amiforge_lifecycle::storage::{StorageError, plan};
use amiforge_progress::Monitor;
use amiforge_publish::ami::AmiRegion;
use amiforge_publish::api::ec2::DescribedImage;
use amiforge_publish::request::{CopyTarget, WatermarkOption, check_watermark, partition, watermark_of_tags};
use serde::Serialize;

use super::{ami_args, call_plan, region, restore_image, storage_failure};
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// Copy an existing AMI to other regions
///
/// Copies have the tags of the AMI and of its snapshots, so that they are found in the same way, but not its permissions.
/// A copy that exists or is in progress is adopted, and one that failed is made again: the same command can be run again
/// at any time. Too many copies at a time are waited for. To another partition, `publish` the bundle with a profile of it,
/// or `backup` and `restore-image`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  amiforge copy ami-0abc --region eu-west-1 --to eu-central-1,us-east-1\n  \
    amiforge copy ami-0abc --region eu-west-1 --to eu-central-1 --within 30m --kms-key alias/images"
)]
pub(crate) struct Args {
    /// The AMI, of this account or shared with it together with its snapshots
    #[arg(value_parser = region::image_id)]
    image: String,

    /// The regions
    #[arg(long, value_name = "REGION", value_delimiter = ',', required = true)]
    to: Vec<String>,

    /// Complete each copy within this time, at a price for its speed: `15m` to `48h`, in steps of 15 minutes
    #[arg(long, value_name = "TIME", value_parser = within)]
    within: Option<u64>,

    /// Name of the copies [default: that of the AMI]
    #[arg(long, value_name = "NAME", value_parser = restore_image::image_name)]
    name: Option<String>,

    /// Encrypt the copies with the account's default key of each region
    #[arg(long, conflicts_with = "kms_key")]
    encrypt: bool,

    /// Encrypt the copies with this key, which must exist in each region: `alias/…`, or an ARN for one region
    #[arg(long, value_name = "KEY")]
    kms_key: Option<String>,

    /// Attach a watermark to the copies, besides those that they carry on: a name, or `auto` for the image's name and
    /// Merkle root by its tags; not for a public AMI
    #[arg(long, value_name = "NAME")]
    watermark: Option<WatermarkOption>,

    /// Minutes to wait for a copy
    #[arg(long, value_name = "N", default_value_t = 360)]
    wait: u64,

    /// Print the calls and the IAM policy that they need; makes no call
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    aws: region::Args,
}

/// A copy, as `--json` shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CopyJson<'a> {
    region: &'a str,
    #[serde(flatten)]
    copy: Option<&'a copy::ImageCopied>,
    error: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cannot = format!("cannot copy {}", args.image);
    if let Some(home) = region::named_region(&args.aws) {
        args.check(&home, &cannot)?;
    }
    if args.dry_run {
        let home = call_plan::named_region(&args.aws)?;
        let title = format!("copy {} of {home} to {}", args.image, args.to.join(", "));
        let plan = plan::copy(&home, &args.targets(), args.watermark.is_some());
        return call_plan::show(&title, &plan, ui);
    }
    let cancel = interrupt_on_signals()?;
    let connected = args.aws.connect(&cancel)?;
    args.check(connected.name(), &cannot)?;
    let targets = args.resolved_targets(&connected, &cannot)?;
    let services = connected.services();
    let home = AmiRegion {
        name: &services.region,
        ec2: &*services.ec2,
        timer: &services.timer,
        monitor: Monitor::new(ui, &cancel),
    };
    let failed = |error| storage_failure::failure(error, cannot.clone());
    let outcomes = connected
        .block_on(async {
            let missing =
                || StorageError::NoImage { image: args.image.clone(), region: home.name.to_owned() };
            let image = home.find_image(&args.image).await?.ok_or_else(missing)?;
            if image.tags.is_empty() {
                ui.status("the AMI has no tags that this account sees: its copies have none either");
            }
            let request = args.request(&image, targets)?;
            copy::copy(connected.config(), &home, &image, &request).await
        })
        .map_err(failed)?;
    finish(outcomes, &cannot, ui)
}

impl Args {
    fn targets(&self) -> Vec<CopyTarget> {
        let encryption = ami_args::encryption_key(self.kms_key.as_deref(), self.encrypt);
        let mut regions = self.to.clone();
        regions.sort();
        regions.dedup();
        regions.into_iter().map(|region| CopyTarget { region, encryption: encryption.clone() }).collect()
    }

    /// The targets, with the ids of keys that are named by an alias.
    fn resolved_targets(
        &self,
        connected: &region::ConnectedRegion,
        cannot: &str,
    ) -> Result<Vec<CopyTarget>, Failure> {
        let mut targets = self.targets();
        for target in &mut targets {
            target.encryption = connected
                .key(&target.region, &target.encryption)
                .map_err(|error| ami_args::key_failure(error, cannot.to_owned()))?;
        }
        Ok(targets)
    }

    fn request(&self, image: &DescribedImage, targets: Vec<CopyTarget>) -> Result<CopyRequest, StorageError> {
        let derived = || {
            watermark_of_tags(&image.tags).ok_or_else(|| StorageError::Unsuitable {
                image: image.id.clone(),
                region: self.aws.region.clone().unwrap_or_default(),
                reason: "`--watermark auto` needs the tags of a publish, and it has none".to_owned(),
            })
        };
        let watermark = match &self.watermark {
            None => None,
            Some(WatermarkOption::Auto) => Some(derived()?),
            Some(WatermarkOption::Name(name)) => Some(name.clone()),
        };
        Ok(CopyRequest {
            name: self.name.clone().or_else(|| image.name.clone()).unwrap_or_default(),
            targets,
            within_minutes: self.within,
            watermark,
            wait: Duration::from_mins(self.wait),
        })
    }

    /// Refuses what the service would refuse after other copies were begun.
    fn check(&self, home: &str, cannot: &str) -> Result<(), Failure> {
        let refuse = |problem: String, hint: &str| {
            Err(Failure::usage(anyhow::anyhow!(problem).context(cannot.to_owned())).hint(hint))
        };
        if let Some(WatermarkOption::Name(name)) = &self.watermark
            && let Err(rule) = check_watermark(name)
        {
            return refuse(format!("the watermark `{name}` is none: {rule}"), "give another name");
        }
        if let Some(other) = self.to.iter().find(|region| partition(region) != partition(home)) {
            return refuse(
                format!(
                    "{other} is of the partition `{}`, and {home} of `{}`",
                    partition(other),
                    partition(home)
                ),
                "`publish` the bundle there with a profile of that partition, or `backup` the AMI, copy the object to a bucket \
                 there, and `restore-image`",
            );
        }
        if self.name.is_none() && self.to.iter().any(|region| region == home) {
            return refuse(
                format!("{home} has the AMI, and a copy in the same region needs another name"),
                "name it with `--name`",
            );
        }
        let arn = self.kms_key.as_deref().filter(|key| key.starts_with("arn:"));
        let of = arn.and_then(|arn| arn.split(':').nth(3));
        match (of, self.to.iter().find(|region| of.is_some_and(|of| of != region.as_str()))) {
            (Some(of), Some(other)) => refuse(
                format!("the key is of {of}, and a copy goes to {other}"),
                "name it by an alias that each region has, or copy to one region at a time",
            ),
            _ => Ok(()),
        }
    }
}

/// Shows the copies; a region that failed is a failure.
fn finish(outcomes: Vec<CopyOutcome>, cannot: &str, ui: &Ui) -> CommandResult {
    if ui.json() {
        let shown: Vec<_> = outcomes
            .iter()
            .map(|one| CopyJson {
                region: &one.region,
                copy: one.outcome.as_ref().ok(),
                error: one.outcome.as_ref().err().map(ToString::to_string),
            })
            .collect();
        ui.object(&serde_json::json!({ "copies": shown }))?;
    }
    let all = outcomes.len();
    let mut failed = Vec::new();
    for one in outcomes {
        match one.outcome {
            Ok(copied) if !ui.json() => {
                let snapshots = copied.snapshot_ids.join(" ");
                ui.line(format_args!("{} {} {snapshots}", copied.region, copied.image_id))?;
            }
            Ok(_) => {}
            Err(error) => failed.push((one.region, error)),
        }
    }
    if failed.is_empty() {
        return Ok(Outcome::Success);
    }
    let names: Vec<_> = failed.iter().map(|(region, _)| region.clone()).collect();
    let cannot = format!("{cannot} to {} of {all} regions: {}", names.len(), names.join(", "));
    let mut failure = storage_failure::failure(failed.swap_remove(0).1, cannot);
    failure.hint.get_or_insert_with(|| "the same command copies to what is missing only".to_owned());
    Err(failure)
}

/// Parses a time for `--within`, in minutes.
fn within(text: &str) -> Result<u64, String> {
    let minutes = match (text.strip_suffix('m'), text.strip_suffix('h')) {
        (Some(minutes), _) => minutes.parse::<u64>().ok(),
        (None, Some(hours)) => hours.parse::<u64>().ok().and_then(|hours| hours.checked_mul(60)),
        (None, None) => None,
    };
    match minutes {
        Some(minutes) if (15..=2880).contains(&minutes) && minutes.is_multiple_of(15) => Ok(minutes),
        _ => Err("not a time from `15m` to `48h` in steps of 15 minutes".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_steps_of_a_quarter_of_an_hour() {
        for (text, expected) in [
            ("15m", Some(15)),
            ("30m", Some(30)),
            ("1h", Some(60)),
            ("48h", Some(2880)),
            ("49h", None),
            ("20m", None),
            ("0m", None),
            ("15", None),
            ("18446744073709551615h", None),
        ] {
            assert_eq!(within(text).ok(), expected, "{text}");
        }
    }
}
