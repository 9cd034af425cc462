//! `amiforge new`: makes a folder with a first recipe.

use std::path::PathBuf;
use std::time::SystemTime;

use amiforge::recipe::{Arch, StartError, start};
use serde::Serialize;

use super::inputs::source_date_epoch;
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::ui::Ui;

/// Start a recipe that builds as it is
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge new web && amiforge build web/recipe.toml -o out/web")]
pub(crate) struct Args {
    /// Folder to make; its name becomes the image's
    dir: PathBuf,

    /// Architecture of the image; this machine's if not given
    #[arg(long, value_enum)]
    arch: Option<ArchArg>,
}

/// An architecture on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ArchArg {
    /// Intel and AMD, 64 bit
    #[value(name = "x86_64")]
    X86_64,
    /// Arm, 64 bit, such as Graviton
    #[value(name = "aarch64")]
    Aarch64,
}

/// The result as JSON.
#[derive(Debug, Serialize)]
struct NewJson {
    recipe: String,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let arch = match args.arch {
        Some(ArchArg::Aarch64) => Arch::Aarch64,
        None if cfg!(target_arch = "aarch64") => Arch::Aarch64,
        Some(ArchArg::X86_64) | None => Arch::X86_64,
    };
    let recipe = start(&args.dir, arch, today()?).map_err(|error| failure(error, args))?;
    if ui.json() {
        ui.object(&NewJson { recipe: recipe.display().to_string() })?;
    } else {
        ui.line(recipe.display())?;
        let name = args.dir.file_name().unwrap_or_default().to_string_lossy();
        ui.status(format_args!("next: amiforge build {} -o out/{name}", recipe.display()));
    }
    Ok(Outcome::Success)
}

/// The day of the recipe's `epoch`, in seconds since 1970. A recipe is made once, so unlike a build this may read the
/// clock.
fn today() -> Result<i64, Failure> {
    if let Some(seconds) = source_date_epoch()? {
        return Ok(seconds);
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(i64::try_from(now.as_secs()).unwrap_or(0))
}

fn failure(error: StartError, args: &Args) -> Failure {
    let not_empty = matches!(error, StartError::NotEmpty { .. });
    let error =
        anyhow::Error::from(error).context(format!("cannot start a recipe in `{}`", args.dir.display()));
    if not_empty {
        return Failure::usage(error).hint("choose a folder that is not there yet");
    }
    error.into()
}
