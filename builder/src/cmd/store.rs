//! `amiforge store`: usage, verification and garbage collection of the store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use amiforge::lock::{Lock, LockError};
use amiforge_progress::{Monitor, Progress as _};
use amiforge_store::{Store, StoreEntry, StoreEntryKind};
use anyhow::Context as _;
use serde::Serialize;

use super::inputs::open_store;
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::{HumanBytes, Ui};

/// Seconds in a day.
const DAY: u64 = 86_400;

/// Look after the store of inputs and layers
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  amiforge store du\n  amiforge store gc --days 7 --keep web/recipe.lock\n  \
    amiforge store verify\n\n\
    Everything in the store can be fetched or made again; it may be removed at any time while no build runs."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: StoreCommand,

    /// Folder of the store [default: amiforge in the user's cache folder]
    #[arg(long, value_name = "DIR", global = true)]
    store: Option<PathBuf>,
}

/// The subcommands.
#[derive(Debug, clap::Subcommand)]
enum StoreCommand {
    /// Show what the store holds
    Du,
    /// Check every entry against its digest; damaged ones are named and removed
    Verify,
    /// Remove entries that were not used for a while
    Gc {
        /// Days that an entry is kept after it was last used
        #[arg(long, value_name = "N", default_value_t = 30)]
        days: u32,
        /// Locks whose inputs are always kept
        #[arg(long, value_name = "LOCK")]
        keep: Vec<PathBuf>,
        /// Only show what would be removed
        #[arg(long)]
        dry_run: bool,
    },
}

/// The number of entries and their bytes, as JSON.
#[derive(Debug, Default, Serialize)]
struct StoreTotals {
    entries: usize,
    bytes: u64,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let store = open_store(args.store.as_deref())?;
    match &args.what {
        StoreCommand::Du => du(&store, ui),
        StoreCommand::Verify => verify(&store, ui),
        StoreCommand::Gc { days, keep, dry_run } => gc(&store, *days, keep, *dry_run, ui),
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
        return Ok(Outcome::Success);
    }
    for (name, sum) in &sums {
        ui.line(format_args!("{:>10}  {:>6}  {name}", HumanBytes(sum.bytes).to_string(), sum.entries))?;
    }
    let all: u64 = sums.values().map(|sum| sum.bytes).sum();
    ui.line(format_args!(
        "{:>10}  {:>6}  in `{}`",
        HumanBytes(all).to_string(),
        entries.len(),
        store.folder().display()
    ))?;
    Ok(Outcome::Success)
}

fn verify(store: &Store, ui: &Ui) -> CommandResult {
    let cancel = interrupt_on_signals()?;
    let _held = store.lock_shared();
    let entries = list(store)?;
    let checked = |entry: &&StoreEntry| matches!(entry.kind, StoreEntryKind::Object | StoreEntryKind::Input);
    let entries: Vec<_> = entries.iter().filter(checked).collect();
    ui.begin("checking", Some(entries.iter().map(|entry| entry.size).sum()));
    let mut damaged = Vec::new();
    for entry in &entries {
        let found = store.check(entry, Monitor::new(ui, &cancel));
        let title = || format!("cannot check the store `{}`", store.folder().display());
        damaged.extend(found.with_context(title)?.map(|found| (entry.path.display().to_string(), found)));
        if cancel.is_cancelled() {
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
    Ok(if damaged.is_empty() { Outcome::Success } else { Outcome::Difference })
}

fn gc(store: &Store, days: u32, keep: &[PathBuf], dry_run: bool, ui: &Ui) -> CommandResult {
    let title = || format!("cannot clean the store `{}`", store.folder().display());
    let mut pinned_digests = BTreeSet::new();
    for path in keep {
        let lock =
            Lock::load(path).and_then(|lock| lock.ok_or_else(|| LockError::Missing { path: path.clone() }));
        let lock = lock.map_err(|error| Failure::usage(anyhow::Error::from(error).context(title())))?;
        pinned_digests.extend(lock.files().iter().map(|file| file.sha256));
    }
    let held = store.lock_exclusive().with_context(title)?;
    if held.is_none() {
        let error = anyhow::anyhow!("another amiforge uses it").context(title());
        return Err(Failure::from(error).hint("try again when that is done"));
    }
    let before = SystemTime::now().checked_sub(Duration::from_secs(u64::from(days) * DAY));
    let old = |entry: &&StoreEntry| {
        let pinned = entry.digest.is_some_and(|digest| pinned_digests.contains(&digest));
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
        return Ok(Outcome::Success);
    }
    for (name, sum) in sums.iter().filter(|(_, sum)| sum.entries > 0) {
        ui.line(format_args!("{:>10}  {:>6}  {name}", HumanBytes(sum.bytes).to_string(), sum.entries))?;
    }
    let verb = if dry_run { "would be removed" } else { "removed" };
    ui.status(format_args!("{} of {} entries {verb}", going.len(), all.len()));
    Ok(Outcome::Success)
}
