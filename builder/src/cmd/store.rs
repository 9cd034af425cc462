//! `amiforge store`: care for the store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use amiforge::lock::{Lock, LockError};
use amiforge_packages::backend::LockFailure;
use amiforge_progress::Interrupt;
use amiforge_progress::Progress;
use amiforge_store::watch::Watch;
use amiforge_store::{Store, StoreEntry, StoreEntryKind};
use anyhow::Context as _;
use serde::Serialize;

use super::{CommandResult, Done, Failure, build, stop_on_signals};
use crate::ui::{Bytes, Ui};

/// A day.
const DAY: u64 = 86_400;

/// Look after the store of inputs and layers
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  amiforge store du\n  amiforge store gc --days 7 --keep web/recipe.lock\n  \
    amiforge store verify\n\n\
    All that the store holds can be fetched or made again; it may be removed at any time while nothing is built."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: StoreCommand,

    /// Folder of the store [default: amiforge in the user's cache folder]
    #[arg(long, value_name = "DIR", global = true)]
    store: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, clap::Subcommand)]
enum StoreCommand {
    /// Tell what the store holds
    Du,
    /// Hold everything against its digest; what is damaged is named and removed
    Verify,
    /// Remove what was not used for a while
    Gc {
        /// Days that an entry is kept after it was last used
        #[arg(long, value_name = "N", default_value_t = 30)]
        days: u32,
        /// Locks whose inputs are kept in any case
        #[arg(long, value_name = "LOCK")]
        keep: Vec<PathBuf>,
        /// Tell what would go, and keep it
        #[arg(long)]
        dry_run: bool,
    },
}

/// Bytes and entries, as JSON.
#[derive(Debug, Default, Serialize)]
struct StoreTotals {
    entries: usize,
    bytes: u64,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let store = open(args.store.as_deref())?;
    match &args.what {
        StoreCommand::Du => du(&store, ui),
        StoreCommand::Verify => verify(&store, ui),
        StoreCommand::Gc { days, keep, dry_run } => gc(&store, *days, keep, *dry_run, ui),
    }
}

/// The store that is asked for, or the user's own.
pub(crate) fn open(asked: Option<&Path>) -> Result<Store, Failure> {
    let folder = asked.map(Path::to_owned).or_else(build::default_store);
    let folder = folder.ok_or_else(|| {
        let error =
            anyhow::anyhow!("neither `XDG_CACHE_HOME` nor `HOME` is set").context("cannot find the store");
        Failure::usage(error).hint("`--store DIR` says where it is")
    })?;
    Ok(Store::at(&folder))
}

/// Says whose fault it is that there is no lock, and what to do next.
pub(crate) fn lock_failure(error: LockError, title: String, recipe: &Path) -> Failure {
    let recipe = recipe.display();
    let (mistake, hint) = match &error {
        LockError::Missing { .. } => (true, Some(format!("`amiforge lock {recipe}` makes it"))),
        LockError::Stale { .. } => (true, Some(format!("`amiforge lock {recipe}` brings it up to date"))),
        LockError::Malformed { .. } => {
            let hint =
                format!("remove it, and `amiforge lock {recipe}` makes it anew, with the newest versions");
            (true, Some(hint))
        }
        LockError::Unknown { .. } => (true, Some("`--update` alone takes newer versions of all".to_owned())),
        LockError::Packages(LockFailure::Resolve { .. }) => (true, None),
        _ => (false, None),
    };
    let error = anyhow::Error::from(error).context(title);
    let failure = if mistake { Failure::usage(error) } else { Failure::from(error) };
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn list(store: &Store) -> Result<Vec<StoreEntry>, Failure> {
    let title = || format!("cannot look into the store `{}`", store.folder().display());
    Ok(store.list().with_context(title)?)
}

fn sums<'a>(entries: impl Iterator<Item = &'a StoreEntry>) -> BTreeMap<&'static str, StoreTotals> {
    let mut sums: BTreeMap<_, StoreTotals> =
        StoreEntryKind::ALL.iter().map(|kind| (kind.name(), StoreTotals::default())).collect();
    for entry in entries {
        let sum = sums.entry(entry.kind.name()).or_default();
        sum.entries += 1;
        sum.bytes += entry.size;
    }
    sums
}

