//! `amiforge outdated`: lists what is newer than the lock of a recipe.

use std::io::Write as _;
use std::path::PathBuf;

use amiforge::lock::{self, Lock};
use amiforge::outdated::{
    HeldBackJson, Outdated, PackageJson, PinnedBy, Scope, SourceJson, SourceState, SourceStatus,
    outdated_summary,
};
use amiforge_progress::Monitor;
use serde::Serialize;

use super::inputs::{FetchSetup, StoreArgs, load_recipe, lock_failure, write_summary};
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::{Ui, written};

/// List packages of a recipe's lock that have newer versions, and which of those are security updates
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amiforge outdated web/recipe.toml\n  \
    amiforge outdated web/recipe.toml --security --json\n\n\
    Exit codes: 0 nothing is outdated, 3 something is.\n\n\
    Compares the lock with the set of packages that the recipe's archives give today: upgraded, added, removed, downgraded. A \
    security update is a version in a suite of security updates (`bookworm-security`) that is newer than the locked one; one \
    that a pin of the recipe holds back is listed too. An AMI that the recipe names by a parameter or by its owner and name is \
    asked for, and counts if it is another one now; packages over it are compared as they are over the locked one, whose disk is \
    read only if it is not in the store. Sources of stages are looked at without being fetched: the length of a \
    file, the tags of a git repository. A source that the recipe itself pins is listed and does not count, because no new lock \
    changes it. Writes nothing except the archives' indexes, into the store.")]
pub(crate) struct Args {
    /// The recipe
    recipe: PathBuf,

    /// Count security updates only
    #[arg(long)]
    security: bool,

    /// Also write the result as Markdown, for the summary of a CI job
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,

    #[command(flatten)]
    store: StoreArgs,

    #[cfg(feature = "aws")]
    #[command(flatten)]
    copies: super::inputs::SourceCopyArgs,

    #[cfg(feature = "aws")]
    /// Print the calls that ask for AMIs and the IAM policy that they need; makes no call and compares nothing
    #[arg(long)]
    dry_run: bool,
}

/// The result as JSON.
#[derive(Debug, Serialize)]
struct OutdatedJson {
    lock: String,
    outdated: usize,
    security: usize,
    packages: Vec<PackageJson>,
    held_back: Vec<HeldBackJson>,
    sources: Vec<SourceJson>,
    security_suites: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let recipe = load_recipe(&args.recipe)?;
    let title = || format!("cannot compare the lock of `{}` with its archives", recipe.image.name);
    let lock = lock::load_for(&args.recipe, &recipe);
    let Some(lock) = lock.map_err(|error| lock_failure(error, title(), &args.recipe))? else {
        ui.status("the recipe has no packages and no stages: nothing can be outdated");
        return Ok(Outcome::Success);
    };
    #[cfg(feature = "aws")]
    if args.dry_run {
        return plan(args, &recipe, &lock, ui);
    }
    let cancel = interrupt_on_signals()?;
    let store = args.store.open()?;
    let _held = store.lock_shared();
    let setup = FetchSetup::from_system();
    #[cfg(feature = "aws")]
    let setup = setup.with_copies(&args.copies);
    let fetcher = setup.fetcher(&store, args.store.jobs(), Monitor::new(ui, &cancel));
    let outdated = Outdated::find(&recipe, &lock, &fetcher);
    let outdated = outdated.map_err(|error| super::lock::failure(error, title(), &recipe, &args.recipe))?;
    if let Some(path) = &args.summary {
        write_summary(path, &outdated_summary(&recipe.image.name, &outdated))?;
    }
    report(args, &outdated, ui)?;
    let scope = if args.security { Scope::Security } else { Scope::All };
    Ok(if outdated.count(scope) == 0 { Outcome::Success } else { Outcome::Difference })
}

