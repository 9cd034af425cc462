//! `amiforge receipts export`: reads every AMI of a publication back, and writes what it found.

use std::path::{Path, PathBuf};
use std::time::Instant;

use amiforge_handover::receipts::{
    NAMESPACE, PublishedBundle, PublishedImage, Publisher, ReadBack, Receipts, ReceiptsFile,
};
use amiforge_lifecycle::call_plan as plans;
use amiforge_progress::{CancelToken, Monitor};
use amiforge_publish::ami::ledger::{AmiLedger, PublishStage, read_copies, read_entry};
use amiforge_publish::ami::{self, AmiRegion};
use amiforge_publish::rate_limiter;
use amiforge_publish::retry::{CallStep, NoObserver, retry};
use amiforge_publish::services::Services;
use amiforge_publish::timer::Timer;
use amiforge_publish::verify::{self, Sample};
use anyhow::Context as _;

use super::{manifest_of, write_new};
use crate::cmd::call_plan::{self, DryRunArgs};
use crate::cmd::handover;
use crate::cmd::image_regions::now;
use crate::cmd::region::{self, ConnectedRegion};
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// Read the AMIs of a publication back, and write signed receipts of them
///
/// Compares every field of each AMI with the request of its publish, and every block of its snapshots with the manifest.
/// A receipt is written only if there is no difference.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  amiforge receipts export hand-over.amx --region eu-west-1 -o web.amr --key publisher.key"
)]
pub(crate) struct Args {
    /// The bundle or hand-over that was published from here
    image: PathBuf,

    /// File to write
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,

    /// Sign with this key: a file, `agent`, a `.pub` file, or `pkcs11:…`, as `amiforge sign` takes it
    #[arg(long, value_name = "KEY")]
    key: Option<String>,

    /// Read back only this percentage of the blocks, chosen at random; the receipt says how many were read
    #[arg(long, value_name = "PERCENT", value_parser = crate::cmd::percent::percent)]
    sample: Option<f64>,

    #[command(flatten)]
    plan: DryRunArgs,

    #[command(flatten)]
    aws: region::Args,
}

/// An AMI to read back.
struct Published {
    region: String,
    image_id: String,
    copy_of: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let begun = Instant::now();
    let cannot = || format!("cannot write receipts of `{}`", args.image.display());
    if args.out.symlink_metadata().is_ok() {
        let error = anyhow::anyhow!("`{}` exists already", args.out.display()).context(cannot());
        return Err(Failure::from(error).hint("remove it, or name another file"));
    }
    let cancel = interrupt_on_signals()?;
    let manifest = manifest_of(&args.image).with_context(cannot)?;
    if args.plan.is_given() {
        return plan(args, ui);
    }
    let key = args.key.as_deref().map(|key| handover::open_key(key, &cannot())).transpose()?;
    let connected = args.aws.connect(&cancel)?;
    let published = published(&args.image, connected.name()).with_context(cannot)?;
    if published.is_empty() {
        return Err(none_published(connected.name(), cannot()));
    }
    let timer = Timer::default().with_cancel(&cancel);
    let sts = connected.config().sts();
    let caller = connected.block_on(retry(&timer, CallStep::Idempotent, &NoObserver, || sts.caller()));
    let caller = caller.context("asking who calls").with_context(cannot)?;
    let mut images = Vec::new();
    for one in &published {
        let work = read_back(args, one, &connected, ui, &cancel);
        match connected.block_on(work).with_context(cannot)? {
            Ok(image) => images.push(image),
            Err(differences) => return refuse(&differences, ui),
        }
    }
    let publisher =
        Publisher { arn: caller.arn, account: caller.account, tool: env!("CARGO_PKG_VERSION").to_owned() };
    let receipts = Receipts::new(PublishedBundle::from(&manifest), publisher, now(), images);
    let text = receipts.to_text().into_bytes();
    let signature = key.map(|key| handover::sign(&*key, NAMESPACE, &text, &cannot())).transpose()?;
    let file = ReceiptsFile { text, signatures: signature.into_iter().collect() };
    let written = write_new(&args.out, &file.to_bytes());
    let written =
        written.with_context(|| format!("writing `{}`", args.out.display())).with_context(cannot)?;
    if !written {
        return Err(anyhow::anyhow!("`{}` exists already", args.out.display()).context(cannot()).into());
    }
    if ui.json() {
        ui.object(&receipts)?;
    } else {
        let count = receipts.images.len();
        ui.status(format_args!("{count} AMIs read back, {:.1} s", begun.elapsed().as_secs_f64()));
        super::list::show(&receipts, &[], ui)?;
    }
    Ok(Outcome::Success)
}

