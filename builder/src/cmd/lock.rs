//! `amiforge lock`: from a recipe to its lock.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use amiforge::fetch::{FetchError, Wire, WireError};
use amiforge::lock::make::{self, Fetching, Update};
use amiforge::lock::{Changes, Lock, LockError};
use amiforge::recipe::Recipe;
use amiforge_packages::backend::{LockFailure, RepositoryError};
use amiforge_packages::host::HostSettings;
use amiforge_store::Store;
use serde::Serialize;

use super::{CommandResult, Done, Failure, build, stop_on_signals, store};
use crate::ui::{Bytes, Ui};

/// Pin every package and source of a recipe in a lock beside it
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "amiforge lock [OPTIONS] <RECIPE>",
    after_help = "Examples:\n  amiforge lock web/recipe.toml\n  amiforge lock web/recipe.toml --update\n  \
    amiforge lock web/recipe.toml --update openssl libssl3\n  amiforge lock web/recipe.toml --update --check\n\n\
    A lock that fits the recipe is left as it is, unless `--update` asks for newer versions. A new lock keeps the versions \
    of the old one as far as they are still to be had. Archives are fetched from the recipe's `mirror`, else from \
    `AMIFORGE_DEB_MIRROR`, else from where apt of this machine fetches that archive."
)]
pub(crate) struct Args {
    /// The recipe
    #[arg(required_unless_present = "update")]
    recipe: Option<PathBuf>,

    /// Take newer versions of these packages, or of all
    #[arg(long, value_name = "PACKAGE", num_args = 0..)]
    update: Option<Vec<String>>,

    /// Write nothing; exit with 3 if the lock would change
    #[arg(long)]
    check: bool,

    #[command(flatten)]
    store: StoreArgs,
}

/// Where files go and how many are fetched at a time.
#[derive(Debug, clap::Args)]
pub(crate) struct StoreArgs {
    /// Folder where inputs are kept [default: amiforge in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,

    /// Files fetched at a time
    #[arg(short, long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
}

impl StoreArgs {
    /// The store.
    pub(crate) fn open(&self) -> Result<Store, Failure> {
        store::open(self.store.as_deref())
    }

    /// Files at a time.
    pub(crate) fn jobs(&self) -> usize {
        usize::from(self.jobs)
    }
}

/// The result as JSON.
#[derive(Debug, Serialize)]
struct LockJson {
    lock: String,
    sha256: String,
    written: bool,
    size: u64,
    size_before: u64,
    changes: Vec<ChangeReport>,
}

#[derive(Debug, Serialize)]
struct ChangeReport {
    of: String,
    name: String,
    change: String,
}

impl Args {
    /// The recipe, and the packages after `--update`. That option takes every word behind it, the recipe too where it
    /// comes last.
    fn recipe_and_update(&self) -> Result<(PathBuf, Option<Vec<String>>), Failure> {
        let mut update = self.update.clone();
        if let Some(recipe) = &self.recipe {
            return Ok((recipe.clone(), update));
        }
        let names = update.as_mut().filter(|names| names.last().is_some_and(|name| is_recipe(name)));
        let recipe = names.and_then(Vec::pop).ok_or_else(|| {
            Failure::usage(anyhow::anyhow!("no recipe is named"))
                .hint("amiforge lock web/recipe.toml --update")
        })?;
        Ok((recipe.into(), update))
    }
}

/// Whether a word names a recipe and not a package.
fn is_recipe(word: &str) -> bool {
    let path = Path::new(word);
    path.extension().is_some_and(|extension| extension == "toml") || word.contains('/') || path.is_file()
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let (given, update) = args.recipe_and_update()?;
    let recipe = build::load(&given)?;
    let title = || format!("cannot lock `{}`", recipe.image.name);
    if !Lock::is_needed(&recipe) {
        ui.status("the recipe has no packages and no stages: there is nothing to lock");
        return Ok(Done::Well);
    }
    let path = Lock::path(&given);
    let failure = |error: LockError| {
        let hint = of_mirror(&error, &recipe);
        let failure = store::lock_failure(error, title(), &given);
        if let Some(hint) = hint { failure.hint(hint) } else { failure }
    };
    let old = Lock::load(&path).map_err(failure)?;
    let fits = old.as_ref().filter(|old| old.fits(&recipe));
    if let (Some(lock), None, false) = (fits, &update, args.check) {
        ui.status("the lock fits the recipe; `--update` takes newer versions");
        return report(&path, lock, &Changes::between(Some(lock), lock), LockWritten::No, ui);
    }
    let interrupt = stop_on_signals()?;
    let store = args.store.open()?;
    let _held = store.hold();
    let (wire, host) = (Wire::new(), HostSettings::of_this_machine());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    let jobs = args.store.jobs();
    let with =
        Fetching { store: &store, wire: &wire, host: &host, jobs, now, progress: ui, interrupt: &interrupt };
    let update = match update {
        None => Update::Nothing,
        Some(names) if names.is_empty() => Update::All,
        Some(names) => Update::These(names),
    };
    let new = make::make(&recipe, old.as_ref(), &update, &with).map_err(failure)?;
    let changes = Changes::between(old.as_ref(), &new);
    if args.check {
        report(&path, &new, &changes, LockWritten::No, ui)?;
        let same = changes.is_empty() && fits.is_some();
        return Ok(if same { Done::Well } else { Done::Differs });
    }
    new.save(&path).map_err(failure)?;
    report(&path, &new, &changes, LockWritten::Yes, ui)
}

