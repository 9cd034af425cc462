//! `amiforge diff`: explains how two images differ.

use std::path::PathBuf;

use super::Outcome;
use crate::ui::Ui;

/// Explain how two images or bundles differ, from the partition down to the byte
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge diff out/monday out/tuesday")]
pub(crate) struct Args {
    /// First image or bundle
    a: PathBuf,
    /// Second image or bundle
    b: PathBuf,
}

/// Runs the command.
pub(crate) fn run(_args: &Args, _ui: &Ui) -> Outcome {
    Err(anyhow::anyhow!("`amiforge diff` is not there yet").into())
}
