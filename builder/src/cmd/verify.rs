//! `amiforge verify`: checks a bundle against its manifest, a hand-over, or a snapshot or an AMI against a bundle.

mod handover;
#[cfg(feature = "aws")]
mod image;
#[cfg(feature = "aws")]
mod snapshot;
mod summary;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use amiforge_handover::read::is_handover;
use amiforge_image::bundle::MANIFEST;
use amiforge_image::image::EmitOptions;
use amiforge_image::verify::{self, VerifyError, VerifyReport};
use amiforge_progress::Monitor;
use amiforge_trust::policy::PolicyDecision;
use anyhow::Context as _;
use serde::Serialize;

use self::summary::{SummaryArgs, VerifiedBundle};
use super::receipts::kept::{KeptReceipts, kept};
use super::receipts::manifest_of;
use super::signed_by::{self, Demand, SignedByArgs};
use crate::outcome::{CommandResult, Failure, FailureJson, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::{Ui, written};

/// Check every byte of a bundle against its manifest, or a snapshot or an AMI against what was built
///
/// Of a bundle: who signed it, and whether a policy (`--signed-by`) accepts that, before anything else; then compares SHA256SUMS, every block with the manifest, every partition and file system with its format,
/// and tree.txt with the files of the image. Of a snapshot: reads it back and compares it with a bundle, or with its
/// tags. Of an AMI: every field of its registration, its tags, its launch permissions, and every snapshot of it. Of a
/// hand-over: every byte, up to the first that is wrong. Shows every difference and then exits with 3.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amiforge verify out/web\n  \
    amiforge verify hand-over.amx --signed-by policy.toml\n  \
    amiforge verify --partial hand-over.amx\n  \
    amiforge verify snap-0123456789abcdef0 --bundle out/web --region eu-west-1\n  \
    amiforge verify ami-0123456789abcdef0 --bundle out/web --region eu-west-1\n  \
    amiforge verify out/web --signed-by policy.toml\n  \
    amiforge verify out/web --attest verifier.pem -o web.vsa.sigstore.json")]
pub(crate) struct Args {
    /// The bundle; a hand-over (its file, a part of it, or `-` for standard input); a snapshot (`snap-…`), or an AMI
    /// (`ami-…`)
    #[arg(value_name = "BUNDLE")]
    target: PathBuf,

    /// Say how much of a hand-over is good, and where to go on copying it
    #[arg(long)]
    partial: bool,

    /// Refuse a bundle or a hand-over beside which no receipt of its publication is kept that is signed as this policy demands
    #[arg(long, value_name = "POLICY")]
    receipts_by: Option<PathBuf>,

    /// Compare a snapshot or an AMI with this bundle (or its manifest)
    #[cfg(feature = "aws")]
    #[arg(long, value_name = "BUNDLE")]
    bundle: Option<PathBuf>,

    /// Read back only this percentage of the blocks of a snapshot, chosen at random
    #[cfg(feature = "aws")]
    #[arg(long, value_name = "PERCENT", value_parser = super::percent::percent)]
    sample: Option<f64>,

    #[cfg(feature = "aws")]
    #[command(flatten)]
    plan: super::call_plan::DryRunArgs,

    #[cfg(feature = "aws")]
    #[command(flatten)]
    aws: super::region::Args,

    #[command(flatten)]
    pub(super) signed_by: SignedByArgs,

    #[command(flatten)]
    summary: SummaryArgs,

    /// Threads that read and hash; one for each core if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

/// What `--json` shows.
#[derive(Serialize)]
struct VerifyJson<'a> {
    bundle: String,
    #[serde(flatten)]
    report: &'a VerifyReport,
    /// What the policy says of the signatures, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<&'a PolicyDecision>,
    /// The receipts beside the bundle, where there are some.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipts: Option<&'a KeptReceipts>,
    /// Why the policy does not accept the bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<FailureJson>,
    seconds: f64,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    #[cfg(feature = "aws")]
    if let Some(Ok(name)) = args.target.to_str().map(super::region::resource_id) {
        args.require_signed_bundle(&name)?;
        if name.starts_with("ami-") {
            return image::run(args, &name, ui);
        }
        return snapshot::run(args, &name, ui);
    }
    #[cfg(feature = "aws")]
    if let Some(shown) = args.planned(ui) {
        return shown;
    }
    if args.target.as_os_str() == "-" || is_handover(&args.target) {
        return handover::run(args, ui);
    }
    let cannot = || format!("cannot verify `{}`", args.target.display());
    if args.partial {
        let error = anyhow::anyhow!("`--partial` is about a hand-over, and this is none").context(cannot());
        return Err(Failure::usage(error));
    }
    let cancel = interrupt_on_signals()?;
    let demand = args.signed_by.demand()?;
    let signed = demand.as_ref().map(|demand| demand.require(&args.target, &cannot())).transpose();
    // A bundle that is not the one that was signed is looked at all the same: every difference is listed, then it is refused.
    let (checked, refusal) = match signed {
        Ok(checked) => (checked, None),
        Err(failure) if signed_by::is_changed(&failure) => (None, Some(failure)),
        Err(failure) => return Err(failure),
    };
    let options =
        args.threads.map_or_else(EmitOptions::default, |threads| EmitOptions { threads: threads.into() });
    let begun = Instant::now();
    let report = verify::verify(&args.target, &options, Monitor::new(ui, &cancel)).map_err(|error| {
        let hint = not_a_bundle(&error, &args.target);
        let failure = match &error {
            VerifyError::AFile { .. } => Failure::usage(anyhow::Error::from(error).context(cannot())),
            _ => Failure::from(anyhow::Error::from(error).context(cannot())),
        };
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })?;
    let decision = checked.as_ref().and_then(|checked| checked.decision.as_ref());
    let receipts = receipts(args)?;
    show(args, &report, (decision, refusal.as_ref(), receipts.as_ref()), begun.elapsed(), ui)?;
    let verified = VerifiedBundle {
        bundle: &args.target,
        report: &report,
        demand: demand.as_ref().map(|demand| (demand, refusal.is_none())),
        #[cfg(feature = "aws")]
        aws: &args.aws,
    };
    args.summary.write(&verified, ui)?;
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    let good = report.differences.is_empty() && receipts.is_none_or(|kept| kept.refused.is_empty());
    Ok(if good { Outcome::Success } else { Outcome::Difference })
}

/// The receipts beside a bundle or a hand-over; none if there are no files of any and none is demanded. That none of them is
/// accepted is one more refusal.
fn receipts(args: &Args) -> Result<Option<KeptReceipts>, Failure> {
    let cannot = || format!("cannot check the receipts of `{}`", args.target.display());
    let demand = args.receipts_by.clone().map(Demand::read).transpose()?;
    // What has no manifest that can be read is refused for that, and has no receipts.
    let manifest = if args.target.as_os_str() == "-" { None } else { manifest_of(&args.target).ok() };
    let Some(manifest) = manifest else {
        return Ok(demand.map(|_| KeptReceipts {
            good: Vec::new(),
            refused: vec!["no receipt can be compared with it".to_owned()],
        }));
    };
    let mut kept = kept(&args.target, &manifest, demand.as_ref()).with_context(cannot)?;
    if demand.is_some() && kept.good.is_empty() && kept.refused.is_empty() {
        kept.refused.push("no receipt is kept beside it: `amiforge receipts import` takes one".to_owned());
    }
    let any = !kept.good.is_empty() || !kept.refused.is_empty();
    Ok(any.then_some(kept))
}

/// The lines of receipts: what is wrong with some, then the AMIs of the others.
fn receipt_lines(kept: Option<&KeptReceipts>) -> Vec<String> {
    let Some(kept) = kept else { return Vec::new() };
    let mut lines = kept.refused.clone();
    for receipt in &kept.good {
        let signed = match receipt.signed.as_slice() {
            [] => "no known key".to_owned(),
            signed => signed.join(", "),
        };
        let images = receipt.receipts.images.iter();
        lines.extend(images.map(|one| {
            format!("published as {} in {}, says a receipt signed by {signed}", one.image_id, one.region)
        }));
    }
    lines
}

/// The command to run instead, for a file or a folder that is no bundle.
fn not_a_bundle(error: &VerifyError, target: &Path) -> Option<String> {
    let hint = match error {
        VerifyError::AFile { .. } => match target.parent().filter(|folder| folder.join(MANIFEST).is_file()) {
            Some(folder) if folder.as_os_str().is_empty() => "write `amiforge verify .`".to_owned(),
            Some(folder) => format!("write `amiforge verify {}`", folder.display()),
            None => format!(
                "an image without a manifest is only looked at: `amiforge inspect {}`, `amiforge preflight {0}`",
                target.display()
            ),
        },
        VerifyError::NotABundle { .. } => "name the folder that `amiforge build -o` wrote".to_owned(),
        _ => return None,
    };
    Some(hint)
}

/// A number of differences as text.
fn counted(differences: usize) -> String {
    match differences {
        0 => "no difference".to_owned(),
        1 => "1 difference".to_owned(),
        count => format!("{count} differences"),
    }
}

#[cfg(feature = "aws")]
impl Args {
    /// Shows the calls of what is on this machine, if this was asked for: those of the signature of a summary.
    #[cfg(feature = "aws")]
    fn planned(&self, ui: &Ui) -> Option<CommandResult> {
        let cannot = format!("cannot verify `{}`", self.target.display());
        self.summary.planned(&self.plan, &self.aws, &cannot, ui)
    }

    /// Refuses to compare a snapshot or an AMI with a bundle that a policy does not accept, or with tags alone.
    fn require_signed_bundle(&self, name: &str) -> Result<(), Failure> {
        let cannot = format!("cannot verify `{name}`");
        match (self.signed_by.demand()?, &self.bundle) {
            (None, _) => Ok(()),
            (Some(demand), Some(bundle)) => demand.require(bundle, &cannot).map(drop),
            (Some(demand), None) => Err(demand.without_signatures(&self.target, &cannot)),
        }
    }
}

/// Who signed a bundle: lines of the result.
fn signers(report: &VerifyReport, decision: Option<&PolicyDecision>) -> Vec<String> {
    if let Some(decision) = decision {
        let threshold = decision.threshold.unwrap_or_default();
        return vec![format!("signed by {} ({threshold} needed)", decision.signed.join(", "))];
    }
    let good = report.signatures.iter().filter_map(|one| Some((one.fingerprint.as_ref()?, one.key?)));
    good.map(|(key, kind)| format!("signed with {kind} {key}; no policy says whose key that is")).collect()
}

fn show(
    args: &Args,
    report: &VerifyReport,
    (signed_by, refusal, receipts): (Option<&PolicyDecision>, Option<&Failure>, Option<&KeptReceipts>),
    took: Duration,
    ui: &Ui,
) -> Result<(), Failure> {
    let bundle = args.target.display().to_string();
    let seconds = took.as_secs_f64();
    if ui.json() {
        return ui.object(&VerifyJson {
            bundle,
            report,
            signed_by,
            receipts,
            error: refusal.map(Failure::to_json),
            seconds,
        });
    }
    let mut out = ui.out();
    for difference in &report.differences {
        written(writeln!(out, "{difference}"))?;
    }
    for line in signers(report, signed_by) {
        written(writeln!(out, "{bundle}: {line}"))?;
    }
    for line in receipt_lines(receipts) {
        written(writeln!(out, "{bundle}: {line}"))?;
    }
    let outcome = counted(report.differences.len());
    let checked = report.checked.join(", ");
    let checked = if checked.is_empty() { "no format checked".to_owned() } else { checked };
    let (mib, rate) = (report.bytes >> 20, report.bytes as f64 / 1e9 / seconds.max(1e-9));
    let line = format!(
        "{bundle}: {outcome} in {} blocks ({mib} MiB), {checked}, {} names; {seconds:.2} s, {rate:.2} GB/s",
        report.blocks, report.names
    );
    written(writeln!(out, "{line}").and_then(|()| out.flush()))
}
