//! `amiforge lock`: makes or updates the lock of a recipe.

use std::error::Error;
use std::path::{Path, PathBuf};

use amiforge::fetch::{FetchError, TransferError};
use amiforge::lock::resolve::{self, Update};
#[cfg(feature = "aws")]
use amiforge::lock::snapshots::known;
use amiforge::lock::{Lock, LockDiff, LockError};
use amiforge::recipe::Recipe;
use amiforge_packages::backend::{LockFailure, RepositoryError};
use amiforge_packages::rpm::signature::RpmSignatureError;
use amiforge_packages::signature::SignatureError;
use amiforge_progress::Monitor;
use serde::Serialize;

use super::inputs::{FetchSetup, StoreArgs, copy_hint, load_recipe, lock_failure};
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::{HumanBytes, Ui};

/// Pin every package and source of a recipe in a lock beside it
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "amiforge lock [OPTIONS] <RECIPE>",
    after_help = "Examples:\n  amiforge lock web/recipe.toml\n  amiforge lock web/recipe.toml --update\n  \
    amiforge lock web/recipe.toml --update openssl libssl3\n  amiforge lock web/recipe.toml --update --check\n\n\
    A lock that fits the recipe is left unchanged, unless `--update` is given. A new lock keeps the versions of the old \
    one that are still available. Archives are fetched from the recipe's `mirror`, else from \
    `AMIFORGE_DEB_MIRROR`, else from where apt of this machine fetches that archive; repositories of rpm packages from the \
    recipe's `mirror`, else from `AMIFORGE_RPM_MIRROR`, else from their public addresses."
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

    #[cfg(feature = "aws")]
    #[command(flatten)]
    copies: super::inputs::SourceCopyArgs,

    #[cfg(feature = "aws")]
    /// Print the calls that read disks of snapshots and the IAM policy that they need; makes no call and writes nothing
    #[arg(long)]
    dry_run: bool,
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
    /// The recipe, and the packages after `--update`. That option takes every argument after it, so the recipe too if
    /// it is the last one.
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

/// Whether an argument names a recipe rather than a package: it ends in `.toml`, has a `/`, or is a file.
fn is_recipe(argument: &str) -> bool {
    let path = Path::new(argument);
    path.extension().is_some_and(|extension| extension == "toml") || argument.contains('/') || path.is_file()
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let (given, update) = args.recipe_and_update()?;
    let recipe = load_recipe(&given)?;
    let title = || format!("cannot lock `{}`", recipe.image.name);
    if !Lock::is_needed(&recipe) {
        ui.status("the recipe has no packages and no stages: there is nothing to lock");
        return Ok(Outcome::Success);
    }
    let path = Lock::path(&given);
    let failure = |error: LockError| failure(error, title(), &recipe, &given);
    let old = Lock::load(&path).map_err(failure)?;
    #[cfg(feature = "aws")]
    if args.dry_run {
        return plan(
            args,
            &recipe,
            old.as_ref().filter(|_| update.as_ref().is_none_or(|names| !names.is_empty())),
            ui,
        );
    }
    let fits = old.as_ref().filter(|old| old.matches(&recipe));
    if let (Some(lock), None, false) = (fits, &update, args.check) {
        ui.status("the lock fits the recipe; `--update` takes newer versions");
        return report(&path, lock, &LockDiff::between(Some(lock), lock), LockWritten::No, ui);
    }
    let cancel = interrupt_on_signals()?;
    let store = args.store.open()?;
    let _held = store.lock_shared();
    let setup = FetchSetup::from_system();
    #[cfg(feature = "aws")]
    let setup = setup.with_copies(&args.copies);
    let fetcher = setup.fetcher(&store, args.store.jobs(), Monitor::new(ui, &cancel));
    let update = match update {
        None => Update::None,
        Some(names) if names.is_empty() => Update::All,
        Some(names) => Update::Packages(names),
    };
    let resolved = resolve::resolve(&recipe, old.as_ref(), &update, &fetcher).map_err(failure)?;
    for note in &resolved.notes {
        ui.status(note);
    }
    let new = resolved.lock;
    let changes = LockDiff::between(old.as_ref(), &new);
    if args.check {
        report(&path, &new, &changes, LockWritten::No, ui)?;
        let same = changes.is_empty() && fits.is_some();
        return Ok(if same { Outcome::Success } else { Outcome::Difference });
    }
    new.save(&path).map_err(failure)?;
    report(&path, &new, &changes, LockWritten::Yes, ui)
}

/// Shows the calls that read the disks of snapshots which `old` does not pin.
#[cfg(feature = "aws")]
fn plan(args: &Args, recipe: &Recipe, old: Option<&Lock>, ui: &Ui) -> CommandResult {
    use super::source_plan::{planned, show};

    let unknown = recipe.snapshots.iter().filter(|named| known(recipe, named, old).is_none());
    let reads = unknown.map(|named| planned(&named.choice, named.region.as_deref()));
    let reads = reads.collect::<Result<Vec<_>, _>>()?;
    show(&format!("lock of `{}`", recipe.image.name), &reads, &args.copies, ui)
}

