//! `amiforge fetch`: downloads the files that a lock pins into the store.

use std::path::{Path, PathBuf};

use amiforge::fetch::FetchError;
use amiforge::lock::{self, Lock};
use amiforge::recipe::Recipe;
use amiforge_packages::host::HostSettings;
use amiforge_progress::Monitor;
use serde::Serialize;

use super::inputs::{FetchSetup, StoreArgs, copy_hint, is_gone, load_recipe, lock_failure};
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::{HumanBytes, Ui};

/// Fetch everything that the lock of a recipe needs
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge fetch web/recipe.toml\n\n\
    Files that are in the store are not fetched again, and a stopped fetch resumes. A file whose digest is not the lock's \
    is refused. Afterwards `amiforge build` needs no network.")]
pub(crate) struct Args {
    /// The recipe
    recipe: PathBuf,

    #[command(flatten)]
    store: StoreArgs,

    #[cfg(feature = "aws")]
    #[command(flatten)]
    copies: super::inputs::SourceCopyArgs,

    #[cfg(feature = "aws")]
    /// Print the calls that read disks of snapshots and the IAM policy that they need; makes no call and fetches nothing
    #[arg(long)]
    dry_run: bool,
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
    let recipe = load_recipe(&args.recipe)?;
    let title = || format!("cannot fetch the inputs of `{}`", recipe.image.name);
    let lock = lock::load_for(&args.recipe, &recipe);
    let Some(lock) = lock.map_err(|error| lock_failure(error, title(), &args.recipe))? else {
        ui.status("the recipe has no packages and no stages: there is nothing to fetch");
        return Ok(Outcome::Success);
    };
    #[cfg(feature = "aws")]
    if args.dry_run {
        let reads: Vec<_> = lock.snapshots.iter().map(super::source_plan::locked).collect();
        return super::source_plan::show(
            &format!("fetch for `{}`", recipe.image.name),
            &reads,
            &args.copies,
            ui,
        );
    }
    let cancel = interrupt_on_signals()?;
    let store = args.store.open()?;
    let _held = store.lock_shared();
    let setup = FetchSetup::from_system();
    #[cfg(feature = "aws")]
    let setup = setup.with_copies(&args.copies);
    let fetcher = setup.fetcher(&store, args.store.jobs(), Monitor::new(ui, &cancel));
    let done = lock::fetch(&lock, &recipe, &fetcher);
    let done = done.map_err(|error| failure(error, title(), (&recipe, &lock), &args.recipe, setup.host()))?;
    if ui.json() {
        ui.object(&FetchJson { fetched: done.fetched, bytes: done.bytes, there: done.there })?;
    } else {
        let (fetched, bytes, present) = (done.fetched, HumanBytes(done.bytes), done.there);
        ui.status(format_args!("fetched {fetched} files, {bytes}; {present} were in the store already"));
    }
    Ok(Outcome::Success)
}

/// The variable that names the mirror of the archive that the file is from; else the variable of the distribution's
/// archive.
fn variable_for(error: &FetchError, recipe: &Recipe, lock: &Lock, host: &HostSettings) -> String {
    let Some(packages) = &recipe.packages else { return "AMIFORGE_DEB_MIRROR".to_owned() };
    let archive = match error {
        FetchError::Url { url, .. } | FetchError::Other { url, .. } => {
            lock::archive_of_url(packages, &lock.archives, host, url)
        }
        _ => None,
    };
    let first = packages.backend().archives().first().copied();
    packages.backend().mirror_variable(archive.or(first).unwrap_or_default())
}

/// The failure of a fetch with its hint.
pub(super) fn failure(
    error: FetchError,
    title: String,
    (recipe, lock): (&Recipe, &Lock),
    path: &Path,
    host: &HostSettings,
) -> Failure {
    let variable = variable_for(&error, recipe, lock, host);
    let recipe = path.display();
    let hint = match &error {
        FetchError::Url { source, .. } if source.is_missing() => Some(format!(
            "archives drop versions that were replaced: `amiforge lock {recipe} --update` takes those that they have now, or \
             `{variable}` names a mirror that keeps old ones"
        )),
        FetchError::Url { .. } => {
            Some(format!("`amiforge fetch {recipe}` resumes; `{variable}` names another mirror"))
        }
        FetchError::Other { .. } => Some(format!("the file was refused; try another mirror by `{variable}`")),
        FetchError::Snapshot { .. } if is_gone(&error) => Some(format!(
            "its owner deleted it or shares it no longer: `amiforge lock {recipe} --update` takes what the recipe names now"
        )),
        _ => None,
    };
    let failure = copy_hint(Failure::from(anyhow::Error::from(error).context(title)));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
