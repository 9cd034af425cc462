//! `amiforge inspect`: shows what is in an image.

use std::path::PathBuf;

use super::Outcome;
use crate::ui::Ui;

/// Show the partitions, file systems and files of an image
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge inspect out/web")]
pub(crate) struct Args {
    /// Image or bundle, or IMAGE:PARTITION/path
    image: PathBuf,
}

/// Runs the command.
pub(crate) fn run(_args: &Args, _ui: &Ui) -> Outcome {
    Err(anyhow::anyhow!("`amiforge inspect` is not there yet").into())
}
