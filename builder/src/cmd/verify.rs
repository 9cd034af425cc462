//! `amiforge verify`: checks a bundle against its manifest.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use amiforge::image::Options;
use amiforge::verify::{self, Report};
use anyhow::Context as _;
use serde::Serialize;

use super::{Done, Failure, Outcome};
use crate::ui::{Ui, written};

/// Check every byte of a bundle against its manifest
///
/// Compares SHA256SUMS, every block with the manifest, every partition and file system with its format, and tree.txt
/// with what the image holds. Tells everything that differs and then exits with 3.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge verify out/web")]
pub(crate) struct Args {
    /// The bundle
    bundle: PathBuf,

    /// Threads that read and hash; all cores unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

/// What `--json` shows.
#[derive(Serialize)]
struct Verified<'a> {
    bundle: String,
    #[serde(flatten)]
    report: &'a Report,
    seconds: f64,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> Outcome {
    let cannot = || format!("cannot verify `{}`", args.bundle.display());
    let interrupt = super::stop_on_signals()?;
    let options = args.threads.map_or_else(Options::default, |threads| Options { threads: threads.into() });
    let begun = Instant::now();
    let report = verify::verify(&args.bundle, &options, ui, &interrupt).with_context(cannot)?;
    show(args, &report, begun.elapsed(), ui)?;
    Ok(if report.differences.is_empty() { Done::Well } else { Done::Differs })
}

fn show(args: &Args, report: &Report, took: Duration, ui: &Ui) -> Result<(), Failure> {
    let bundle = args.bundle.display().to_string();
    let seconds = took.as_secs_f64();
    if ui.json() {
        return ui.object(&Verified { bundle, report, seconds });
    }
    let mut out = ui.out();
    for difference in &report.differences {
        written(writeln!(out, "{difference}"))?;
    }
    let outcome = match report.differences.len() {
        0 => "no difference".to_owned(),
        1 => "1 difference".to_owned(),
        count => format!("{count} differences"),
    };
    let checked = report.checked.join(", ");
    let (mib, rate) = (report.bytes >> 20, report.bytes as f64 / 1e9 / seconds.max(1e-9));
    let line = format!(
        "{bundle}: {outcome} in {} blocks ({mib} MiB), {checked}, {} names; {seconds:.2} s, {rate:.2} GB/s",
        report.blocks, report.names
    );
    written(writeln!(out, "{line}").and_then(|()| out.flush()))
}
