//! `amiforge export`: writes a bundle as a hand-over.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use amiforge_formats::digest::Digest;
use amiforge_handover::contents::PUBLICATION;
use amiforge_handover::publication::{NAMESPACE, PlannedPublication};
use amiforge_handover::read::{Handover, is_handover};
use amiforge_handover::write::{Destination, ExportOptions, Exported, export};
use amiforge_image::bundle::MANIFEST;
use amiforge_image::values::size;
use amiforge_progress::Monitor;
use anyhow::Context as _;
use serde::Serialize;

use super::handover;
use super::leak_gate::GateArgs;
use super::signed_by::{Demand, SignedByArgs};
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::{HumanBytes, Ui};

/// Smallest part.
const SPLIT_MIN: u64 = 1 << 20;

/// Write a bundle as one file, for a host that shares no network with this one
///
/// The hand-over has everything that the other host needs: the blocks with data, each once and compressed, the manifest,
/// signatures, bills of materials and provenance, and on request the plan of the publication. `verify`, `unpack` and
/// `publish` read it, `verify` and `unpack` also from a pipe. The same bundle gives the same bytes. An image with leaks (`amiforge
/// leaks`) is refused before the first byte is written, a delta too.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amiforge export out/web -o hand-over.amx\n  \
    amiforge export out/web -o /media/usb/hand-over.amx --split 4GiB\n  \
    amiforge export out/web -o delta.amx --parent out/web-before\n  \
    amiforge export out/web -o hand-over.amx --name web-2026.11 --region eu-west-1 --share 111122223333 --key release.key\n  \
    amiforge export out/web -o - | ssh gateway 'cat > hand-over.amx'")]
pub(crate) struct Args {
    /// The bundle
    bundle: PathBuf,

    /// File to write; `-` for standard output
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,

    /// Write parts of at most this size, with `.001` and so on behind the name
    #[arg(long, value_name = "SIZE", value_parser = split)]
    split: Option<u64>,

    /// Leave out the blocks of an earlier image that the other host has: its bundle, manifest or hand-over
    #[arg(long, value_name = "BUNDLE")]
    parent: Option<PathBuf>,

    #[command(flatten)]
    signed_by: SignedByArgs,

    #[command(flatten)]
    gate: GateArgs,

    /// Threads that read and compress; one for each core if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,

    #[command(flatten)]
    plan: PlanArgs,
}

/// What `publish --as-planned` takes from the hand-over.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Plan of the publication")]
#[group(skip)]
struct PlanArgs {
    /// Name of the AMI
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Description of the AMI
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// Tag of the AMI and of its snapshots; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<String>,

    /// The region
    #[arg(long, value_name = "REGION")]
    region: Option<String>,

    /// The regions of copies
    #[arg(long, value_name = "REGION", value_delimiter = ',')]
    copy_to: Vec<String>,

    /// Who may launch it: accounts, and ARNs of organisations and organisational units
    #[arg(long, value_name = "WHO", value_delimiter = ',')]
    share: Vec<String>,

    /// When it counts as deprecated: a date, a time (RFC 3339), or a number of days such as `365d`
    #[arg(long, value_name = "WHEN")]
    deprecate: Option<String>,

