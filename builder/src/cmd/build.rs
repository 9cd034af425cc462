//! `amiforge build`: builds a recipe into a bundle.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use amiforge::lock::{self, Lock};
use amiforge::pipeline::{self, BuildError, BuildOptions, Built};
use amiforge::recipe::Recipe;
use amiforge::vendor::{self, VendorError};
use amiforge_image::attestations::check_vex;
use amiforge_image::bundle::{self, BundleError, ExistingBundle};
use amiforge_image::disk::{ContentError, DiskError};
use amiforge_image::image::EmitError;
use amiforge_image::manifest::{ImageOrigin, Secret};
use amiforge_progress::Monitor;
use amiforge_rootfs::assemble::AssembleError;
use amiforge_rootfs::sources::SourceError;
use amiforge_rootfs::stage::StageError;
use amiforge_rootfs::steps::StepError;
use amiforge_rootfs::steps::fstab::FstabError;
use amiforge_sandbox::{Limit, OnFailure, SandboxError};
use anyhow::Context as _;
use serde::Serialize;

use super::inputs::{default_store, load_recipe, lock_failure, source_date_epoch};
use super::sign::require_signed_inputs;
use super::signatures;
use super::signed_by::Demand;
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::{HumanBytes, Ui};

/// The longest document about vulnerabilities, in bytes.
const VEX_MAX: u64 = 16 << 20;

/// Build a recipe into a bundle: image, manifest, listing, checksums
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amiforge build web/recipe.toml -o out/web\n  \
    SOURCE_DATE_EPOCH=1761955200 amiforge build web/recipe.toml -o out/web --force --json\n\n\
    The same recipe and inputs give the same bytes, on any machine, for any user. Only the inputs are needed: \
    no root, no network, no tool of the host.")]
pub(crate) struct Args {
    /// The recipe
    recipe: PathBuf,

    /// Folder to make for the bundle
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,

    /// Replace an existing bundle, once the new one is complete
    #[arg(long)]
    force: bool,

    /// Threads that read, write and hash; one for each core if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,

    /// Folder where unpacked inputs are kept for the next build [default: amiforge in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,

    /// Take packages and sources from this file of `amiforge vendor` rather than from the store
    #[arg(long, value_name = "FILE")]
    vendor: Option<PathBuf>,

    /// Put this `OpenVEX` document (which vulnerabilities concern the image) into the bundle [default: the file beside the
    /// recipe whose name ends in `.openvex.json` rather than `.toml`, if there is one]
    #[arg(long, value_name = "FILE")]
    vex: Option<PathBuf>,

    /// Refuse a file of `--vendor` that is not signed as this policy demands for images of this name (`amiforge sign --for
    /// inputs`)
    #[arg(long, value_name = "POLICY", requires = "vendor")]
    signed_by: Option<PathBuf>,

    #[command(flatten)]
    signatures: signatures::Args,

    /// When a command in the sandbox fails, open a shell in the state that it left
    #[arg(long)]
    shell: bool,

    /// Open no socket. A build never does; this is for scripts that state it
    #[arg(long)]
    offline: bool,
}

