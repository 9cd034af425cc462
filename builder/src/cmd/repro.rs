//! `amiforge repro`: builds several times under changed conditions.

use std::path::{Path, PathBuf};

use amiforge::lock;
use amiforge::recipe::Recipe;
use amiforge::repro::child::ChildBuilds;
use amiforge::repro::{
    KeepBundles, ReproError, ReproOptions, ReproReport, StoreSetup, matrix, run as build_all,
};
use amiforge_progress::Monitor;
use amiforge_store::Store;
use anyhow::Context as _;

use super::inputs::{default_store, load_recipe, lock_failure};
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// Differences of a group that are shown.
const SHOWN: usize = 20;

/// Build several times under changed conditions and show what differed
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge repro web/recipe.toml --builds 6\n\n\
    Changed are: working directory, time zone, locale, umask, threads, home and store, the order of entries in\n\
    folders, the clock (where libfaketime is installed), niceness, the number of processors, what else is mounted\n\
    (where the user may mount) and what else the machine does.\n\n\
    Exit codes: 0 all builds are equal, 3 some differ.")]
pub(crate) struct Args {
    /// The recipe
    recipe: PathBuf,

    /// Number of builds
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u16).range(2..))]
    builds: u16,

    /// Also write the report as JSON to a file
    #[arg(short, long, value_name = "REPORT")]
    out: Option<PathBuf>,

    /// Store that has the files of the lock [default: amiforge in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,

    /// Folder for the builds, which are kept [default: a temporary one in $TMPDIR]
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let recipe = load_recipe(&args.recipe)?;
    let store = store_setup(args, &recipe)?;
    let cancel = interrupt_on_signals()?;
    let cannot = || format!("cannot compare builds of `{}`", args.recipe.display());
    let path = std::path::absolute(&args.recipe).with_context(cannot)?;
    let scratch = scratch().with_context(cannot)?;
    let folder = match &args.keep {
        Some(folder) => {
            std::fs::create_dir_all(folder).with_context(|| format!("making `{}`", folder.display()))?;
            std::path::absolute(folder).with_context(cannot)?
        }
        None => scratch.path().to_owned(),
    };
    let program = std::env::current_exe().context("finding this program").with_context(cannot)?;
    let builds =
        ChildBuilds { program, path, recipe: &recipe, store, scratch: scratch.path(), cancel: &cancel };
    let rows = matrix(args.builds.into());
    let keep = if args.keep.is_some() { KeepBundles::Everything } else { KeepBundles::Nothing };
    let options = ReproOptions { matrix: &rows, folder: &folder, keep, monitor: Monitor::new(ui, &cancel) };
    let mut one = |number: usize, conditions: &[_], out: &Path| {
        let names: Vec<_> = conditions.iter().map(ToString::to_string).collect();
        let names = if names.is_empty() { "nothing changed".to_owned() } else { names.join(", ") };
        ui.status(format!("build {number} of {}: {names}", rows.len()));
        builds.build(number, conditions, out)
    };
    let report = build_all(options, &mut one).map_err(|error| {
        let hint = matches!(error, ReproError::NotFetched { .. })
            .then(|| format!("`amiforge fetch {}` fetches what the lock pins", args.recipe.display()));
        let failure = Failure::from(anyhow::Error::from(error).context(cannot()));
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })?;
    show(&report, args, ui)
}

/// The lock of the recipe, if it needs one, and the store that has its files.
fn store_setup(args: &Args, recipe: &Recipe) -> Result<Option<StoreSetup>, Failure> {
    let title = || format!("cannot compare builds of `{}`", args.recipe.display());
    let lock = lock::load_for(&args.recipe, recipe);
    let lock = lock.map_err(|error| lock_failure(error, title(), &args.recipe))?;
    let Some(lock) = lock else { return Ok(None) };
    let Some(folder) = args.store.clone().or_else(default_store) else {
        let none = anyhow::anyhow!("there is no store: the user has no cache folder").context(title());
        return Err(Failure::usage(none).hint("`--store` names the one that `amiforge fetch` filled"));
    };
    Ok(Some(StoreSetup { store: Store::at(&folder), lock }))
}

/// A temporary folder for bundles: beside the recipe they could become part of the inputs.
fn scratch() -> std::io::Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix("amiforge-repro-").tempdir()
}

/// Writes and shows the report.
fn show(report: &ReproReport, args: &Args, ui: &Ui) -> CommandResult {
    if let Some(out) = &args.out {
        let text = serde_json::to_string_pretty(report).context("writing the report as JSON")?;
        std::fs::write(out, text + "\n")
            .with_context(|| format!("cannot write the report to `{}`", out.display()))?;
    }
    if ui.json() {
        ui.object(report)?;
    } else {
        ui.line(text(report).trim_end())?;
    }
    Ok(if report.equal { Outcome::Success } else { Outcome::Difference })
}

/// The report as text.
fn text(report: &ReproReport) -> String {
    let mut lines = Vec::new();
    for build in &report.builds {
        let equal = if build.equal { "equal " } else { "DIFFERS" };
        let changed = build.conditions.join(", ");
        let conditions = if changed.is_empty() { "nothing changed" } else { &changed };
        lines.push(format!("build {}  {:.12}…  {equal}  {conditions}", build.number, build.sha256));
        for one in &build.not_varied {
            lines.push(format!("    not varied: {}: {}", one.condition, one.why));
        }
    }
    lines.push(report.result.to_string());
    if let Some(differences) = &report.differences {
        lines.push(String::new());
        lines.push(differences.text(SHOWN));
    }
    lines.join("\n")
}
