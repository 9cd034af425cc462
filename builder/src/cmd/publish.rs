//! `amiforge publish`: publishes a bundle as an AMI, shares and copies it.

mod also;
mod copy_args;
mod import_args;
mod measured;
mod planned;
mod result;
mod upload_args;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use amiforge_formats::digest::BLOCK;
use amiforge_machine::boot::receipt;
use amiforge_progress::{CancelToken, Monitor, Progress as _};
use amiforge_publish::ami::{self, AmiError, Deleted, PublishJob, Published, Route};
use amiforge_publish::plan::SourceRead;
use amiforge_publish::request::{AmiOptions, ImageFacts, KeyChoice, Request};
use amiforge_publish::source::ImageSource;
use amiforge_publish::upload;
use anyhow::Context as _;

use self::copy_args::CopyArgs;
use self::upload_args::UploadArgs;
use super::leak_gate::GateArgs;
use super::receipts::kept::published_before;
use super::signed_by::{self, Demand, SignedByArgs};
use super::{ami_args, call_plan, dry_run, region};
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::{HumanBytes, Ui};

/// Publish a bundle as an AMI: upload, register, tag, share, copy
///
/// Can be stopped at any moment, also by a power cut: the same command resumes, also on another host if the bundle and
/// the folder `BUNDLE.publish` beside it are moved there. `--abandon` deletes what it has made so far.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Examples:\n  amiforge publish out/web --region eu-west-1 --copy-to eu-central-1,us-east-1\n  \
    amiforge publish out/web --region eu-west-1 --parent auto --share 111122223333 --dry-run\n  \
    amiforge publish out/web --region eu-west-1 --via import --bucket my-imports\n  \
    amiforge publish hand-over.amx --as-planned --signed-by policy.toml\n  \
    amiforge publish out/web --region local"
)]
#[expect(clippy::struct_excessive_bools, reason = "one switch of the command line each")]
pub(crate) struct Args {
    /// The bundle, a hand-over (its file, or a part of it), or a raw disk image
    pub(crate) image: PathBuf,

    /// Take what the plan of a hand-over says, where no option says otherwise: name, description, tags, regions, sharing,
    /// deprecation
    #[arg(long, conflicts_with = "abandon")]
    as_planned: bool,

    /// Print the steps, their approximate cost and the IAM policy that they need; makes no call
    #[arg(long, conflicts_with = "abandon")]
    dry_run: bool,

    /// Delete what an unfinished publish has made: copies, AMI, snapshots. What is published stays
    #[arg(long)]
    abandon: bool,

    /// Refuse an image without a receipt of `amiforge boot`: that these very bytes booted and showed what they should
    #[arg(long, conflicts_with = "abandon")]
    require_boot: bool,

    /// Refuse an image without a receipt of `amiforge boot --tpm`: that these very bytes booted, with Secure Boot as they
    /// are registered, and that the TPM measured what is predicted; needs `--tpm`
    #[arg(long, conflicts_with = "abandon")]
    require_measured: bool,

    /// Folder of the store: of an image that keeps the disk of a snapshot, the file of that disk is there, so that a parent
    /// with it need not be read [default: the user's cache folder]
    #[arg(long, value_name = "DIR", help_heading = "Upload")]
    store: Option<PathBuf>,

    #[command(flatten)]
    signed_by: SignedByArgs,

    #[command(flatten)]
    to: PublishArgs,
}

