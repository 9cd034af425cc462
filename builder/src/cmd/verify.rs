//! `amiforge verify`: checks a bundle against its manifest.

use std::path::PathBuf;

use super::Outcome;
use crate::ui::Ui;

/// Check every byte of a bundle against its manifest
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge verify out/web")]
pub(crate) struct Args {
    /// The bundle
    bundle: PathBuf,
}

/// Runs the command.
pub(crate) fn run(_args: &Args, _ui: &Ui) -> Outcome {
    Err(anyhow::anyhow!("`amiforge verify` is not there yet").into())
}