fn du(store: &Store, ui: &Ui) -> CommandResult {
    let entries = list(store)?;
    let sums = sums(entries.iter());
    if ui.json() {
        ui.object(&serde_json::json!({ "store": store.folder().display().to_string(), "holds": sums }))?;
        return Ok(Done::Well);
    }
    for (name, sum) in &sums {
        ui.line(format_args!("{:>10}  {:>6}  {name}", Bytes(sum.bytes).to_string(), sum.entries))?;
    }
    let all: u64 = sums.values().map(|sum| sum.bytes).sum();
    ui.line(format_args!(
        "{:>10}  {:>6}  in `{}`",
        Bytes(all).to_string(),
        entries.len(),
        store.folder().display()
    ))?;
    Ok(Done::Well)
}

/// Tells the terminal how far checking is.
struct Checking<'a> {
    ui: &'a Ui,
    interrupt: &'a Interrupt,
}

impl Watch for Checking<'_> {
    fn advance(&self, bytes: u64) {
        self.ui.advance(bytes);
    }

    fn interrupted(&self) -> bool {
        self.interrupt.raised()
    }
}

fn verify(store: &Store, ui: &Ui) -> CommandResult {
    let interrupt = stop_on_signals()?;
    let _held = store.hold();
    let entries = list(store)?;
    let checked = |entry: &&StoreEntry| matches!(entry.kind, StoreEntryKind::Object | StoreEntryKind::Spool);
    let entries: Vec<_> = entries.iter().filter(checked).collect();
    ui.begin("checking", Some(entries.iter().map(|entry| entry.size).sum()));
    let mut damaged = Vec::new();
    for entry in &entries {
        let found = store.check(entry, &Checking { ui, interrupt: &interrupt });
        let title = || format!("cannot check the store `{}`", store.folder().display());
        damaged.extend(found.with_context(title)?.map(|found| (entry.path.display().to_string(), found)));
        if interrupt.raised() {
            return Err(anyhow::anyhow!("interrupted").context(title()).into());
        }
    }
    ui.end();
    if ui.json() {
        let damaged: Vec<_> =
            damaged.iter().map(|(path, found)| serde_json::json!({ "path": path, "found": found })).collect();
        ui.object(&serde_json::json!({ "checked": entries.len(), "damaged": damaged }))?;
    } else {
        for (path, found) in &damaged {
            ui.line(format_args!("{path}: {found}; removed"))?;
        }
        ui.status(format_args!("{} entries checked, {} damaged", entries.len(), damaged.len()));
    }
    Ok(if damaged.is_empty() { Done::Well } else { Done::Differs })
}

fn gc(store: &Store, days: u32, keep: &[PathBuf], dry_run: bool, ui: &Ui) -> CommandResult {
    let title = || format!("cannot clean the store `{}`", store.folder().display());
    let mut kept = BTreeSet::new();
    for path in keep {
        let lock =
            Lock::load(path).and_then(|lock| lock.ok_or_else(|| LockError::Missing { path: path.clone() }));
        let lock = lock.map_err(|error| Failure::usage(anyhow::Error::from(error).context(title())))?;
        kept.extend(lock.needs().iter().map(|needed| needed.sha256));
    }
    let held = store.hold_alone().with_context(title)?;
    if held.is_none() {
        let error = anyhow::anyhow!("another amiforge works with it").context(title());
        return Err(Failure::from(error).hint("try again when that is done"));
    }
    let before = SystemTime::now().checked_sub(Duration::from_secs(u64::from(days) * DAY));
    let old = |entry: &&StoreEntry| {
        let pinned = entry.digest.is_some_and(|digest| kept.contains(&digest));
        !pinned && before.is_some_and(|before| entry.used <= before)
    };
    let all = list(store)?;
    let going: Vec<_> = all.iter().filter(old).collect();
    for entry in going.iter().filter(|_| !dry_run) {
        store.remove(entry).with_context(title)?;
    }
    let sums = sums(going.iter().copied());
    if ui.json() {
        ui.object(&serde_json::json!({ "removed": sums, "dry_run": dry_run }))?;
        return Ok(Done::Well);
    }
    for (name, sum) in sums.iter().filter(|(_, sum)| sum.entries > 0) {
        ui.line(format_args!("{:>10}  {:>6}  {name}", Bytes(sum.bytes).to_string(), sum.entries))?;
    }
    let word = if dry_run { "would go" } else { "removed" };
    ui.status(format_args!("{} of {} entries {word}", going.len(), all.len()));
    Ok(Done::Well)
}