/// What is published, and where to, apart from the image.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub(crate) struct PublishArgs {
    #[command(flatten)]
    pub(crate) ami: ami_args::Args,

    #[command(flatten)]
    pub(crate) upload: UploadArgs,

    #[command(flatten)]
    copying: CopyArgs,

    #[command(flatten)]
    gate: GateArgs,

    /// Publish in a further region with another profile: another partition or account, which no copy reaches; may be
    /// repeated
    #[arg(long, value_name = "PROFILE:REGION", value_delimiter = ',')]
    also: Vec<also::Also>,

    #[command(flatten)]
    pub(crate) aws: region::Args,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let begun = Instant::now();
    let cancel = interrupt_on_signals()?;
    if args.abandon {
        return abandon(args, &cancel, ui);
    }
    let signed = args.signed_by.require(&args.image, &args.cannot())?;
    let source = ImageSource::open(&args.image).with_context(|| args.cannot())?;
    signed_by::same_manifest(signed.as_ref(), source.manifest_sha256(), &args.cannot())?;
    let policy = args.signed_by.demand()?;
    let planned = planned::with_plan(args, &source, policy.as_ref().map(Demand::policy), ui)?;
    let mut args = planned.unwrap_or_else(|| args.clone());
    args.to.upload.store.clone_from(&args.store);
    let args = &args;
    ami_args::refuse_secrets(&source, &args.cannot())?;
    ami_args::refuse_unsigned(&source, &args.cannot())?;
    if args.require_boot {
        demand_receipt(args, &source, ui, &cancel)?;
    }
    if args.to.upload.parent_bundle.is_some() && args.to.upload.parent.is_none() {
        let error =
            anyhow::anyhow!("`--parent-bundle` is the bundle of a parent, and no `--parent` is named");
        return Err(Failure::usage(error.context(args.cannot())).hint("add `--parent auto`"));
    }
    let facts = ami::image_facts(&source);
    // Mistakes in the options are reported before any call, and before a local region is started.
    let early = args.to.early_request(&args.image, &facts)?;
    let further = args.to.further(&args.image, &facts)?;
    for limit in args.to.ami.limits(&args.image) {
        ui.warn(limit);
    }
    let measured = |request: &Request| measured::demand_receipt(args, request, &source, ui, &cancel);
    early.iter().filter(|_| args.require_measured).try_for_each(measured)?;
    if args.dry_run {
        return args.to.show_plan(early, &source, &[], ui);
    }
    let connected = args.to.aws.connect(&cancel)?;
    if args.require_measured && early.is_none() {
        measured(&args.to.request(&args.image, &facts, connected.name())?)?;
    }
    let (published, request) = args.to.publish(&args.image, &facts, &connected, ui, &cancel)?;
    // A local region that runs in this process serves one command at a time.
    drop(connected);
    let others = also::publish(&further, &args.image, &facts, ui, &cancel);
    let seconds = begun.elapsed().as_secs_f64();
    if !ui.json() {
        show(&published, &request, seconds, ui)?;
        let others = also::show(others, None, ui);
        return finish(published).and(others);
    }
    let mut result = result::json(&published, &request, seconds)?;
    let others = also::show(others, Some(&mut result), ui);
    let outcome = finish(published).and(others);
    if let Err(failure) = &outcome {
        result["error"] = serde_json::to_value(failure.to_json()).map_err(anyhow::Error::from)?;
    }
    ui.object(&result)?;
    outcome
}

/// Refuses an image without a receipt of a boot, for `--require-boot`.
fn demand_receipt(args: &Args, source: &ImageSource, ui: &Ui, cancel: &CancelToken) -> Result<(), Failure> {
    let digests = digests(args, source, ui, cancel)?;
    match receipt::require(&args.image, digests) {
        Ok(_) => Ok(()),
        Err(error) => {
            let hint = format!("`amiforge boot {} --expect 'login:'` leaves one", args.image.display());
            Err(Failure::from(anyhow::Error::from(error).context(args.cannot())).hint(hint))
        }
    }
}

/// The digests of the image: those of its manifest, which the upload compares with what it sends, or those of a raw file.
fn digests(
    args: &Args,
    source: &ImageSource,
    ui: &Ui,
    cancel: &CancelToken,
) -> Result<receipt::ImageDigests, Failure> {
    Ok(match source.manifest() {
        Some(manifest) => receipt::ImageDigests::from(manifest),
        None => {
            receipt::compute_digests(&args.image, Monitor::new(ui, cancel)).with_context(|| args.cannot())?
        }
    })
}

