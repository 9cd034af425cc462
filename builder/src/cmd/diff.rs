//! `amiforge diff`: explains how two images differ.

use std::path::PathBuf;

use amiforge_image::diff::{DiffOptions, blocks, diff};
use amiforge_progress::Monitor;
use anyhow::Context as _;

use crate::outcome::{CommandResult, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// Differences of a group that are shown without `--all`.
const SHOWN: usize = 20;

/// Explain how two images or bundles differ, from the partition down to the byte
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amiforge diff out/monday out/tuesday\n  \
    amiforge diff --blocks out/monday out/tuesday\n\n\
    Exit codes: 0 equal, 3 different. Of two manifests (manifest.json) only the blocks are compared.")]
pub(crate) struct Args {
    /// First image, bundle or manifest
    a: PathBuf,
    /// Second image, bundle or manifest
    b: PathBuf,

    /// Show every difference, not the first of each group
    #[arg(long)]
    all: bool,

    /// Show instead how many blocks of 512 KiB differ, as an update of a snapshot sends them, and why they do
    #[arg(long, conflicts_with = "all")]
    blocks: bool,

    /// Threads that read [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cancel = interrupt_on_signals()?;
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = args.threads.map_or_else(cores, usize::from);
    let options = DiffOptions { threads, monitor: Monitor::new(ui, &cancel) };
    let shown =
        |path: &PathBuf| amiforge_formats::tree::Printable(path.as_os_str().as_encoded_bytes()).to_string();
    let failed = || format!("cannot compare `{}` with `{}`", shown(&args.a), shown(&args.b));
    if args.blocks {
        let report = blocks(&args.a, &args.b, options).with_context(failed)?;
        if ui.json() {
            ui.object(&report)?;
        } else {
            ui.line(report.text().trim_end())?;
        }
        return Ok(if report.equal { Outcome::Success } else { Outcome::Difference });
    }
    let report = diff(&args.a, &args.b, options).with_context(failed)?;
    if ui.json() {
        ui.object(&report)?;
    } else {
        ui.line(report.text(if args.all { usize::MAX } else { SHOWN }).trim_end())?;
    }
    Ok(if report.equal { Outcome::Success } else { Outcome::Difference })
}