/// What to do about a mirror.
fn of_mirror(error: &LockError, recipe: &Recipe) -> Option<String> {
    let LockError::Packages(LockFailure::Archive { archive, source, .. }) = error else { return None };
    let (RepositoryError::Fetch(error) | RepositoryError::Missing(error)) = &**source else { return None };
    let variable = recipe.packages.as_ref()?.backend().mirror_variable(archive);
    match error.downcast_ref::<FetchError>()? {
        FetchError::Other { .. } | FetchError::Url { source: WireError::Length { .. }, .. } => Some(format!(
            "the mirror is behind its own Release, or between two states: try again later, or name another in \
             `{variable}`"
        )),
        FetchError::Url {
            source: WireError::Broken(_) | WireError::Cut { .. } | WireError::Status(_),
            ..
        } => Some(format!("see to the network and the proxy, or name another mirror in `{variable}`")),
        _ => None,
    }
}

/// Whether the lock was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LockWritten {
    Yes,
    No,
}

fn report(path: &Path, lock: &Lock, changes: &Changes, written: LockWritten, ui: &Ui) -> CommandResult {
    if ui.json() {
        let change = |(of, name, change): &(String, String, amiforge::lock::InputChange)| ChangeReport {
            of: of.clone(),
            name: name.clone(),
            change: change.to_string(),
        };
        ui.object(&LockJson {
            lock: path.display().to_string(),
            sha256: lock.digest().to_string(),
            written: written == LockWritten::Yes,
            size: changes.size.1,
            size_before: changes.size.0,
            changes: changes.list.iter().map(change).collect(),
        })?;
        return Ok(Done::Well);
    }
    for (of, name, change) in &changes.list {
        let of = if of == "image" { String::new() } else { format!("{of}: ") };
        ui.line(format_args!("{of}{name} {change}"))?;
    }
    let (before, after) = changes.size;
    let grown =
        if before > 0 && before != after { format!(", {} before", Bytes(before)) } else { String::new() };
    let stages: usize = lock.stages.iter().map(|stage| stage.packages.len() + stage.sources.len()).sum();
    let stages = if stages > 0 { format!(", {stages} inputs of stages") } else { String::new() };
    ui.status(format_args!(
        "{} changes: {} packages{stages}, {}{grown}",
        changes.list.len(),
        lock.image.len(),
        Bytes(after)
    ));
    Ok(Done::Well)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    /// The recipe and the packages that a command line names.
    fn named(words: &[&str]) -> Option<(String, Option<Vec<String>>)> {
        let line = Line::try_parse_from(["lock"].iter().chain(words)).ok()?;
        let (recipe, update) = line.args.recipe_and_update().ok()?;
        Some((recipe.display().to_string(), update))
    }

    #[test]
    fn update_leaves_the_recipe_wherever_it_is_named() {
        let recipe = || "web/recipe.toml".to_owned();
        assert_eq!(named(&["web/recipe.toml"]), Some((recipe(), None)));
        assert_eq!(named(&["web/recipe.toml", "--update"]), Some((recipe(), Some(vec![]))));
        assert_eq!(named(&["--update", "web/recipe.toml"]), Some((recipe(), Some(vec![]))));
        let both = Some(vec!["openssl".to_owned(), "libssl3".to_owned()]);
        assert_eq!(
            named(&["--update", "openssl", "libssl3", "web/recipe.toml"]),
            Some((recipe(), both.clone()))
        );
        assert_eq!(named(&["web/recipe.toml", "--update", "openssl", "libssl3"]), Some((recipe(), both)));
        assert_eq!(named(&["--update", "openssl"]), None);
        assert_eq!(named(&["--update"]), None);
        assert_eq!(named(&[]), None);
    }
}
