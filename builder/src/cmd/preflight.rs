//! `amiforge preflight`: checks what EC2 needs of an image before it is published.

use std::io::Write as _;
use std::path::PathBuf;

use amiforge_machine::preflight::{self, PreflightReport, PreflightSeverity};
use anyhow::Context as _;
use serde::Serialize;

use crate::outcome::{CommandResult, Failure, Outcome};
use crate::ui::{Ui, written};

/// Check that an image has what EC2 needs to start it and to let its owner in
///
/// Checks the program that firmware starts, the drivers for NVMe, the root's file system and ENA in the kernel or its
/// initrd, the serial console, a root by a stable name, ssh or the SSM agent, a first boot that takes the instance's key,
/// sudo for the user who gets it, an existing locale, leftover host keys and machine ids, types of partitions, room to
/// grow, and secrets that all machines would share: those that the manifest names and the recipe does not allow, or, in an
/// image without a manifest, private keys. Nothing is started: `amiforge boot` does that. Shows every finding, and exits
/// with 3 when the image would not boot, could not be reached or must not be published.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge preflight out/web")]
pub(crate) struct Args {
    /// The bundle, a raw image or a block device
    #[arg(value_name = "BUNDLE")]
    image: PathBuf,
}

/// What `--json` shows.
#[derive(Serialize)]
struct PreflightJson<'a> {
    image: String,
    passes: bool,
    #[serde(flatten)]
    report: &'a PreflightReport,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cannot = || format!("cannot look at `{}`", args.image.display());
    let medium = super::handover::medium(&args.image).with_context(cannot)?;
    let report = preflight::preflight(&medium).with_context(cannot)?;
    show(args, &report, ui)?;
    Ok(if report.passes() { Outcome::Success } else { Outcome::Difference })
}

fn show(args: &Args, report: &PreflightReport, ui: &Ui) -> Result<(), Failure> {
    let image = args.image.display().to_string();
    if ui.json() {
        return ui.object(&PreflightJson { image, passes: report.passes(), report });
    }
    let mut out = ui.out();
    for finding in &report.findings {
        let severity = match finding.severity {
            PreflightSeverity::Failure => "failure",
            PreflightSeverity::Warning => "warning",
        };
        written(writeln!(out, "{severity} ({}): {finding}", finding.check))?;
    }
    let failed = |secrets: bool| {
        let mut failures =
            report.findings.iter().filter(|finding| finding.severity == PreflightSeverity::Failure);
        failures.any(|finding| (finding.check == "secrets") == secrets)
    };
    let outcome = match (failed(false), failed(true)) {
        (false, false) => "passes",
        (true, false) => "would not boot, or could not be reached",
        (false, true) => "holds secrets that all its machines would share",
        (true, true) => {
            "would not boot or could not be reached, and holds secrets that all its machines would share"
        }
    };
    let firmware =
        if report.firmware.is_empty() { "nothing".to_owned() } else { report.firmware.join(" and ") };
    let kernel = report.kernel.as_deref().unwrap_or("unknown");
    let line = format!("{image}: {outcome}; started by {firmware}, kernel {kernel}");
    written(writeln!(out, "{line}").and_then(|()| out.flush()))
}
