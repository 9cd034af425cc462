//! `amiforge marketplace`: checks an image against the policies of AWS Marketplace.

#[cfg(feature = "aws")]
mod ami;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use amiforge_image::inspect::Medium;
use amiforge_machine::preflight::{self, PreflightFinding, PreflightSeverity};
use anyhow::Context as _;
use serde::Serialize;

#[cfg(feature = "aws")]
use super::region;
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::ui::{Ui, written};

/// Prepare an AMI for AWS Marketplace
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    operation: Operation,
}

/// The operations.
#[derive(Debug, clap::Subcommand)]
enum Operation {
    /// Check an image or an AMI against the policies that the scanner of AWS Marketplace enforces
    ///
    /// All that `preflight` checks; no passwords, authorized keys, host keys or other credentials; ssh by key alone, and
    /// not as root; an operating system that still gets security updates. Of an AMI: its architecture, its boot mode, ENA,
    /// the metadata service with tokens, volumes that are not encrypted, the region. Known vulnerabilities of packages are
    /// not looked for. Shows every finding with its remedy, and exits with 3 if one would have the product refused.
    /// `amiforge share AMI --marketplace` lets the scanner read it.
    #[command(after_help = "Examples:\n  amiforge marketplace check out/web\n  \
        amiforge marketplace check ami-0abc --bundle out/web --region us-east-1")]
    Check(CheckArgs),
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// The bundle, a raw image, or an AMI
    #[arg(value_name = "BUNDLE|IMAGE|AMI")]
    subject: String,

    /// The bundle (or raw image) that an AMI was made from, whose files are checked too
    #[arg(long, value_name = "BUNDLE")]
    bundle: Option<PathBuf>,

    #[cfg(feature = "aws")]
    #[command(flatten)]
    plan: super::call_plan::DryRunArgs,

    #[cfg(feature = "aws")]
    #[command(flatten)]
    aws: region::Args,
}

/// What `--json` shows.
#[derive(Serialize)]
struct CheckJson<'a> {
    subject: &'a str,
    passes: bool,
    findings: &'a [PreflightFinding],
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let Operation::Check(args) = &args.operation;
    let mut findings = Vec::new();
    let is_ami = args.subject.starts_with("ami-") && !Path::new(&args.subject).exists();
    #[cfg(feature = "aws")]
    if is_ami && let Some(shown) = ami::plan(&args.subject, &args.plan, &args.aws, ui) {
        return shown;
    }
    #[cfg(feature = "aws")]
    if !is_ami {
        args.plan.refuse_local(format!("cannot check `{}`", args.subject))?;
    }
    if is_ami {
        findings.extend(ami_findings(args)?);
        match &args.bundle {
            Some(bundle) => findings.extend(image_findings(bundle)?),
            None => ui.status("the files of the AMI are not checked: name its bundle with `--bundle`"),
        }
    } else {
        findings.extend(image_findings(Path::new(&args.subject))?);
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    show(&args.subject, &findings, ui)
}

#[cfg(feature = "aws")]
fn ami_findings(args: &CheckArgs) -> Result<Vec<PreflightFinding>, Failure> {
    ami::check(&args.subject, &args.aws)
}

#[cfg(not(feature = "aws"))]
fn ami_findings(_args: &CheckArgs) -> Result<Vec<PreflightFinding>, Failure> {
    Err(Failure::usage(anyhow::anyhow!("this build of amiforge cannot ask for AMIs: it has no AWS in it")))
}

fn image_findings(image: &Path) -> Result<Vec<PreflightFinding>, Failure> {
    let cannot = || format!("cannot look at `{}`", image.display());
    let medium = Medium::open(image).with_context(cannot)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64);
    Ok(preflight::marketplace(&medium, now).with_context(cannot)?.findings)
}

fn show(subject: &str, findings: &[PreflightFinding], ui: &Ui) -> CommandResult {
    let failures = findings.iter().filter(|finding| finding.severity == PreflightSeverity::Failure).count();
    let passes = failures == 0;
    if ui.json() {
        ui.object(&CheckJson { subject, passes, findings })?;
    } else {
        let mut out = ui.out();
        let mut write = || {
            for finding in findings {
                let severity = match finding.severity {
                    PreflightSeverity::Failure => "failure",
                    PreflightSeverity::Warning => "warning",
                };
                writeln!(out, "{severity} ({}): {finding}", finding.check)?;
            }
            match failures {
                0 => writeln!(out, "{subject}: keeps to the policies that can be checked here")?,
                1 => writeln!(out, "{subject}: would be refused, for one reason")?,
                count => writeln!(out, "{subject}: would be refused, for {count} reasons")?,
            }
            out.flush()
        };
        written(write())?;
    }
    Ok(if passes { Outcome::Success } else { Outcome::Difference })
}