/// The failure of making a lock, with its hint.
pub(super) fn failure(error: LockError, title: String, recipe: &Recipe, path: &Path) -> Failure {
    let hint = mirror_hint(&error, recipe);
    let failure = copy_hint(lock_failure(error, title, path));
    match hint.or_else(|| signature_hint(&failure.error).map(str::to_owned)) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// A hint for a signature that does not count.
fn signature_hint(error: &anyhow::Error) -> Option<&'static str> {
    let of_signature = |error: &SignatureError| match error {
        SignatureError::UnknownKey { .. } => Some(
            "if that key is the archive's, give its file as `keyring`, once you have its fingerprint from another place than \
             the mirror",
        ),
        SignatureError::KeyExpired { .. } | SignatureError::SignatureExpired { .. } => Some(
            "archives prolong their keys: give the newer file as `keyring`; or the clock of this machine is wrong",
        ),
        SignatureError::Wrong { .. } => {
            Some("the mirror is damaged, or what it serves was changed: name another one, and lock again")
        }
        _ => None,
    };
    error.chain().find_map(|cause| match as_error(cause) {
        Some(RpmSignatureError::Unsigned) => {
            Some("have it signed (`rpmsign --addsign`), or leave the package out")
        }
        Some(RpmSignatureError::Signature(error)) => of_signature(error),
        _ => as_error(cause).and_then(of_signature),
    })
}

/// A cause as an error of a type, which may be in a box.
fn as_error<'a, T: Error + 'static>(cause: &'a (dyn Error + 'static)) -> Option<&'a T> {
    cause.downcast_ref().or_else(|| cause.downcast_ref::<Box<T>>().map(|error| &**error))
}

/// A hint for an archive that cannot be fetched: the variable that names another mirror.
fn mirror_hint(error: &LockError, recipe: &Recipe) -> Option<String> {
    let LockError::Packages(LockFailure::Archive { archive, source, .. }) = error else { return None };
    let (RepositoryError::Fetch(error) | RepositoryError::Missing(error)) = &**source else { return None };
    let variable = recipe.packages.as_ref()?.backend().mirror_variable(archive);
    match error.downcast_ref::<FetchError>()? {
        FetchError::Other { .. } | FetchError::Url { source: TransferError::Length { .. }, .. } => {
            Some(format!(
                "the mirror is behind its own Release, or between two states: try again later, or name another in \
             `{variable}`"
            ))
        }
        FetchError::Url {
            source: TransferError::Connection(_) | TransferError::Cut { .. } | TransferError::Status(_),
            ..
        } => Some(format!("check the network and the proxy, or name another mirror in `{variable}`")),
        _ => None,
    }
}

/// Whether the lock was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LockWritten {
    Yes,
    No,
}

fn report(path: &Path, lock: &Lock, changes: &LockDiff, written: LockWritten, ui: &Ui) -> CommandResult {
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
        return Ok(Outcome::Success);
    }
    for (of, name, change) in &changes.list {
        let of = if of == "image" { String::new() } else { format!("{of}: ") };
        ui.line(format_args!("{of}{name} {change}"))?;
    }
    let (before, after) = changes.size;
    let grown = if before > 0 && before != after {
        format!(", {} before", HumanBytes(before))
    } else {
        String::new()
    };
    let stages: usize = lock.stages.iter().map(|stage| stage.packages.len() + stage.sources.len()).sum();
    let stages = if stages > 0 { format!(", {stages} inputs of stages") } else { String::new() };
    ui.status(format_args!(
        "{} changes: {} packages{stages}, {}{grown}",
        changes.list.len(),
        lock.image.len(),
        HumanBytes(after)
    ));
    Ok(Outcome::Success)
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

    /// Parses a command line into the recipe and the packages after `--update`.
    fn parsed(arguments: &[&str]) -> Option<(String, Option<Vec<String>>)> {
        let line = Line::try_parse_from(["lock"].iter().chain(arguments)).ok()?;
        let (recipe, update) = line.args.recipe_and_update().ok()?;
        Some((recipe.display().to_string(), update))
    }

    #[test]
    fn update_leaves_the_recipe_wherever_it_is_named() {
        let recipe = || "web/recipe.toml".to_owned();
        assert_eq!(parsed(&["web/recipe.toml"]), Some((recipe(), None)));
        assert_eq!(parsed(&["web/recipe.toml", "--update"]), Some((recipe(), Some(vec![]))));
        assert_eq!(parsed(&["--update", "web/recipe.toml"]), Some((recipe(), Some(vec![]))));
        let both = Some(vec!["openssl".to_owned(), "libssl3".to_owned()]);
        assert_eq!(
            parsed(&["--update", "openssl", "libssl3", "web/recipe.toml"]),
            Some((recipe(), both.clone()))
        );
        assert_eq!(parsed(&["web/recipe.toml", "--update", "openssl", "libssl3"]), Some((recipe(), both)));
        assert_eq!(parsed(&["--update", "openssl"]), None);
        assert_eq!(parsed(&["--update"]), None);
        assert_eq!(parsed(&[]), None);
    }
}