impl Args {
    fn cannot(&self) -> String {
        cannot(&self.image)
    }
}

impl PublishArgs {
    /// The request for a region that the options or the environment name; `None` if only a configuration file or the
    /// machine names it.
    pub(crate) fn early_request(&self, image: &Path, facts: &ImageFacts) -> Result<Option<Request>, Failure> {
        self.route(&cannot(image))?;
        let region = region::named_region(&self.aws);
        region.map(|region| self.request(image, facts, &region)).transpose()
    }

    /// Shows the plan of a request for an image, of whose sources some are snapshots.
    pub(crate) fn show_plan(
        &self,
        request: Option<Request>,
        source: &ImageSource,
        snapshots: &[SourceRead],
        ui: &Ui,
    ) -> CommandResult {
        let request = request.ok_or_else(call_plan::no_region)?;
        let parent_bundle = self.upload.parent_bundle.as_deref();
        match self.route("cannot plan the publish")? {
            Route::Direct => dry_run::show(&request, source, parent_bundle, self.parent(), snapshots, ui),
            Route::Import(import) => dry_run::show_import(&request, source, &import, snapshots, ui),
        }
    }

    /// Publishes an image in the connected region.
    pub(crate) fn publish(
        &self,
        image: &Path,
        facts: &ImageFacts,
        connected: &region::ConnectedRegion,
        ui: &Ui,
        cancel: &CancelToken,
    ) -> Result<(Published, Request), Failure> {
        let mut request = self.request(image, facts, connected.name())?;
        self.gate.demand_of(image, &mut request, &cannot(image), ui, cancel)?;
        self.ami.confirm(&request, ui)?;
        for before in published_before(image, connected.name()) {
            ui.status(before);
        }
        find_keys(image, &mut request, connected, ui)?;
        let services = connected.services();
        let job = self.job(image, request)?;
        let work = ami::publish(&services, connected.config(), &job, Monitor::new(ui, cancel));
        let published = connected.block_on(work);
        let published = published.map_err(|error| self.failure(image, error, connected.name()))?;
        Ok((published, job.request))
    }

    /// The request for a region, with every mistake in the options.
    pub(crate) fn request(&self, image: &Path, facts: &ImageFacts, region: &str) -> Result<Request, Failure> {
        ami_args::request(&self.options(), facts, region, &cannot(image))
    }

    fn options(&self) -> AmiOptions {
        AmiOptions {
            encryption: ami_args::encryption_key(self.upload.kms_key.as_deref(), self.upload.encrypt),
            copy_to: self.copying.copy_to.clone(),
            copy_kms: self.copying.copy_kms.clone(),
            encrypt_copies: if self.copying.encrypt_copies { KeyChoice::Default } else { KeyChoice::Account },
            ..self.ami.options()
        }
    }

    fn parent(&self) -> amiforge_publish::plan::Parent {
        match &self.upload.parent {
            Some(_) => amiforge_publish::plan::Parent::Some,
            None => amiforge_publish::plan::Parent::None,
        }
    }

    /// How the snapshots are made.
    fn route(&self, cannot: &str) -> Result<Route, Failure> {
        self.upload.import.route(self.upload.parent.is_some(), cannot)
    }

    fn job(&self, image: &Path, request: Request) -> Result<PublishJob, Failure> {
        Ok(PublishJob {
            image: image.to_owned(),
            request,
            upload: upload::UploadOptions {
                parent: self.upload.parent.clone(),
                parent_bundle: self.upload.parent_bundle.clone(),
                base_disk: super::inputs::base_disk(image, self.upload.store.as_deref()),
                rate: ami_args::rate(self.upload.max_rate, self.aws.is_local()),
                ..upload::UploadOptions::default()
            },
            route: self.route(&cannot(image))?,
            wait: Duration::from_mins(self.copying.copy_wait),
        })
    }

    fn failure(&self, image: &Path, error: AmiError, region: &str) -> Failure {
        let left = ami::unfinished(image, region).unwrap_or_default();
        ami_args::failure(error, cannot(image), Some((&left, &self.abandoning(image))))
    }

