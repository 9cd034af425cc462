//! `amiforge repro`: builds several times under changed conditions.

use std::path::PathBuf;

use super::Outcome;
use crate::ui::Ui;

/// Build twice or more under changed conditions and say what differed
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge repro web/recipe.toml")]
pub(crate) struct Args {
    /// The recipe
    recipe: PathBuf,
}

/// Runs the command.
pub(crate) fn run(_args: &Args, _ui: &Ui) -> Outcome {
    Err(anyhow::anyhow!("`amiforge repro` is not there yet").into())
}