/// The result as JSON.
#[derive(Debug, Serialize)]
struct BuildJson {
    bundle: String,
    image: String,
    size: u64,
    sha256: String,
    merkle_root: String,
    recipe_sha256: String,
    epoch: i64,
    partitions: Vec<PartitionReport>,
    layers: Vec<LayerReport>,
    secrets: Vec<Secret>,
    secrets_unknown: Vec<String>,
    warnings: Vec<String>,
    skipped: Vec<String>,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct LayerReport {
    name: String,
    reused: bool,
}

#[derive(Debug, Serialize)]
struct PartitionReport {
    number: u32,
    id: String,
    start: u64,
    size: u64,
    file_system: Option<String>,
    uuid: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let begun = Instant::now();
    let recipe = load_recipe(&args.recipe)?;
    let mut options = options(args)?;
    let cancel = interrupt_on_signals()?;
    if let (Some(policy), Some(inputs)) = (&args.signed_by, &args.vendor) {
        let cannot = format!("cannot build `{}`", recipe.image.name);
        let demand = Demand::read(policy.clone())?;
        require_signed_inputs(inputs, &recipe.image.name, &demand, &cancel, &cannot)?;
    }
    options.lock = lock(args, &recipe)?;
    let built = pipeline::build(&recipe, &options, Monitor::new(ui, &cancel))
        .map_err(|error| failure(error, &recipe, &args.named()))?;
    report(&built, begun.elapsed().as_secs_f64(), ui)?;
    Ok(Outcome::Success)
}

/// The lock of the recipe: the file beside it, or the one in the file of `--vendor`.
fn lock(args: &Args, recipe: &Recipe) -> Result<Option<Lock>, Failure> {
    let title = || format!("cannot build `{}`", recipe.image.name);
    let Some(vendor) = args.vendor.as_ref().filter(|_| Lock::is_needed(recipe)) else {
        let lock = lock::load_for(&args.recipe, recipe);
        return lock.map_err(|error| lock_failure(error, title(), &args.recipe));
    };
    vendor::lock_for(vendor, &args.recipe, recipe).map(Some).map_err(|error| match error {
        VendorError::Lock(error) => lock_failure(error, title(), &args.recipe),
        error => {
            let again = format!("`amiforge vendor {}` packs the inputs anew", args.recipe.display());
            Failure::usage(anyhow::Error::from(error).context(title())).hint(again)
        }
    })
}

fn options(args: &Args) -> Result<BuildOptions, Failure> {
    let threads = args.threads.map(usize::from);
    Ok(BuildOptions {
        out: args.out.clone(),
        existing: if args.force { ExistingBundle::Replace } else { ExistingBundle::Refuse },
        threads: threads.unwrap_or_else(|| amiforge_image::image::EmitOptions::default().threads),
        store: args.store.clone().or_else(default_store),
        source_date_epoch: source_date_epoch()?,
        lock: None,
        vendor: args.vendor.clone(),
        signatures: args.signatures.read()?,
        vex: vex(args)?,
        on_failure: args.named().on_failure,
    })
}

/// The document about vulnerabilities, in its form.
fn vex(args: &Args) -> Result<Option<Vec<u8>>, Failure> {
    let beside = args.recipe.with_extension("openvex.json");
    let path = match &args.vex {
        Some(path) => path,
        None if beside.is_file() => &beside,
        None => return Ok(None),
    };
    let cannot = || format!("cannot put `{}` into the bundle", path.display());
    let mut bytes = Vec::new();
    amiforge_progress::regular::open(path)
        .and_then(|file| file.take(VEX_MAX + 1).read_to_end(&mut bytes))
        .with_context(cannot)?;
    if bytes.len() as u64 > VEX_MAX {
        let fact = anyhow::anyhow!("it has more than {VEX_MAX} bytes");
        return Err(Failure::usage(fact.context(cannot())));
    }
    check_vex(&bytes).map_err(|error| {
        let hint = "`vexctl create` writes a document of OpenVEX; its fields are at https://openvex.dev";
        Failure::usage(anyhow::Error::from(error).context(cannot())).hint(hint)
    })?;
    Ok(Some(bytes))
}

impl Args {
    fn named(&self) -> NamedPaths<'_> {
        let on_failure = if self.shell { OnFailure::Shell } else { OnFailure::Stop };
        NamedPaths { recipe: &self.recipe, out: &self.out, on_failure }
    }
}

/// What the hints of a failed build name.
pub(super) struct NamedPaths<'a> {
    /// The recipe.
    pub(super) recipe: &'a Path,
    /// Where the bundle goes.
    pub(super) out: &'a Path,
    /// Whether a shell is opened already when a command fails.
    pub(super) on_failure: OnFailure,
}

