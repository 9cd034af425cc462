//! `amiforge restore-image`: makes an AMI of an object that `backup` stored.

use std::path::PathBuf;
use std::time::Duration;

use amiforge_image::values;
use amiforge_lifecycle::storage::plan;
use amiforge_lifecycle::storage::restore::{self, RestoreRequest, RestoredImage};
use amiforge_progress::Monitor;
use amiforge_publish::ami::{self, AmiRegion};
use amiforge_publish::api::ec2::Tags;
use amiforge_publish::rate_limiter;
use amiforge_publish::verify::{self, Sample, SnapshotReport};
use anyhow::Context as _;
use serde::Serialize;

use super::{backup, call_plan, region, storage_failure};
use crate::outcome::{CommandResult, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// Make an AMI of an object of S3 that `backup` stored
///
/// The AMI has its tags again, so that it is found by them. With `--bundle` its root volume is read back and compared
/// with the bundle that it was made from; exit code 3 if it differs. A restore that has begun is joined, so the same
/// command can be run again at any time.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  amiforge restore-image --bucket backups --key ami-0abc.bin --name web-2026.11\n  \
    amiforge restore-image --bucket backups --key ami-0abc.bin --name web-2026.11 --bundle out/web \\\n    \
    --region us-gov-west-1 --profile gov"
)]
pub(crate) struct Args {
    /// The bucket, in the region
    #[arg(long, value_name = "BUCKET", value_parser = backup::bucket_name)]
    bucket: String,

    /// The key of the object
    #[arg(long, value_name = "KEY")]
    key: String,

    /// Name of the AMI, unique in the account and region
    #[arg(long, value_name = "NAME", value_parser = image_name)]
    name: String,

    /// The bundle that the AMI was made from: gives it the tags of the bundle, and verifies it
    #[arg(long, value_name = "BUNDLE")]
    bundle: Option<PathBuf>,

    /// Tag of the AMI and of its root's snapshot; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,

    /// Minutes to wait
    #[arg(long, value_name = "N", default_value_t = 360)]
    wait: u64,

    /// Print the calls and the IAM policy that they need; makes no call
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    aws: region::Args,
}

/// What `--json` shows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RestoreJson<'a> {
    #[serde(flatten)]
    image: &'a RestoredImage,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<&'a SnapshotReport>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cannot = format!("cannot restore `{}` from s3://{}/{}", args.name, args.bucket, args.key);
    if args.dry_run {
        let region = call_plan::named_region(&args.aws)?;
        let title = format!("restore `{}` from s3://{}/{}", args.name, args.bucket, args.key);
        return call_plan::show(&title, &plan::restore(&region, &args.bucket), ui);
    }
    let tags = args.all_tags().with_context(|| cannot.clone())?;
    let cancel = interrupt_on_signals()?;
    let connected = args.aws.connect(&cancel)?;
    let (services, monitor) = (connected.services(), Monitor::new(ui, &cancel));
    let region = AmiRegion { name: &services.region, ec2: &*services.ec2, timer: &services.timer, monitor };
    let request = RestoreRequest {
        bucket: &args.bucket,
        key: &args.key,
        name: &args.name,
        tags,
        wait: Duration::from_mins(args.wait),
    };
    let objects = connected.config().s3();
    let restored = connected
        .block_on(restore::restore(&region, &objects, &request))
        .map_err(|error| storage_failure::failure(error, cannot.clone()))?;
    if restored.joined {
        ui.status(format_args!("{} was being restored, or is there already", restored.image_id));
    }
    let Some(bundle) = &args.bundle else { return show(&restored, None, ui) };
    let rate = if args.aws.is_local() { 0 } else { rate_limiter::DEFAULT_RATE };
    let work =
        verify::verify(&services, &restored.image_id, Some(bundle.as_path()), Sample::All, rate, monitor);
    let report = connected.block_on(work).with_context(|| format!("cannot verify {}", restored.image_id))?;
    show(&restored, Some(&report), ui)
}

impl Args {
    /// The tags of the bundle and of the user.
    fn all_tags(&self) -> anyhow::Result<Tags> {
        let mut tags = match &self.bundle {
            Some(bundle) => ami::digests_of(bundle)?,
            None => Tags::new(),
        };
        tags.extend(self.tags.iter().cloned());
        Ok(tags)
    }
}

fn show(restored: &RestoredImage, verified: Option<&SnapshotReport>, ui: &Ui) -> CommandResult {
    if ui.json() {
        ui.object(&RestoreJson { image: restored, verified })?;
    } else {
        let snapshots = restored.snapshot_ids.join(" ");
        ui.line(format_args!("{} {} {snapshots}", restored.region, restored.image_id))?;
    }
    let differences = verified.map(|report| report.differences.as_slice()).unwrap_or_default();
    if !ui.json() {
        for difference in differences {
            ui.line(difference)?;
        }
    }
    if let (Some(report), []) = (verified, differences) {
        ui.status(format_args!("{} blocks are those of the bundle", report.read));
    }
    Ok(if differences.is_empty() { Outcome::Success } else { Outcome::Difference })
}

/// Parses the name of an AMI.
pub(super) fn image_name(text: &str) -> Result<String, String> {
    values::image_name(text, 3, 128)
}

fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !key.starts_with("aws:") => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err("not `KEY=VALUE`, or a key of AWS's own".to_owned()),
    }
}
