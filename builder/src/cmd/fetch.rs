//! `amiforge fetch`: what a lock needs, from the network into the store.

use std::path::PathBuf;

use amiforge::fetch::{self, FetchError, Wire};
use amiforge::lock;
use amiforge::recipe::Recipe;
use amiforge_packages::host::HostSettings;
use serde::Serialize;

use super::lock::StoreArgs;
use super::{CommandResult, Done, Failure, build, stop_on_signals};
use crate::ui::{Bytes, Ui};

/// Fetch everything that the lock of a recipe needs
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge fetch web/recipe.toml\n\n\
    What is in the store already is not fetched again, and a fetch that was stopped goes on where it was. Nothing is taken \
    whose digest is not the lock's. Afterwards `amiforge build` needs no network.")]
pub(crate) struct Args {
    /// The recipe
    recipe: PathBuf,

    #[command(flatten)]
    store: StoreArgs,
}

/// The result as JSON.
#[derive(Debug, Serialize)]
struct FetchJson {
    fetched: usize,
    bytes: u64,
    there: usize,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let recipe = build::load(&args.recipe)?;
    let title = || format!("cannot fetch the inputs of `{}`", recipe.image.name);
    let lock = lock::load_for(&args.recipe, &recipe);
    let Some(lock) = lock.map_err(|error| super::store::lock_failure(error, title(), &args.recipe))? else {
        ui.status("the recipe has no packages and no stages: there is nothing to fetch");
        return Ok(Done::Well);
    };
    let interrupt = stop_on_signals()?;
    let store = args.store.open()?;
    let _held = store.hold();
    let host = HostSettings::of_this_machine();
    let failed = |error: FetchError| {
        let variable = variable_for(&error, &recipe, &host);
        failure(error, title(), args, &variable)
    };
    let wants = fetch::wants(&lock, &recipe, &host).map_err(failed)?;
    let done = fetch::fetch(&wants, &store.objects(), &Wire::new(), args.store.jobs(), ui, &interrupt);
    let done = done.map_err(failed)?;
    if ui.json() {
        ui.object(&FetchJson { fetched: done.fetched, bytes: done.bytes, there: done.there })?;
    } else {
        let (fetched, bytes, there) = (done.fetched, Bytes(done.bytes), done.there);
        ui.status(format_args!("fetched {fetched} files, {bytes}; {there} were there"));
    }
    Ok(Done::Well)
}

/// The variable that names the mirror of the archive whose file could not be fetched; the distribution's for anything else.
fn variable_for(error: &FetchError, recipe: &Recipe, host: &HostSettings) -> String {
    let Some(packages) = &recipe.packages else { return "AMIFORGE_DEB_MIRROR".to_owned() };
    let archive = match error {
        FetchError::Url { url, .. } | FetchError::Other { url, .. } => fetch::archive_of(packages, host, url),
        _ => None,
    };
    let first = packages.backend().archives().first().copied();
    packages.backend().mirror_variable(archive.or(first).unwrap_or_default())
}

/// What to do next when something could not be fetched.
fn failure(error: FetchError, title: String, args: &Args, variable: &str) -> Failure {
    let recipe = args.recipe.display();
    let hint = match &error {
        FetchError::Url { source, .. } if source.is_missing() => Some(format!(
            "archives drop versions that were replaced: `amiforge lock {recipe} --update` takes those that there are, or \
             `{variable}` names a mirror that keeps old ones"
        )),
        FetchError::Url { .. } => {
            Some(format!("`amiforge fetch {recipe}` goes on where it was; `{variable}` names another mirror"))
        }
        FetchError::Other { .. } => Some(format!("nothing was taken; try another mirror by `{variable}`")),
        _ => None,
    };
    let failure = Failure::from(anyhow::Error::from(error).context(title));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
