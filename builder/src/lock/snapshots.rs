//! Pins the disks of snapshots: asks which one is meant, and reads its blocks, from which the digest follows.

use super::error::LockError;
use super::model::{Lock, LockedSnapshot};
use crate::fetch::{self, FetchError, Fetcher, FoundDisk, WantedDisk};
use crate::recipe::{Recipe, SnapshotSource};

/// Whether the pins of an older lock hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OlderPins {
    /// They do, where the recipe still names the same.
    Hold,
    /// What the recipe names is asked for again.
    AskedAnew,
}

/// The pins of a recipe's snapshots, in its order, and how those that were asked for were chosen.
///
/// # Errors
/// [`LockError::Snapshot`].
pub(super) fn pin_all(
    recipe: &Recipe,
    (old, older): (Option<&Lock>, OlderPins),
    fetcher: &Fetcher<'_>,
) -> Result<(Vec<LockedSnapshot>, Vec<String>), LockError> {
    let (mut pins, mut notes) = (Vec::new(), Vec::new());
    for named in &recipe.snapshots {
        if let Some(known) = known(recipe, named, old).filter(|_| older == OlderPins::Hold) {
            pins.push(known.clone());
            continue;
        }
        let before = old.map(|old| old.snapshots.as_slice()).unwrap_or_default();
        let (pin, said) = pin(&named.wanted(recipe), &named.label, before, fetcher)?;
        pins.push(pin);
        notes.extend(said);
    }
    Ok((pins, notes))
}

/// The pin that an older lock has for a source that names the same.
pub fn known<'a>(
    recipe: &Recipe,
    named: &SnapshotSource,
    old: Option<&'a Lock>,
) -> Option<&'a LockedSnapshot> {
    let chosen_by = named.choice.chosen_by(recipe.image.arch);
    let same = |known: &&LockedSnapshot| {
        known.label == named.label
            && known.chosen_by == chosen_by
            && named.region.as_ref().is_none_or(|region| *region == known.region)
    };
    old?.snapshots.iter().find(same)
}

/// Asks for a disk, reads it into the store, and pins it under the name of its source. If it is the snapshot of one of the pins
/// `before`, the digest of that holds: a snapshot never changes. Says how it was chosen.
///
/// # Errors
/// [`LockError::Snapshot`].
pub fn pin(
    wanted: &WantedDisk<'_>,
    label: &str,
    before: &[LockedSnapshot],
    fetcher: &Fetcher<'_>,
) -> Result<(LockedSnapshot, Vec<String>), LockError> {
    let failed = |error: FetchError| LockError::Snapshot { label: label.to_owned(), source: Box::new(error) };
    let FoundDisk { name, image, notes } = fetch::identify(wanted, fetcher).map_err(failed)?;
    let (sha256, size) = match before.iter().find(|known| known.named() == name) {
        Some(known) => {
            // A run that was killed after it had read the disk left the copy that it read.
            fetch::clean_up(&name, fetcher).map_err(failed)?;
            (known.sha256, known.size)
        }
        None => fetch::fetch_snapshot(&name, None, fetcher).map_err(failed)?,
    };
    let chosen_by = wanted.arch.and_then(|arch| wanted.choice.chosen_by(arch));
    let (label, snapshot, region) = (label.to_owned(), name.snapshot, name.region);
    Ok((LockedSnapshot { label, image, chosen_by, snapshot, region, sha256, size }, notes))
}

impl SnapshotSource {
    /// What the source asks for.
    pub(crate) fn wanted<'a>(&'a self, recipe: &Recipe) -> WantedDisk<'a> {
        let arch = Some(recipe.image.arch);
        WantedDisk { choice: &self.choice, arch, region: self.region.as_deref() }
    }
}