    /// Sign the plan with this key: a file, `agent`, a `.pub` file, or `pkcs11:…`, as `amiforge sign` takes it
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

/// The result as JSON.
#[derive(Serialize)]
struct ExportJson {
    files: Vec<String>,
    handover: String,
    size: u64,
    blocks: u64,
    parent: Option<String>,
    seconds: f64,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let begun = Instant::now();
    let cannot = format!("cannot export `{}`", args.bundle.display());
    let stream = args.out.as_os_str() == "-";
    if stream && (args.split.is_some() || ui.json()) {
        let error = anyhow::anyhow!("standard output takes the hand-over, and nothing beside it");
        return Err(
            Failure::usage(error.context(cannot)).hint("leave `--split` and `--json` out, or name a file")
        );
    }
    let cancel = interrupt_on_signals()?;
    let demand = args.signed_by.demand()?;
    let options = ExportOptions {
        parent: args.parent.as_deref().map(|path| manifest_text(path, &cannot)).transpose()?,
        documents: args.documents(demand.as_ref(), &cannot)?,
        threads: args.threads.map_or(0, Into::into),
    };
    if let Some(demand) = &demand {
        demand.require(&args.bundle, &cannot)?;
    }
    args.gate.demand(&args.bundle, &cannot, ui, &cancel)?;
    let mut out = std::io::stdout().lock();
    let to = if stream {
        Destination::Stream(&mut out)
    } else {
        Destination::File { path: args.out.clone(), split: args.split }
    };
    let exported = export(&args.bundle, options, to, Monitor::new(ui, &cancel));
    let exported = exported.map_err(|error| handover::failure(error, cannot))?;
    show(&exported, begun.elapsed().as_secs_f64(), ui)
}

impl Args {
    /// The documents beside the bundle: the plan and its signature, if anything is planned.
    fn documents(&self, demand: Option<&Demand>, cannot: &str) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        let path = self.bundle.join(MANIFEST);
        let manifest =
            amiforge_progress::regular::read(&path).with_context(|| format!("reading `{}`", path.display()));
        let manifest = Digest::of(&manifest.with_context(|| cannot.to_owned())?);
        let policy = demand.map(|demand| {
            let text = amiforge_progress::regular::read(demand.path());
            text.map(|text| Digest::of(&text).to_string()).with_context(|| cannot.to_owned())
        });
        let plan = PlannedPublication {
            manifest_sha256: manifest.to_string(),
            policy_sha256: policy.transpose()?,
            name: self.plan.name.clone(),
            description: self.plan.description.clone(),
            tags: self.plan.tags.clone(),
            region: self.plan.region.clone(),
            copy_to: self.plan.copy_to.clone(),
            share: self.plan.share.clone(),
            deprecate: self.plan.deprecate.clone(),
            ..PlannedPublication::default()
        };
        if plan.lines().is_empty() && demand.is_none() {
            return match self.plan.key {
                Some(_) => Err(Failure::usage(
                    anyhow::anyhow!("`--key` signs the plan of the publication, and nothing is planned")
                        .context(cannot.to_owned()),
                )
                .hint("`amiforge sign BUNDLE` signs the bundle")),
                None => Ok(Vec::new()),
            };
        }
        let text = plan.to_text().into_bytes();
        let mut documents = Vec::new();
        if let Some(location) = &self.plan.key {
            let key = handover::open_key(location, cannot)?;
            let name = format!("publication/{}.sig", key.public().short_id());
            documents.push((name, handover::sign(&*key, NAMESPACE, &text, cannot)?));
        }
        documents.push((PUBLICATION.to_owned(), text));
        Ok(documents)
    }
}

/// The text of the manifest of a bundle or a hand-over, or a manifest.
fn manifest_text(path: &Path, cannot: &str) -> Result<Vec<u8>, Failure> {
    if is_handover(path) {
        let opened = Handover::open(path).map_err(|error| handover::failure(error, cannot.to_owned()))?;
        return Ok(opened.contents().documents.get(MANIFEST).cloned().unwrap_or_default());
    }
    let path = if path.is_dir() { path.join(MANIFEST) } else { path.to_owned() };
    let text =
        amiforge_progress::regular::read(&path).with_context(|| format!("reading `{}`", path.display()));
    Ok(text.with_context(|| cannot.to_owned())?)
}

/// Parses the size of a part.
fn split(text: &str) -> Result<u64, String> {
    match size(text)? {
        bytes if bytes < SPLIT_MIN => Err("a part has at least 1 MiB".to_owned()),
        bytes => Ok(bytes),
    }
}

fn show(exported: &Exported, seconds: f64, ui: &Ui) -> CommandResult {
    let files: Vec<_> = exported.files.iter().map(|path| path.display().to_string()).collect();
    if ui.json() {
        ui.object(&ExportJson {
            files,
            handover: exported.index_sha256.to_string(),
            size: exported.len,
            blocks: exported.blocks,
            parent: exported.parent.map(|parent| parent.to_string()),
            seconds,
        })?;
        return Ok(Outcome::Success);
    }
    let parts = if files.len() > 1 { format!("{} parts, ", files.len()) } else { String::new() };
    let continues = exported.parent.map(|parent| format!("; continues the image with the manifest {parent}"));
    ui.status(format_args!(
        "{parts}{} blocks in {}, {seconds:.1} s{}",
        exported.blocks,
        HumanBytes(exported.len),
        continues.unwrap_or_default()
    ));
    let mut out = ui.out();
    for file in files {
        crate::ui::written(writeln!(out, "{file}"))?;
    }
    crate::ui::written(out.flush())?;
    Ok(Outcome::Success)
}
