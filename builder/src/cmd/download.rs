//! `amiforge download`: reads a snapshot into a file.

use std::path::{Path, PathBuf};
use std::time::Instant;

use amiforge_progress::Monitor;
use amiforge_publish::download::download;
use amiforge_publish::error::PublishError;
use amiforge_publish::rate_limiter;
use serde::Serialize;

use super::call_plan::DryRunArgs;
use super::region;
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::{HumanBytes, Ui};

/// Read a snapshot into a file, through the EBS direct APIs
///
/// The file is sparse and as long as the volume. Every block is checked against the digest that the service states. A
/// stopped download resumes; the file gets its name only when it is complete.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge download snap-0123456789abcdef0 -o web.raw --region eu-west-1")]
pub(crate) struct Args {
    /// The snapshot (`snap-…`), or an AMI (`ami-…`), whose root volume is read
    #[arg(value_parser = super::region::resource_id)]
    snapshot: String,

    /// The file to write, which must not exist
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,

    #[command(flatten)]
    plan: DryRunArgs,

    #[command(flatten)]
    aws: region::Args,
}

/// What `--json` shows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DownloadJson<'a> {
    snapshot_id: &'a str,
    region: &'a str,
    file: String,
    size: u64,
    blocks: u64,
    blocks_fetched: u64,
    seconds: f64,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let begun = Instant::now();
    if let Some(shown) = args.plan.shown_for_blocks("download", Path::new(&args.snapshot), &args.aws, ui) {
        return shown;
    }
    let cancel = interrupt_on_signals()?;
    let region = args.aws.connect(&cancel)?;
    let services = region.services();
    let rate = if args.aws.is_local() { 0 } else { rate_limiter::DEFAULT_RATE };
    let work = download(&services, &args.snapshot, &args.out, rate, Monitor::new(ui, &cancel));
    let done = region.block_on(work).map_err(|error| failure(args, error))?;
    let seconds = begun.elapsed().as_secs_f64();
    let file = args.out.display().to_string();
    if ui.json() {
        ui.object(&DownloadJson {
            snapshot_id: &done.snapshot,
            region: &services.region,
            file,
            size: done.size,
            blocks: done.held,
            blocks_fetched: done.fetched,
            seconds,
        })?;
    } else {
        ui.status(format_args!("read {} blocks of {} in {seconds:.1} s", done.fetched, done.held));
        ui.line(format_args!("{file} {}", HumanBytes(done.size)))?;
    }
    Ok(Outcome::Success)
}

fn failure(args: &Args, error: PublishError) -> Failure {
    let resumable =
        matches!(error, PublishError::Interrupted | PublishError::Block { .. } | PublishError::Call { .. });
    let cannot = format!("cannot download {}", args.snapshot);
    let failure = Failure::from(anyhow::Error::from(error).context(cannot));
    if failure.hint.is_none() && resumable {
        failure.hint(format!("the same command resumes, from `{}.partial`", args.out.display()))
    } else {
        failure
    }
}
