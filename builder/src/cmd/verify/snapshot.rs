//! `amiforge verify snap-…|ami-…`: reads a snapshot back and compares it.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use amiforge_progress::Monitor;
use amiforge_publish::rate_limiter;
use amiforge_publish::verify::{self, Sample, SnapshotReport};
use anyhow::Context as _;
use serde::Serialize;

use super::Args;
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::{Ui, written};

/// What `--json` shows.
#[derive(Serialize)]
struct SnapshotVerifyJson<'a> {
    region: &'a str,
    #[serde(flatten)]
    report: &'a SnapshotReport,
    seconds: f64,
}

/// Verifies a snapshot.
pub(super) fn run(args: &Args, name: &str, ui: &Ui) -> CommandResult {
    let begun = Instant::now();
    if let Some(shown) = args.plan.shown_for_blocks("verify", Path::new(name), &args.aws, ui) {
        return shown;
    }
    let cancel = interrupt_on_signals()?;
    let region = args.aws.connect(&cancel)?;
    let services = region.services();
    let rate = if args.aws.is_local() { 0 } else { rate_limiter::DEFAULT_RATE };
    let sample = args.sample.map_or(Sample::All, Sample::Percent);
    let work =
        verify::verify(&services, name, args.bundle.as_deref(), sample, rate, Monitor::new(ui, &cancel));
    let report = region.block_on(work).with_context(|| format!("cannot verify {name}"))?;
    show(name, &services.region, &report, begun.elapsed(), ui)?;
    Ok(if report.differences.is_empty() { Outcome::Success } else { Outcome::Difference })
}

fn show(name: &str, region: &str, report: &SnapshotReport, took: Duration, ui: &Ui) -> Result<(), Failure> {
    let seconds = took.as_secs_f64();
    if ui.json() {
        return ui.object(&SnapshotVerifyJson { region, report, seconds });
    }
    let mut out = ui.out();
    for difference in &report.differences {
        written(writeln!(out, "{difference}"))?;
    }
    let outcome = super::counted(report.differences.len());
    let (read, held, against) = (report.read, report.held, &report.against);
    let line = format!("{name}: {outcome} from {against} in {read} of {held} blocks; {seconds:.2} s");
    written(writeln!(out, "{line}").and_then(|()| out.flush()))
}
