//! `amiforge whois`: says which recipe, lock, version and digest made an AMI.

use std::path::{Path, PathBuf};

use amiforge_formats::time::Time;
use amiforge_image::inspect::Utc;
use amiforge_lifecycle::inventory::{self, ImageOrigin};
use amiforge_progress::Monitor;
use amiforge_publish::ami;
use amiforge_publish::rate_limiter;
use amiforge_publish::source::ImageSource;
use amiforge_publish::tags;
use amiforge_publish::verify::{self, Sample, SnapshotReport};
use anyhow::Context as _;
use serde::Serialize;

use super::image_regions::{failure, in_region, now};
use super::region;
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// Say which recipe, lock, version and digest made an AMI
///
/// Reads the tags of the AMI; with a bundle also its manifest, which names the lock and every input, after checking that
/// it is the manifest of this AMI. With `--verify` the blocks of every snapshot are read back and compared. Exits with 3
/// if something differs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amiforge whois ami-0123456789abcdef0 --region eu-west-1\n  \
    amiforge whois ami-0123456789abcdef0 --bundle out/web --verify")]
pub(crate) struct Args {
    /// The AMI
    #[arg(value_parser = image_id)]
    image: String,

    /// The bundle that it was made from
    #[arg(long, value_name = "BUNDLE")]
    bundle: Option<PathBuf>,

    /// Read the blocks back and compare them with the digest
    #[arg(long)]
    verify: bool,

    #[command(flatten)]
    aws: region::Args,
}

/// What `--json` shows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WhoisJson<'a> {
    #[serde(flatten)]
    origin: &'a ImageOrigin,
    bundle: Option<&'a BundleFacts>,
    /// Tags that differ from the bundle.
    differences: &'a [String],
    verified: Option<&'a [SnapshotReport]>,
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
    let cancel = interrupt_on_signals()?;
    let source =
        args.bundle.as_deref().map(|bundle| ImageSource::open(bundle).with_context(cannot)).transpose()?;
    let connected = args.aws.connect(&cancel)?;
    let name = connected.name().to_owned();
    let origin = in_region(&connected, &name, ui, &cancel, async |region| {
        inventory::origin(region, &args.image, now()).await
    });
    let origin = origin.map_err(|error| failure(error, cannot()))?;
    let bundle = args.bundle.as_deref().zip(source.as_ref()).and_then(|(path, source)| facts(path, source));
    let differences = source.as_ref().map(|source| differences(&origin, source)).unwrap_or_default();
    let mut reports = Vec::new();
    if args.verify {
        let services = connected.services();
        let rate = if args.aws.is_local() { 0 } else { rate_limiter::DEFAULT_RATE };
        for (at, snapshot) in origin.snapshots.iter().enumerate() {
            // The bundle is that of the root volume; the others are compared with their own tags.
            let bundle = args.bundle.as_deref().filter(|_| at == 0);
            let monitor = Monitor::new(ui, &cancel);
            let work = verify::verify(&services, snapshot, bundle, Sample::All, rate, monitor);
            reports.push(connected.block_on(work).with_context(cannot)?);
        }
    }
    let verified = args.verify.then_some(reports.as_slice());
    if ui.json() {
        ui.object(&WhoisJson {
            origin: &origin,
            bundle: bundle.as_ref(),
            differences: &differences,
            verified,
        })?;
    } else {
        show(&origin, bundle.as_ref(), &differences, &reports, ui)?;
    }
    let equal = differences.is_empty() && reports.iter().all(|report| report.differences.is_empty());
    Ok(if equal { Outcome::Success } else { Outcome::Difference })
}

/// Parses the id of an AMI.
fn image_id(text: &str) -> Result<String, String> {
    region::resource_id(text)
        .ok()
        .filter(|id| id.starts_with("ami-"))
        .ok_or_else(|| "not the id of an AMI: `ami-…`".to_owned())
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

/// The facts in which a bundle differs from the tags of the AMI.
fn differences(origin: &ImageOrigin, source: &ImageSource) -> Vec<String> {
    let of_bundle = ami::digests(source);
    let blocks = origin.blocks.map(|blocks| blocks.to_string());
    let mut differences = Vec::new();
    for (key, tagged) in [
        (tags::IMAGE, Some(&origin.image)),
        (tags::VERSION, origin.version.as_ref()),
        (tags::RECIPE, origin.recipe.as_ref()),
        (tags::MANIFEST, origin.manifest.as_ref()),
        (tags::MERKLE_ROOT, origin.merkle_root.as_ref()),
        (tags::BLOCKS, blocks.as_ref()),
    ] {
        let built = of_bundle.get(key);
        if built != tagged {
            let word = |value: Option<&String>| value.map_or("absent", String::as_str).to_owned();
            differences.push(format!("{key}: {} in the tags, {} in the bundle", word(tagged), word(built)));
        }
    }
    differences
}

fn show(
    origin: &ImageOrigin,
    bundle: Option<&BundleFacts>,
    differences: &[String],
    reports: &[SnapshotReport],
    ui: &Ui,
) -> Result<(), Failure> {
    let blocks = origin.blocks.map(|blocks| blocks.to_string());
    let snapshots = origin.snapshots.join(" ");
    for (name, value) in [
        ("image", Some(&origin.image)),
        ("version", origin.version.as_ref()),
        ("AMI", Some(&origin.image_id)),
        ("AMI name", origin.ami_name.as_ref()),
        ("region", Some(&origin.region)),
        ("account", origin.owner.as_ref()),
        ("state", Some(&origin.state.word().to_owned())),
        ("registered", origin.created.as_ref()),
        ("copy of", origin.copied_from.as_ref()),
        ("built by", origin.tool.as_ref()),
        ("recipe", origin.recipe.as_ref()),
        ("lock", bundle.and_then(|bundle| bundle.lock.as_ref())),
        ("manifest", origin.manifest.as_ref()),
        ("digest", origin.merkle_root.as_ref()),
        ("blocks", blocks.as_ref()),
        ("snapshots", Some(&snapshots)),
        ("bundle", bundle.map(|bundle| &bundle.path)),
        ("epoch", bundle.map(|bundle| &bundle.epoch)),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            ui.line(format_args!("{name:<11} {value}"))?;
        }
    }
    for input in bundle.iter().flat_map(|bundle| &bundle.inputs) {
        let sha256 = input.sha256.as_deref().unwrap_or("without a digest");
        ui.line(format_args!("input       {} {} {sha256}", input.kind, input.name))?;
    }
    for difference in differences {
        ui.line(format_args!("differs     {difference}"))?;
    }
    for report in reports {
        for difference in &report.differences {
            ui.line(format_args!("differs     {}: {difference}", report.snapshot_id))?;
        }
        let (count, read, against) = (report.differences.len(), report.read, &report.against);
        ui.line(format_args!(
            "verified    {}: {count} differences from {against} in {read} blocks",
            report.snapshot_id
        ))?;
    }
    Ok(())
}
