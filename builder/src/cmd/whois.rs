//! `amiforge whois`: says which recipe, lock, version and digest made an AMI, by its tags, its watermarks, what is inside it
//! and its blocks, and whether these agree.

mod inside;
mod show;

use std::path::{Path, PathBuf};

use amiforge_formats::time::Time;
use amiforge_image::inspect::Utc;
use amiforge_lifecycle::call_plan::{self, WhoisDepth};
use amiforge_lifecycle::inventory::{self, ImageError, ImageOrigin};
use amiforge_progress::Monitor;
use amiforge_publish::ami;
use amiforge_publish::rate_limiter;
use amiforge_publish::request::root_of_watermark;
use amiforge_publish::source::ImageSource;
use amiforge_publish::tags;
use amiforge_publish::verify::{self, Sample, SnapshotReport};
use anyhow::Context as _;
use serde::Serialize;

use super::call_plan::DryRunArgs;
use super::image_regions::{failure, in_region, now};
use super::region;
use crate::outcome::{CommandResult, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;
use inside::Inside;

/// Say which recipe, lock, version and digest made an AMI
///
/// Reads the tags and watermarks of the AMI, and the recipe, the lock and the provenance inside its root file system, of which
/// only the blocks on the way are fetched; with a bundle also its manifest, which names every input. With `--verify` the
/// blocks of every snapshot are read back and compared. Exits with 3, and says what differs, if these do not agree.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amiforge whois ami-0123456789abcdef0 --region eu-west-1\n  \
    amiforge whois ami-0123456789abcdef0 --bundle out/web --verify")]
pub(crate) struct Args {
    /// The AMI
    #[arg(value_parser = region::image_id)]
    image: String,

    /// The bundle that it was made from
    #[arg(long, value_name = "BUNDLE")]
    bundle: Option<PathBuf>,

    /// Read the blocks back and compare them with the digest
    #[arg(long)]
    verify: bool,

    /// Read the tags and watermarks only, and no block
    #[arg(long, conflicts_with = "verify")]
    tags_only: bool,

    #[command(flatten)]
    plan: DryRunArgs,

    #[command(flatten)]
    aws: region::Args,
}

/// What is known of an AMI, as `--json` shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whois {
    #[serde(flatten)]
    origin: ImageOrigin,
    bundle: Option<BundleFacts>,
    /// What is inside the image.
    inside: Option<Inside>,
    /// In what tags, watermarks, what is inside, and the bundle differ.
    differences: Vec<String>,
    verified: Option<Vec<SnapshotReport>>,
}

/// What the manifest of a bundle says.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BundleFacts {
    path: String,
    epoch: String,
    architecture: String,
    recipe: String,
    lock: Option<String>,
    inputs: Vec<InputFacts>,
}

#[derive(Serialize)]
struct InputFacts {
    kind: String,
    name: String,
    sha256: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cannot = || format!("cannot say where {} comes from", args.image);
    let depth = if args.tags_only { WhoisDepth::Tags } else { WhoisDepth::Blocks };
    let title = format!("say where {} comes from", args.image);
    let calls = |region: &str| call_plan::whois(region, depth);
    if let Some(shown) = args.plan.shown(&title, &args.aws, calls, ui) {
        return shown;
    }
    let cancel = interrupt_on_signals()?;
    let source =
        args.bundle.as_deref().map(|bundle| ImageSource::open(bundle).with_context(cannot)).transpose()?;
    let connected = args.aws.connect(&cancel)?;
    let name = connected.name().to_owned();
    let origin = in_region(&connected, &name, ui, &cancel, async |region| {
        inventory::origin(region, &args.image, now()).await
    });
    let origin = origin.map_err(|error| failure(error, cannot()))?;
    let services = connected.services();
    let rate = if args.aws.is_local() { 0 } else { rate_limiter::DEFAULT_RATE };
    let root = origin.snapshots.first().filter(|_| !args.tags_only);
    let read = root.map(|root| inside::read(&connected, root, rate, ui, &cancel));
    let (inside, mut differences) = read.transpose()?.unwrap_or_default();
    if inside.is_none() && !origin.is_tagged() {
        let error = ImageError::NotOurs { image: args.image.clone(), region: name, tag: tags::IMAGE };
        return Err(failure(error, cannot()));
    }
    differences.extend(inside.iter().flat_map(|inside| inside.differences(&origin)));
    differences.extend(watermark_difference(&origin));
    if let Some(source) = &source {
        differences.extend(bundle_differences(&origin, inside.as_ref(), source));
    }
    let mut reports = Vec::new();
    for (at, snapshot) in origin.snapshots.iter().enumerate().filter(|_| args.verify) {
        // The bundle is that of the root volume; the others are compared with their own tags.
        let bundle = args.bundle.as_deref().filter(|_| at == 0);
        let monitor = Monitor::new(ui, &cancel);
        let work = verify::verify(&services, snapshot, bundle, Sample::All, rate, monitor);
        reports.push(connected.block_on(work).with_context(cannot)?);
    }
    let bundle = args.bundle.as_deref().zip(source.as_ref()).and_then(|(path, source)| facts(path, source));
    let verified = args.verify.then_some(reports);
    let whois = Whois { origin, bundle, inside, differences, verified };
    if ui.json() {
        ui.object(&whois)?;
    } else {
        show::show(&whois, ui)?;
    }
    let verified = whois.verified.iter().flatten();
    let equal =
        whois.differences.is_empty() && verified.flat_map(|report| &report.differences).next().is_none();
    Ok(if equal { Outcome::Success } else { Outcome::Difference })
}

