//! `amiforge schema`: the JSON Schema of recipes, for editors.

use crate::outcome::{CommandResult, Outcome};
use crate::ui::Ui;

/// Print the JSON Schema of recipes, for editors
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge schema > recipe.schema.json")]
pub(crate) struct Args {}

/// Runs the command.
pub(crate) fn run(_args: &Args, ui: &Ui) -> CommandResult {
    ui.object(&amiforge::recipe::json_schema())?;
    Ok(Outcome::Success)
}
