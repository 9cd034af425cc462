//! Layers: trees made of packages, stages and commands. Each is loaded from the store if it was made before from the same
//! inputs, else made.
//!
//! This file has what all kinds of layers share; each kind has a file of its own.

mod keys;
pub(super) mod over;
pub(super) mod packages;
pub(super) mod run;
mod second_run;
pub(super) mod stages;

use std::path::PathBuf;

use amiforge_formats::digest::Digest;
use amiforge_formats::time::Time;
use amiforge_image::manifest::ManifestInput;
use amiforge_progress::Monitor;
use amiforge_rootfs::sources::{DigestPin, SourceKind, SourceSpec};
use amiforge_sandbox::{Launcher, OnFailure, Sandbox, Seed};
use amiforge_store::Store;
use amiforge_store::deferred::Deferred;
use serde::{Deserialize, Serialize};

use super::epoch::{self, BuildTime};
use super::{BuildError, BuildLayer, BuildOptions};
use crate::lock::Lock;
use crate::recipe::{PackageSource, Recipe};
use crate::vendor;

/// What layers are made with.
pub(super) struct LayerBuilder<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) options: &'a BuildOptions,
    /// The packages, for a recipe that takes some.
    pub(super) packages: Option<PackageInputs<'a>>,
    pub(super) store: &'a Store,
    pub(super) monitor: Monitor<'a>,
}

/// Where packages come from.
#[derive(Clone, Copy)]
pub(super) struct PackageInputs<'a> {
    pub(super) lock: &'a Lock,
    pub(super) source: &'a PackageSource,
}

/// What packages are configured for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LayerTarget {
    /// The image: its random numbers are its own.
    Image,
    /// A stage: tools, and what is built with them, are shared by all images that need the same.
    Tools,
}

/// A path whose content depends on random numbers, as the notes of a layer record it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RandomFile {
    /// Without the first `/`.
    pub(super) path: Vec<u8>,
    /// Digest of a file's content, in hexadecimal; none for a link.
    pub(super) sha256: Option<String>,
}

/// The layers of a build so far.
#[derive(Default)]
pub(super) struct LayerRecord {
    /// In the order of the build.
    pub(super) layers: Vec<BuildLayer>,
    /// Files of the image that depend on random numbers.
    pub(super) random: Vec<RandomFile>,
    /// The patches of stages.
    pub(super) patches: Vec<ManifestInput>,
    /// The checks of all inputs and layers, and the names of new layers: joined once, before the bundle gets its name.
    pub(super) deferred: Deferred,
}

impl Drop for LayerRecord {
    /// A build that fails joins what is deferred when layers wait for their names: what packages made is good, and the next
    /// build loads it.
    fn drop(&mut self) {
        if self.deferred.has_layers() {
            // The build has failed already; the next one reports the same error again.
            let _ = std::mem::take(&mut self.deferred).join();
        }
    }
}

impl LayerRecord {
    /// Adds a layer that was taken from the store.
    fn reused(&mut self, name: String, checks: Deferred) {
        self.deferred.append(checks);
        self.layers.push(BuildLayer { name, reused: true });
    }

    /// Adds a layer that is made now.
    fn made(&mut self, name: String) {
        self.layers.push(BuildLayer { name, reused: false });
    }
}

impl<'a> LayerBuilder<'a> {
    /// A builder whose store has everything that an archive of inputs has.
    ///
    /// # Errors
    /// [`BuildError::NoLock`] when packages are not pinned, [`BuildError::Vendor`].
    pub(super) fn new(
        recipe: &'a Recipe,
        options: &'a BuildOptions,
        store: &'a Store,
        monitor: Monitor<'a>,
    ) -> Result<Self, BuildError> {
        let packages = match (&recipe.packages, &options.lock) {
            (None, _) => None,
            (Some(_), None) => return Err(BuildError::NoLock),
            (Some(source), Some(lock)) => Some(PackageInputs { lock, source }),
        };
        if let (Some(vendor), Some(lock)) = (&options.vendor, &options.lock) {
            vendor::take(vendor, lock, &store.objects(), monitor)?;
        }
        Ok(Self { recipe, options, packages, store, monitor })
    }

    /// What random numbers follow from.
    fn seed(&self, target: LayerTarget) -> Seed {
        let image = &self.recipe.image;
        match target {
            LayerTarget::Image => Seed::of_image(&image.name, image.version.as_deref()),
            LayerTarget::Tools => Seed::shared(),
        }
    }

    /// The sandbox of this build.
    fn sandbox(&self) -> Result<Sandbox, BuildError> {
        let launcher = Launcher::own().map_err(BuildError::Launcher)?;
        Ok(Sandbox { launcher, scratch: self.store.folder().to_owned() })
    }

    /// The times of the build, as far as packages decide them.
    fn time(&self, newest: Time) -> Result<BuildTime, BuildError> {
        Ok(epoch::choose(self.options.source_date_epoch, self.recipe.image.epoch, newest)?)
    }

    /// What happens when a command fails.
    fn on_failure(&self) -> OnFailure {
        self.options.on_failure
    }

    /// The sources of the recipe. Those that are disks of snapshots are the files of the store that the lock pins.
    pub(super) fn sources(&self) -> Result<Vec<SourceSpec>, BuildError> {
        let mut sources = self.recipe.sources.clone();
        for (index, snapshot) in self.recipe.snapshots.iter().enumerate() {
            let lock = self.options.lock.as_ref().ok_or(BuildError::NoLock)?;
            let locked = lock.snapshots.get(index).ok_or(BuildError::NoLock)?;
            let object = self.object(locked.sha256, locked.size, &snapshot.label)?;
            let Some(spec) = sources.get_mut(snapshot.source) else { continue };
            if let SourceKind::Image { path, .. } = &mut spec.kind {
                *path = object;
            }
            spec.pin = DigestPin::Exact(locked.sha256);
        }
        Ok(sources)
    }

    /// Path of a fetched file in the store.
    fn object(&self, sha256: Digest, size: u64, label: &str) -> Result<PathBuf, BuildError> {
        let objects = self.store.objects();
        match objects.find(sha256, size)? {
            Some(object) => Ok(object.path),
            None => Err(BuildError::NotFetched { label: label.to_owned() }),
        }
    }
}
