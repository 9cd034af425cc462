//! `amiforge boot`: launches an image on this machine, as EC2 would.

#[cfg(feature = "aws")]
mod ami;
mod args;
mod launch;
mod measured;
mod show;
mod target;

use std::fs;

#[cfg(all(feature = "aws", feature = "fetch"))]
use amiforge::update::BootResult;
use amiforge_image::inspect::Medium;
#[cfg(all(feature = "aws", feature = "fetch"))]
use amiforge_image::manifest::Manifest;
use amiforge_machine::boot::machine::InstanceIdentity;
use amiforge_machine::boot::receipt::{self, BootRecord, MachineKind, MeasuredRecord};
use amiforge_machine::boot::{BootError, DiskState, Launch, LaunchEnd, LaunchOutcome as Launched, launch};
use amiforge_progress::{CancelToken, Monitor};
use anyhow::Context as _;

pub(crate) use args::Args;
#[cfg(all(feature = "aws", feature = "fetch"))]
pub(crate) use args::{MachineArgs, Showing};
use measured::Measured;
use show::LaunchView;
use target::BootTarget;

use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    #[cfg(feature = "aws")]
    if let Some(shown) = args.plan.shown_for_blocks("boot", &args.image, &args.aws, ui) {
        return shown;
    }
    let cancel = interrupt_on_signals()?;
    let ended = launch_target(args, args.has_output(), ui, &cancel)?;
    show::outcome(&ended, ui)?;
    let differs = ended.measured.as_ref().is_some_and(|measured| !measured.differences().is_empty());
    Ok(match ended.launched.ended {
        _ if differs => Outcome::Difference,
        LaunchEnd::Passed | LaunchEnd::PoweredOff | LaunchEnd::Interrupted => Outcome::Success,
        LaunchEnd::Failed { .. } => Outcome::Difference,
    })
}

/// Boots a bundle until its checks have passed or one has failed. The console goes to standard error.
#[cfg(all(feature = "aws", feature = "fetch"))]
pub(crate) fn test(args: &Args, ui: &Ui, cancel: &CancelToken) -> Result<BootResult, Failure> {
    let Ended { request, launched, .. } = launch_target(args, true, ui, cancel)?;
    show::result(&request, &launched).ok_or_else(|| {
        anyhow::anyhow!("interrupted").context(format!("cannot boot `{}`", args.image.display())).into()
    })
}

/// The newest boot in the receipt of a bundle with this manifest.
#[cfg(all(feature = "aws", feature = "fetch"))]
pub(crate) fn recorded(bundle: &std::path::Path, manifest: &Manifest) -> Option<BootResult> {
    let receipt = receipt::require(bundle, manifest.into()).ok()?;
    let boot = receipt.boots.into_iter().rfind(|boot| !boot.passed.is_empty())?;
    Some(BootResult {
        passed: true,
        machine: show::machine(boot.arch, boot.firmware, boot.bus),
        accelerator: boot.accelerator,
        checks: boot.passed.iter().map(ToString::to_string).collect(),
        unmet: Vec::new(),
        reason: None,
        seconds: 0.0,
    })
}

/// A launch that has ended.
struct Ended {
    target: BootTarget,
    request: Launch,
    launched: Launched,
    /// What the TPM measured, if there was one.
    measured: Option<Measured>,
    receipt: Option<std::path::PathBuf>,
}

/// Launches the target, and leaves a receipt or removes one. `has_output` says that standard output is used for something
/// other than the console.
fn launch_target(args: &Args, has_output: bool, ui: &Ui, cancel: &CancelToken) -> Result<Ended, Failure> {
    require_signatures(args, ui, cancel)?;
    let target = open_target(args, ui, cancel)?;
    let cannot = || format!("cannot boot `{}`", args.image.display());
    let before = args.needs_login().then(|| Medium::open(&target.disk)).transpose().with_context(cannot)?;
    let before = before.as_ref().map(DiskState::read);
    let keys = measured::machine_keys(args, &target)?;
    let prediction = measured::predict(args, &target, &keys, ui)?;
    let request = args.launch(&target, keys, before.as_ref())?;
    if let Some(before) = before {
        refuse_without_key(&request, &before, cannot)?;
    }
    let log = args.log.as_deref().map(fs::File::create).transpose();
    let log = log.with_context(|| {
        format!("cannot write `{}`", args.log.as_deref().unwrap_or(&args.image).display())
    })?;
    let view = LaunchView::new(ui, &request, has_output, log);
    view.begin(&target, &request);
    let mut launched = launch(&request, &view, cancel).map_err(|error| failure(error, cannot()))?;
    view.end();
    let reading = launched.tpm.take();
    let measured = reading.map(|reading| Measured::new(request.secure_boot, reading, prediction.as_ref()));
    let mut ended = Ended { target, request, launched, measured, receipt: None };
    ended.receipt = keep_receipt(args, &ended, ui, cancel)?;
    Ok(ended)
}