fn none_published(region: &str, cannot: String) -> Failure {
    let error = anyhow::anyhow!("no publish of it to {region} is finished here");
    Failure::from(error.context(cannot)).hint("the same `amiforge publish` finishes it")
}

/// Shows the calls, which follow from the ledger. That of the caller's identity needs no permission.
fn plan(args: &Args, ui: &Ui) -> CommandResult {
    let cannot = || format!("cannot plan receipts of `{}`", args.image.display());
    let region = call_plan::named_region(&args.aws)?;
    let published = published(&args.image, &region).with_context(cannot)?;
    if published.is_empty() {
        return Err(none_published(&region, cannot()));
    }
    let expected: Result<Vec<_>, _> =
        published.iter().map(|one| ami::expected(Some(&args.image), &one.image_id, None)).collect();
    let expected = expected.with_context(cannot)?;
    let images = published.iter().zip(&expected);
    let images = images.map(|(one, expected)| (one.region.as_str(), one.image_id.as_str(), expected));
    let title = format!("read the AMIs of `{}` back", args.image.display());
    call_plan::show(&title, &plans::images(images), ui)
}

/// The AMIs of a finished publish, by the ledger beside the image.
fn published(image: &Path, region: &str) -> anyhow::Result<Vec<Published>> {
    let folder = AmiLedger::path_for(image, region)?;
    let entry = read_entry(&folder)?.filter(|entry| entry.stage == PublishStage::Done);
    let Some((entry, image_id)) = entry.and_then(|entry| entry.image.clone().map(|id| (entry, id))) else {
        return Ok(Vec::new());
    };
    let mut all =
        vec![Published { region: entry.request.region.clone(), image_id: image_id.clone(), copy_of: None }];
    for copy in read_copies(&folder)?.into_iter().filter(|copy| copy.stage == PublishStage::Done) {
        if let Some(id) = copy.image {
            all.push(Published { region: copy.region, image_id: id, copy_of: Some(image_id.clone()) });
        }
    }
    Ok(all)
}

/// Compares an AMI with its request and its snapshots with their manifests. The inner error lists the differences.
async fn read_back(
    args: &Args,
    published: &Published,
    connected: &ConnectedRegion,
    ui: &Ui,
    cancel: &CancelToken,
) -> anyhow::Result<Result<PublishedImage, Vec<String>>> {
    let config = connected.config().in_region(&published.region);
    let services = Services {
        ebs: std::sync::Arc::new(config.ebs()),
        ec2: std::sync::Arc::new(config.ec2()),
        timer: Timer::default().with_cancel(cancel),
        region: published.region.clone(),
    };
    let monitor = Monitor::new(ui, cancel);
    let region = AmiRegion { name: &services.region, ec2: &*services.ec2, timer: &services.timer, monitor };
    let expected = ami::expected(Some(&args.image), &published.image_id, None)?;
    let examined = ami::examine(&region, &published.image_id, &expected, Some(&args.image)).await?;
    let differs = |text: String| format!("{} in {}: {text}", published.image_id, published.region);
    let mut differences: Vec<_> = examined.differences.iter().map(|one| differs(one.to_string())).collect();
    let rate = if args.aws.is_local() { 0 } else { rate_limiter::DEFAULT_RATE };
    let sample = args.sample.map_or(Sample::All, Sample::Percent);
    let mut snapshots = Vec::new();
    for volume in &examined.volumes {
        let bundle = volume.bundle.as_deref();
        let report = verify::verify(&services, &volume.snapshot, bundle, sample, rate, monitor).await?;
        differences.extend(report.differences.iter().map(|one| differs(one.to_string())));
        snapshots.push(ReadBack {
            device: volume.device.clone(),
            snapshot_id: report.snapshot_id,
            held: report.held,
            read: report.read,
            against: report.against,
        });
    }
    if !differences.is_empty() {
        return Ok(Err(differences));
    }
    Ok(Ok(PublishedImage {
        region: published.region.clone(),
        image_id: published.image_id.clone(),
        name: examined.image.name.clone().unwrap_or_default(),
        copy_of: published.copy_of.clone(),
        snapshots,
    }))
}

/// Shows the differences; no receipt is written.
fn refuse(differences: &[String], ui: &Ui) -> CommandResult {
    if ui.json() {
        ui.object(&serde_json::json!({ "differences": differences }))?;
    } else {
        differences.iter().try_for_each(|difference| ui.line(difference))?;
        ui.status("no receipt is written");
    }
    Ok(Outcome::Difference)
}
