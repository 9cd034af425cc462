//! The image that packages are installed over, as the lock reads it.

use amiforge_formats::tree::Tree;
use amiforge_packages::over::InstalledSystem;
use amiforge_rootfs::assemble::{AssembleError, assemble};
use amiforge_rootfs::sources::{DigestPin, SourceKind};
use amiforge_store::blobs::Blobs;

use super::error::LockError;
use super::model::LockedSnapshot;
use crate::fetch::{FetchError, Fetcher, fetch_snapshot};
use crate::recipe::Recipe;

/// The files of an image.
pub(super) struct BaseImage {
    tree: Tree,
    blobs: Blobs,
}

impl BaseImage {
    /// The first source of a recipe whose packages go over it; `None` for other recipes. `snapshots` are those that the new
    /// lock pins.
    ///
    /// # Errors
    /// [`LockError::Base`] when it cannot be read, or is another image than the recipe pins.
    pub(super) fn open(
        recipe: &Recipe,
        snapshots: &[LockedSnapshot],
        fetcher: &Fetcher<'_>,
    ) -> Result<Option<Self>, LockError> {
        let (Some(_), Some(first)) = (recipe.upgrade, recipe.sources.first()) else { return Ok(None) };
        let failed = |source| LockError::Base { label: first.label.clone(), source };
        let mut spec = first.clone();
        let of_snapshot = recipe.snapshots.iter().zip(snapshots).find(|(named, _)| named.source == 0);
        if let Some((_, locked)) = of_snapshot {
            let path = stored(locked, fetcher).map_err(|error| failed(Box::new(error)))?;
            if let SourceKind::Image { path: file, .. } = &mut spec.kind {
                *file = path;
            }
            spec.pin = DigestPin::Exact(locked.sha256);
        }
        let mut blobs = Blobs::new();
        let mut assembled = assemble(&[spec], fetcher.store, &mut blobs, fetcher.monitor)
            .map_err(|error| failed(Box::new(error)))?;
        let checked = std::mem::take(&mut assembled.deferred).join();
        checked.map_err(|error| failed(Box::new(AssembleError::Check(error))))?;
        Ok(Some(Self { tree: assembled.tree, blobs }))
    }

    /// The system in it.
    pub(super) fn system(&self, recipe: &Recipe) -> InstalledSystem<'_> {
        let upgrade = recipe.upgrade.unwrap_or_default();
        InstalledSystem { tree: &self.tree, sources: &self.blobs, upgrade }
    }
}

/// The file of a snapshot's disk in the store, fetched if it is not there.
fn stored(locked: &LockedSnapshot, fetcher: &Fetcher<'_>) -> Result<std::path::PathBuf, FetchError> {
    let objects = fetcher.store.objects();
    if let Some(object) = objects.find(locked.sha256, locked.size)? {
        return Ok(object.path);
    }
    let expected = Some((locked.sha256, locked.label.as_str()));
    fetch_snapshot(&locked.named(), expected, fetcher)?;
    let object = objects.find(locked.sha256, locked.size)?;
    object.map(|object| object.path).ok_or(FetchError::NoSnapshots { id: locked.snapshot.clone() })
}