    fn abandoning(&self, image: &Path) -> String {
        let region =
            self.aws.region.as_deref().map(|region| format!(" --region {region}")).unwrap_or_default();
        format!("amiforge publish {}{region} --abandon", image.display())
    }
}

/// Replaces aliases by key ids. If the region of a copy does not answer, the copy itself looks the alias up.
fn find_keys(
    image: &Path,
    request: &mut Request,
    connected: &region::ConnectedRegion,
    ui: &Ui,
) -> Result<(), Failure> {
    let failed = |error| ami_args::key_failure(error, cannot(image));
    request.encryption = connected.key(&request.region, &request.encryption).map_err(failed)?;
    for copy in &mut request.copies {
        match connected.key(&copy.region, &copy.encryption) {
            Err(error) if error.is_region_failure() => {
                let error = anyhow::Error::from(error);
                ui.message(&format!("{}: the copy names the key by its alias: {error:#}", copy.region));
            }
            key => copy.encryption = key.map_err(failed)?,
        }
    }
    Ok(())
}

fn cannot(image: &Path) -> String {
    format!("cannot publish `{}`", image.display())
}

/// Blocks that the publish sent.
pub(crate) fn sent(published: &Published) -> u64 {
    published.uploads.iter().map(|uploaded| uploaded.sent).sum()
}

fn show(published: &Published, request: &Request, seconds: f64, ui: &Ui) -> Result<(), Failure> {
    let (image, sent) = (&published.image, sent(published));
    ui.status(format_args!("sent {sent} blocks ({}) in {seconds:.1} s", HumanBytes(sent * BLOCK)));
    ui.line(format_args!("{} {} {}", request.region, image.id, image.snapshots().join(" ")))?;
    for copied in published.copied() {
        ui.line(format_args!("{} {} {}", copied.region, copied.image_id, copied.snapshot_ids.join(" ")))?;
    }
    Ok(())
}

/// The outcome of a publish: a failed copy is a failure.
pub(crate) fn finish(published: Published) -> CommandResult {
    let all = published.copies.len();
    let mut failed: Vec<_> =
        published.copies.into_iter().filter_map(|copy| Some((copy.region, copy.outcome.err()?))).collect();
    if failed.is_empty() {
        return Ok(Outcome::Success);
    }
    let regions: Vec<_> = failed.iter().map(|(region, _)| region.clone()).collect();
    let (region, first) = failed.swap_remove(0);
    let cannot = format!(
        "cannot copy {} to {} of {all} regions: {}",
        published.image.id,
        regions.len(),
        regions.join(", ")
    );
    let error = anyhow::Error::from(first).context(format!("copying to {region}")).context(cannot);
    Err(Failure::from(error).hint("the same command copies to what is missing only; what is there stays"))
}

fn abandon(args: &Args, cancel: &CancelToken, ui: &Ui) -> CommandResult {
    also::abandon(&args.to.others(), &args.image, ui, cancel)?;
    let connected = args.to.aws.connect(cancel)?;
    let services = connected.services();
    let work = ami::abandon(&services, connected.config(), &args.image, Monitor::new(ui, cancel));
    let cannot = format!("cannot abandon the publish of `{}`", args.image.display());
    let deleted = connected.block_on(work).map_err(|error| {
        let hint = match &error {
            AmiError::NothingToAbandon { .. } => None,
            _ => Some("the same command continues the deletion"),
        };
        let failure = Failure::from(anyhow::Error::from(error).context(cannot));
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })?;
    show_deleted(&deleted, ui)
}

fn show_deleted(deleted: &[Deleted], ui: &Ui) -> CommandResult {
    if ui.json() {
        ui.object(&serde_json::json!({ "deleted": deleted }))?;
        return Ok(Outcome::Success);
    }
    for Deleted { region, id } in deleted {
        ui.line(format_args!("{region} {id} deleted"))?;
    }
    Ok(Outcome::Success)
}