/// Refuses a bundle that is not signed as the policy demands, before anything of it runs; its image is compared with what was
/// signed.
fn require_signatures(args: &Args, ui: &Ui, cancel: &CancelToken) -> Result<(), Failure> {
    if args.own_build {
        return Ok(());
    }
    let Some(demand) = args.signed_by.demand()? else { return Ok(()) };
    let cannot = format!("cannot boot `{}`", args.image.display());
    if !args.image.is_dir() {
        return Err(demand.without_signatures(&args.image, &cannot));
    }
    let checked = demand.require(&args.image, &cannot)?;
    demand.require_disk(&args.image, &checked, &cannot, Monitor::new(ui, cancel))
}

/// Opens a local image, or downloads the AMI that the arguments name.
#[cfg_attr(not(feature = "aws"), expect(unused_variables, reason = "only a download needs them"))]
fn open_target(args: &Args, ui: &Ui, cancel: &CancelToken) -> Result<BootTarget, Failure> {
    #[cfg(feature = "aws")]
    if let Some(id) = args.image.to_str().filter(|id| id.starts_with("ami-") && !args.image.exists()) {
        let id = crate::cmd::region::resource_id(id)
            .map_err(|reason| Failure::usage(anyhow::anyhow!("`{id}` is {reason}")))?;
        return ami::fetch(args, &id, ui, cancel);
    }
    BootTarget::local(args)
}

/// Refuses a command over ssh for an image that took another key: an image takes a key at its first boot only.
fn refuse_without_key(
    request: &Launch,
    before: &DiskState,
    cannot: impl Fn() -> String,
) -> Result<(), Failure> {
    let facts = &request.instance;
    let identity = InstanceIdentity::from_seed(&facts.seed, facts.id.as_deref(), &facts.kind);
    if request.key.is_some() || !before.was_booted_as(&identity) {
        return Ok(());
    }
    let id = &identity.instance;
    let why = anyhow::anyhow!(
        "it was booted before as the instance {id}, which took its key then and takes no other one"
    );
    let hint = "name that key by `--ssh-key`; or boot it as another instance, which takes the key of this launch: \
                `--instance-id i-00000000000000001`";
    Err(Failure::usage(why.context(cannot())).hint(hint))
}

fn failure(error: BootError, cannot: String) -> Failure {
    let hint = error.hint();
    let failure = Failure::from(anyhow::Error::from(error).context(cannot));
    Failure { hint, ..failure }
}

/// Writes the receipt of a boot that passed; removes the one of a boot that failed, or that measured something else than
/// predicted.
fn keep_receipt(
    args: &Args,
    ended: &Ended,
    ui: &Ui,
    cancel: &CancelToken,
) -> Result<Option<std::path::PathBuf>, Failure> {
    let Ended { target, request, launched, measured, .. } = ended;
    let Some(image) = target.receipt_image.as_deref().filter(|_| !args.leaves_no_receipt()) else {
        return Ok(None);
    };
    let cannot = || format!("cannot keep the receipt of `{}`", image.display());
    let differs = measured.as_ref().is_some_and(|measured| !measured.differences().is_empty());
    match launched.ended {
        LaunchEnd::Passed if !differs => {
            let Some(digests) = digests(target, image, ui, cancel).with_context(cannot)? else {
                ui.warn(format_args!(
                    "`{}` is not what its manifest describes, so there is no receipt; `amiforge verify` shows the differences",
                    image.display()
                ));
                return Ok(None);
            };
            let (arch, firmware, bus) = (request.arch, request.firmware, request.bus);
            let boot = BootRecord::new(arch, firmware, bus, launched.accel, launched.passed.clone());
            let measured = record(image, measured.as_ref()).with_context(cannot)?;
            let path = receipt::add_boot(image, digests, BootRecord { measured, ..boot });
            Ok(Some(path.with_context(cannot)?))
        }
        LaunchEnd::PoweredOff | LaunchEnd::Interrupted if !differs => Ok(None),
        _ => {
            let measured = measured.as_ref().map(|measured| measured.secure_boot);
            let kind =
                MachineKind { arch: request.arch, firmware: request.firmware, bus: request.bus, measured };
            receipt::remove_boot(image, kind).with_context(cannot)?;
            Ok(None)
        }
    }
}

/// The digests of an image; `None` if its manifest has others.
fn digests(
    target: &BootTarget,
    image: &std::path::Path,
    ui: &Ui,
    cancel: &CancelToken,
) -> Result<Option<receipt::ImageDigests>, receipt::ReceiptError> {
    // Compare lengths first: hashing a file that was extended by accident may take hours.
    if target.expected.is_some_and(|(_, size)| size != target.size) {
        return Ok(None);
    }
    let found = receipt::compute_digests(image, Monitor::new(ui, cancel))?;
    Ok(Some(found).filter(|found| target.expected.is_none_or(|(expected, _)| expected == *found)))
}

/// The measured part of a receipt. `None` where there was no TPM, no prediction, or no event log that explains the
/// registers.
fn record(
    image: &std::path::Path,
    measured: Option<&Measured>,
) -> Result<Option<MeasuredRecord>, receipt::ReceiptError> {
    let Some((measured, comparison)) =
        measured.and_then(|measured| Some((measured, measured.comparison.as_ref()?)))
    else {
        return Ok(None);
    };
    MeasuredRecord::keep(image, measured.secure_boot, &measured.reading, comparison)
}