/// The failure of a build with its hint.
pub(super) fn failure(error: BuildError, recipe: &Recipe, named: &NamedPaths<'_>) -> Failure {
    let hint = hint(&error, named);
    let failure =
        Failure::from(anyhow::Error::from(error).context(format!("cannot build `{}`", recipe.image.name)));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn hint(error: &BuildError, named: &NamedPaths<'_>) -> Option<String> {
    let out = named.out.display();
    let hint = match error {
        BuildError::Bundle(BundleError::Exists { .. }) => {
            format!("`--force` replaces the bundle `{out}` once the new one is whole")
        }
        BuildError::Bundle(BundleError::NotABundle { .. }) => {
            "only a bundle is ever replaced; choose another `--out`".to_owned()
        }
        BuildError::Bundle(BundleError::Busy { .. }) => {
            "wait for the other build, or choose another `--out`".to_owned()
        }
        BuildError::Bundle(BundleError::Image(EmitError::NoSpace { .. })) => {
            format!("make room where `{out}` goes, or choose an `--out` on another disk")
        }
        BuildError::Disk(DiskError::DiskTooSmall { .. }) => {
            "raise `size` under `[disk]`, or leave it out: the disk is then as large as it must be".to_owned()
        }
        BuildError::Disk(DiskError::Partition { id, source, .. }) if is_too_small(source) => {
            format!("give partition `{id}` a larger `size`, or the `[disk]` if it fills that")
        }
        BuildError::Step(StepError::Fstab(FstabError::Exists { .. })) => {
            "`fstab = \"replace\"` under `[system]` writes it anew, `\"keep\"` leaves it as it is".to_owned()
        }
        BuildError::Sources(AssembleError::Source { source, .. }) if is_other_digest(source) => {
            "if this file is the one that is meant, write its `sha256` in the recipe".to_owned()
        }
        BuildError::EnrolledKey { .. } => {
            "`openssl x509 -in FILE -text` shows what a certificate is; keys stay where they sign".to_owned()
        }
        BuildError::NoShell => {
            "take a system as a source (packages such as `dash` or `busybox-static` bring a shell), or make the change \
             by `[[file]]`, which needs none"
                .to_owned()
        }
        BuildError::Bundle(BundleError::InTheWay { path }) => {
            format!("look at `{}` and remove it, or choose another `--out`", path.display())
        }
        BuildError::NoLock => format!("`amiforge lock {}` makes one", named.recipe.display()),
        BuildError::NotFetched { .. } => format!(
            "`amiforge fetch {}` fetches what the lock pins; `--vendor` takes it from a file",
            named.recipe.display()
        ),
        BuildError::Configure(error) | BuildError::Run(error) => return in_sandbox(error, named.on_failure),
        BuildError::SecondRun(_) => {
            "`second-run = false` under `[secrets]` leaves the second run out".to_owned()
        }
        BuildError::Stage(error) => match &**error {
            StageError::Sandbox { source, .. } => return in_sandbox(source, named.on_failure),
            _ => return None,
        },
        _ => return None,
    };
    Some(hint)
}

/// A hint for a command that failed in the sandbox.
fn in_sandbox(error: &SandboxError, on_failure: OnFailure) -> Option<String> {
    let hint = match error {
        SandboxError::Limit { which: Limit::Time, .. } => {
            "what waits for a time of day to come needs `clock = \"real\"` under `[sandbox]`"
        }
        SandboxError::Step { .. } if on_failure == OnFailure::Stop => {
            "`--shell` opens a shell in the state that the command left"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Whether content does not fit into its partition.
fn is_too_small(error: &ContentError) -> bool {
    match error {
        ContentError::NoSpace { .. } => true,
        ContentError::Volume(error) => error.is_no_space(),
        _ => false,
    }
}

fn is_other_digest(error: &SourceError) -> bool {
    matches!(error, SourceError::Digest { .. })
}

/// The number of secrets that are shown one by one.
const NAMED_MAX: usize = 20;

/// Warns of files that every machine of the image would share.
fn warn_of_secrets(origin: &ImageOrigin, ui: &Ui) {
    let shared: Vec<_> = origin.secrets.iter().filter(|secret| secret.allowed.is_none()).collect();
    for secret in shared.iter().take(NAMED_MAX) {
        ui.warn(format_args!("{secret}, and every machine of this image would have the same"));
    }
    if let Some(more) = shared.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
        ui.warn(format_args!("{more} more files are like these; `secrets` in the manifest lists them"));
    }
    for unknown in &origin.secrets_unknown {
        ui.warn(format_args!("{unknown}"));
    }
    if shared.iter().any(|secret| secret.is_refused()) {
        ui.status(format_args!(
            "`publish` refuses these secrets: remove them, make them at the first boot, or allow them under `[secrets]`"
        ));
    }
}

/// Warns of what the image holds or lacks.
pub(super) fn warn(built: &Built, ui: &Ui) {
    let origin = &built.manifest.origin;
    warn_of_secrets(origin, ui);
    for warning in &built.warnings {
        ui.warn(format_args!("{warning}"));
    }
    warn_of_skipped(&origin.skipped, ui);
}

/// The things that are listed one by one.
const SKIPPED_SHOWN: usize = 8;

/// Lists what scripts of packages would have done.
fn warn_of_skipped(skipped: &[String], ui: &Ui) {
    if skipped.is_empty() {
        return;
    }
    ui.status(format_args!("{} things that scripts of packages do were not done:", skipped.len()));
    for one in skipped.iter().take(SKIPPED_SHOWN) {
        ui.status(format_args!("  {one}"));
    }
    if let Some(more) = skipped.len().checked_sub(SKIPPED_SHOWN).filter(|more| *more > 0) {
        ui.status(format_args!("  and {more} more: `skipped` in manifest.json lists them"));
    }
}

fn report(built: &Built, seconds: f64, ui: &Ui) -> Result<(), Failure> {
    let manifest = &built.manifest;
    let origin = &manifest.origin;
    warn(built, ui);
    if !ui.json() {
        let name = built.bundle.display();
        ui.status(format_args!("built in {seconds:.1} s, {} of disk", HumanBytes(manifest.size)));
        for verity in &manifest.verity {
            ui.status(format_args!("root hash of `{}`: {}", verity.data, verity.root_hash));
        }
        return ui.line(format_args!("{name} {}", manifest.plain));
    }
    let partitions = manifest.partitions.iter().map(|partition| PartitionReport {
        number: partition.number,
        id: partition.id.clone(),
        start: partition.start,
        size: partition.len,
        file_system: partition.file_system.clone(),
        uuid: partition.uuid.clone(),
    });
    let layers = built.layers.iter();
    let layers = layers.map(|layer| LayerReport { name: layer.name.clone(), reused: layer.reused });
    ui.object(&BuildJson {
        bundle: built.bundle.display().to_string(),
        image: built.bundle.join(bundle::DISK).display().to_string(),
        size: manifest.size,
        sha256: manifest.plain.to_string(),
        merkle_root: manifest.merkle_root.to_string(),
        recipe_sha256: manifest.origin.recipe.to_string(),
        epoch: manifest.origin.epoch,
        partitions: partitions.collect(),
        layers: layers.collect(),
        secrets: origin.secrets.clone(),
        secrets_unknown: origin.secrets_unknown.clone(),
        warnings: built.warnings.clone(),
        skipped: origin.skipped.clone(),
        seconds: (seconds * 1000.0).round() / 1000.0,
    })
}
