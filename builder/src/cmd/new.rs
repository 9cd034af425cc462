//! `amiforge new`: starts a recipe.

use std::path::PathBuf;

use super::Outcome;
use crate::ui::Ui;

/// Start a recipe that builds as it is
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge new web")]
pub(crate) struct Args {
    /// Folder to make
    dir: PathBuf,
}

/// Runs the command.
pub(crate) fn run(_args: &Args, _ui: &Ui) -> Outcome {
    Err(anyhow::anyhow!("`amiforge new` is not there yet").into())
}