/// Shows the calls that ask for AMIs which the recipe names by something else than their ids, and those that read the image below
/// packages.
#[cfg(feature = "aws")]
fn plan(args: &Args, recipe: &amiforge::recipe::Recipe, lock: &Lock, ui: &Ui) -> CommandResult {
    use super::source_plan::{asked, locked, show};

    let moving = recipe.snapshots.iter().filter(|named| named.choice.can_move());
    let mut reads = moving
        .map(|named| asked(&named.choice, named.region.as_deref()))
        .collect::<Result<Vec<_>, Failure>>()?;
    let below = recipe.snapshots.iter().position(|named| named.source == 0 && recipe.upgrade.is_some());
    reads.extend(below.and_then(|index| lock.snapshots.get(index)).map(locked));
    show(&format!("comparison of `{}`", recipe.image.name), &reads, &args.copies, ui)
}

fn report(args: &Args, outdated: &Outdated, ui: &Ui) -> Result<(), Failure> {
    let (all, security) = (outdated.count(Scope::All), outdated.count(Scope::Security));
    if ui.json() {
        return ui.object(&OutdatedJson {
            lock: Lock::path(&args.recipe).display().to_string(),
            outdated: all,
            security,
            packages: outdated.packages.iter().map(PackageJson::from).collect(),
            held_back: outdated.held_back.iter().map(HeldBackJson::from).collect(),
            sources: outdated.sources.iter().map(SourceJson::from).collect(),
            security_suites: outdated.security_suites.clone(),
        });
    }
    list(args, outdated, ui)?;
    if outdated.security_suites.is_empty() {
        ui.status("the recipe takes packages from no suite of security updates");
    }
    ui.status(format_args!("{all} outdated, {security} of them by security updates"));
    Ok(())
}

/// The lines of the result; with `--security` those of security updates.
fn list(args: &Args, outdated: &Outdated, ui: &Ui) -> Result<(), Failure> {
    let mut out = ui.out();
    let mut write = || {
        for package in outdated.packages.iter().filter(|package| !args.security || package.security.is_some())
        {
            writeln!(out, "{}", package_line(&PackageJson::from(package)))?;
        }
        for held in &outdated.held_back {
            writeln!(out, "{}", held_back_line(&HeldBackJson::from(held)))?;
        }
        for source in
            outdated.sources.iter().filter(|source| !args.security && source.state != SourceState::Same)
        {
            writeln!(out, "{}", source_line(source))?;
        }
        out.flush()
    };
    written(write())
}

/// A changed package as a line.
pub(super) fn package_line(package: &PackageJson) -> String {
    let version = |version: &Option<String>| version.clone().unwrap_or_default();
    let (from, to) = (version(&package.from), version(&package.to));
    let change = match package.change.as_str() {
        "added" => format!("added {to}"),
        "removed" => format!("removed {from}"),
        "rebuilt" => format!("has other bytes, {to}"),
        change => format!("{change} {from} to {to}"),
    };
    let security = package.security.as_ref().map(|version| {
        let source = package.source.as_deref().unwrap_or_default();
        format!(", security update {version} (source {source})")
    });
    format!("{}{} {change}{}", owner(&package.of), package.name, security.unwrap_or_default())
}

/// A package that is held back as a line.
pub(super) fn held_back_line(package: &HeldBackJson) -> String {
    let HeldBackJson { of, name, version, security, source } = package;
    format!(
        "{}{name} stays at {version}: security update {security} is held back (source {source})",
        owner(of)
    )
}

fn source_line(source: &SourceStatus) -> String {
    let (state, detail) = source.state.parts();
    let pinned = if source.pinned_by == PinnedBy::Recipe { " (pinned by the recipe)" } else { "" };
    let stage = source.stage.as_ref().map(|stage| format!("stage {stage}: ")).unwrap_or_default();
    format!("{stage}{}{pinned} {state}: {}", source.label, detail.unwrap_or_default())
}

/// The owner before a name; nothing for the image.
fn owner(owner: &str) -> String {
    if owner == lock::IMAGE { String::new() } else { format!("{owner}: ") }
}