fn facts(path: &Path, source: &ImageSource) -> Option<BundleFacts> {
    let origin = &source.manifest()?.origin;
    let inputs = origin.inputs.iter().map(|input| InputFacts {
        kind: input.kind.clone(),
        name: input.name.clone(),
        sha256: input.sha256.map(|sha256| sha256.to_string()),
    });
    Some(BundleFacts {
        path: path.display().to_string(),
        epoch: Utc(Time::from_secs(origin.epoch)).to_string(),
        architecture: origin.arch.clone(),
        recipe: origin.recipe.to_string(),
        lock: origin.lock.map(|lock| lock.to_string()),
        inputs: inputs.collect(),
    })
}

/// A difference between the watermarks that name a Merkle root and the tag of it. An image may carry those of the images that
/// it was made from, so one that agrees is enough.
fn watermark_difference(origin: &ImageOrigin) -> Option<String> {
    let tagged = origin.merkle_root.as_deref()?;
    let roots: Vec<_> =
        origin.watermarks.iter().filter_map(|watermark| root_of_watermark(watermark.name())).collect();
    (!roots.is_empty() && !roots.contains(&tagged)).then(|| {
        format!("{}: {tagged} in the tags, {} in the watermarks", tags::MERKLE_ROOT, roots.join(" and "))
    })
}

/// The facts in which a bundle differs from the tags of the AMI, and from what is inside it.
fn bundle_differences(origin: &ImageOrigin, inside: Option<&Inside>, source: &ImageSource) -> Vec<String> {
    let of_bundle = ami::digests(source);
    let blocks = origin.blocks.map(|blocks| blocks.to_string());
    let image = Some(&origin.image).filter(|name| !name.is_empty());
    let mut differences = Vec::new();
    let mut compare = |key: &str, value: Option<&String>, place: &str| {
        let built = of_bundle.get(key);
        if built != value {
            let word = |value: Option<&String>| value.map_or("absent", String::as_str).to_owned();
            differences.push(format!("{key}: {} {place}, {} in the bundle", word(value), word(built)));
        }
    };
    for (key, tagged) in [
        (tags::IMAGE, image),
        (tags::VERSION, origin.version.as_ref()),
        (tags::RECIPE, origin.recipe.as_ref()),
        (tags::MANIFEST, origin.manifest.as_ref()),
        (tags::MERKLE_ROOT, origin.merkle_root.as_ref()),
        (tags::BLOCKS, blocks.as_ref()),
    ] {
        if origin.is_tagged() {
            compare(key, tagged, "in the tags");
        }
    }
    // Earlier versions did not set these.
    let later = [(tags::IMAGE_SHA256, &origin.image_sha256), (tags::LOCK_SHA256, &origin.lock_sha256)];
    for (key, tagged) in later {
        if tagged.is_some() {
            compare(key, tagged.as_ref(), "in the tags");
        }
    }
    for (key, tagged) in &origin.pcrs {
        compare(key, Some(tagged), "in the tags");
    }
    if let Some(inside) = inside {
        compare(tags::RECIPE, Some(&inside.recipe), "in the image");
        compare(tags::LOCK_SHA256, inside.lock.as_ref(), "in the image");
    }
    differences
}
