//! `amiforge build`: builds a recipe.

use std::path::PathBuf;

use super::Outcome;
use crate::ui::Ui;

/// Build a recipe into a bundle
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge build web/recipe.toml -o out/web")]
pub(crate) struct Args {
    /// The recipe
    recipe: PathBuf,
}

/// Runs the command.
pub(crate) fn run(_args: &Args, _ui: &Ui) -> Outcome {
    Err(anyhow::anyhow!("`amiforge build` is not there yet").into())
}
