//! `amiforge vendor`: packs the files that a lock pins into one file.

use std::path::PathBuf;

use amiforge::lock;
use amiforge::vendor::{self, VendorError};
use amiforge_progress::Monitor;
use serde::Serialize;

use super::inputs::{load_recipe, lock_failure, open_store};
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::{HumanBytes, Ui};

/// Pack everything that the lock of a recipe needs into one file
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge vendor web/recipe.toml -o inputs.tar\n  \
    amiforge build web/recipe.toml --vendor inputs.tar -o out/web\n\n\
    The file is a plain tar archive that holds the lock and each input by its digest; the same lock gives the same bytes.")]
pub(crate) struct Args {
    /// The recipe
    recipe: PathBuf,

    /// File to write
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,

    /// Folder where inputs are kept [default: amiforge in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
}

/// The result as JSON.
#[derive(Debug, Serialize)]
struct VendorJson {
    file: String,
    size: u64,
    inputs: usize,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let recipe = load_recipe(&args.recipe)?;
    let title = || format!("cannot pack the inputs of `{}`", recipe.image.name);
    let lock = lock::load_for(&args.recipe, &recipe);
    let lock = lock.map_err(|error| lock_failure(error, title(), &args.recipe))?;
    let Some(lock) = lock else {
        let error = anyhow::anyhow!("the recipe has no packages and no stages").context(title());
        return Err(Failure::usage(error));
    };
    let cancel = interrupt_on_signals()?;
    let store = open_store(args.store.as_deref())?;
    let _held = store.lock_shared();
    let packed = vendor::pack(&lock, &store.objects(), &args.out, Monitor::new(ui, &cancel));
    let size = packed.map_err(|error| failure(error, title(), args))?;
    if ui.json() {
        let inputs = lock.files().len();
        ui.object(&VendorJson { file: args.out.display().to_string(), size, inputs })?;
    } else {
        ui.status(format_args!("packed {} files, {}", lock.files().len(), HumanBytes(size)));
    }
    Ok(Outcome::Success)
}

fn failure(error: VendorError, title: String, args: &Args) -> Failure {
    let fetch = matches!(error, VendorError::Missing { .. });
    let failure = Failure::from(anyhow::Error::from(error).context(title));
    if fetch {
        failure.hint(format!("`amiforge fetch {}` fetches them", args.recipe.display()))
    } else {
        failure
    }
}
