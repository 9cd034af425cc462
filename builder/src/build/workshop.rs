//! What a build makes of packages, stages and commands: each is a layer, taken from the store where it was made before
//! from the same things, and made otherwise.

use std::path::PathBuf;

use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_packages::locked::LockedPackage;
use amiforge_rootfs::secrets::order;
use amiforge_rootfs::steps::lacks;
use amiforge_sandbox::{Launcher, OnFailure, Sandbox, SandboxError, SandboxJob, SandboxStep, Seed};
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;
use amiforge_store::checks::{Outstanding, Settling};
use amiforge_store::layer::Layers;
use serde::{Deserialize, Serialize};

use super::secrets::{self, KeptDependent};
use super::watching::SourceWatch;
use super::{BuildError, BuildLayer, BuildOptions, epoch, keys, system};
use crate::lock::Lock;
use crate::recipe::{PackageSource, Recipe};

/// Makes layers.
pub(super) struct Workshop<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) options: &'a BuildOptions,
    /// The packages, for a recipe that takes some.
    pub(super) packages: Option<Packages<'a>>,
    pub(super) store: &'a Store,
    pub(super) watching: &'a SourceWatch<'a>,
    /// Layers that are getting their names.
    pub(super) checks: Vec<Settling>,
    /// Checks of the layers that were taken from the store.
    pub(super) loaded: Outstanding,
    /// Names of layers, to be given when everything has been checked.
    pub(super) names: Outstanding,
    /// The layers so far.
    pub(super) layers: Vec<BuildLayer>,
    /// What depends on random numbers in what goes into the image.
    pub(super) dependents: Vec<KeptDependent>,
}

/// Where packages come from.
#[derive(Clone, Copy)]
pub(super) struct Packages<'a> {
    pub(super) lock: &'a Lock,
    pub(super) source: &'a PackageSource,
}

/// What packages are configured for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// The image: its random numbers are its own.
    Image,
    /// A stage: tools, and what is built with them, are shared by all images that need the same.
    Tools,
}

/// Packages that are configured.
pub(super) struct PackageSystem {
    pub(super) tree: Tree,
    pub(super) notes: Notes,
}

/// What is kept beside configured packages.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Notes {
    /// The newest time among the packages: seconds since 1970, and nanoseconds.
    pub(super) newest: (i64, u32),
    /// What was not done of what the packages' scripts would do.
    pub(super) skipped: Vec<String>,
    /// What depends on the random numbers that scripts drew.
    pub(super) random: Vec<KeptDependent>,
}

impl Notes {
    pub(super) fn newest(&self) -> Time {
        Time { secs: self.newest.0, nanos: self.newest.1 }
    }
}

impl Workshop<'_> {
    /// The packages of the image, configured.
    pub(super) fn image(&mut self, blobs: &mut Blobs) -> Result<Option<PackageSystem>, BuildError> {
        let Some(Packages { lock, source }) = self.packages else { return Ok(None) };
        let system = self.system("packages".to_owned(), source, (&lock.image, For::Image), blobs)?;
        self.dependents.extend_from_slice(&system.notes.random);
        Ok(Some(system))
    }

    /// Some of the lock's packages, configured.
    pub(super) fn system(
        &mut self,
        name: String,
        source: &PackageSource,
        (packages, purpose): (&[LockedPackage], For),
        blobs: &mut Blobs,
    ) -> Result<PackageSystem, BuildError> {
        let accounts = system::accounts(self.recipe, purpose);
        let inputs = (self.recipe, self.options);
        let key = keys::configured(packages, source, inputs, self.seed(purpose), &accounts);
        if let Some(layer) = Layers::of(self.store).load(key, blobs)?
            && let Ok(notes) = serde_json::from_slice(&layer.notes)
        {
            self.loaded.append(layer.outstanding);
            self.layers.push(BuildLayer { name, reused: true });
            return Ok(PackageSystem { tree: layer.tree, notes });
        }
        self.layers.push(BuildLayer { name, reused: false });
        let made = system::make(self, source, (packages, purpose), blobs)?;
        // Started before the scripts, so done: the layer gets its name at once, and a build that is killed later leaves it.
        made.checks.wait().map_err(BuildError::Packages)?;
        let notes =
            serde_json::to_vec(&made.system.notes).map_err(|error| BuildError::Notes(error.to_string()))?;
        let saved = Layers::of(self.store).save(key, &made.system.tree, blobs, &notes)?;
        self.checks.push(saved.outstanding.start());
        Ok(PackageSystem { tree: saved.tree, notes: made.system.notes })
    }

    /// The tree after the recipe's commands, before which the initrds are made again where they are `stale`.
    pub(super) fn run(
        &mut self,
        tree: Tree,
        stale: bool,
        time: Time,
        blobs: &mut Blobs,
    ) -> Result<Tree, BuildError> {
        if self.recipe.runs.is_empty() && !stale {
            return Ok(tree);
        }
        if !lacks::is_there(&tree, "/bin/sh") {
            return Err(BuildError::NoShell);
        }
        let layers = Layers::of(self.store);
        let before = layers.fingerprint(&tree, blobs)?;
        let seed = self.seed(For::Image);
        let key = keys::run(before, (self.recipe, self.options), stale, seed, time.secs);
        if let Some(layer) = layers.load(key, blobs)? {
            self.loaded.append(layer.outstanding);
            self.dependents.append(&mut secrets::read_notes(&layer.notes)?);
            self.layers.push(BuildLayer { name: "run".to_owned(), reused: true });
            return Ok(layer.tree);
        }
        self.layers.push(BuildLayer { name: "run".to_owned(), reused: false });
        let steps = self.recipe.runs.iter().enumerate().map(|(index, run)| {
            let step = SandboxStep::shell(format!("`[[run]]` {}", index + 1), &run.command);
            SandboxStep { env: run.env.clone(), ..step }
        });
        let initrds = stale
            .then(|| SandboxStep::new("making the initrds again", ["update-initramfs", "-u", "-k", "all"]));
        let mut job = SandboxJob::new(initrds.into_iter().chain(steps).collect(), time);
        (job.limits, job.clock) = (self.recipe.limits, self.recipe.clock);
        let sandbox = self.sandbox()?;
        let (tree, mut dependents) = secrets::make(
            self,
            blobs,
            (seed, order(&tree)),
            |seed, on_failure, blobs, watch| -> Result<Tree, SandboxError> {
                let job = SandboxJob { seed, on_failure, ..job.clone() };
                Ok(sandbox.run(&tree, blobs, &job, watch)?.tree)
            },
            |source| BuildError::Run(Box::new(source)),
        )?;
        let saved = layers.save(key, &tree, blobs, &secrets::notes(&dependents)?)?;
        self.dependents.append(&mut dependents);
        self.names.append(saved.outstanding);
        Ok(saved.tree)
    }

    /// What random numbers follow from.
    pub(super) fn seed(&self, purpose: For) -> Seed {
        let image = &self.recipe.image;
        match purpose {
            For::Image => Seed::of_image(&image.name, image.version.as_deref()),
            For::Tools => Seed::shared(),
        }
    }

    /// The sandbox of this build.
    pub(super) fn sandbox(&self) -> Result<Sandbox, BuildError> {
        let launcher = Launcher::own().map_err(BuildError::Launcher)?;
        Ok(Sandbox { launcher, scratch: self.store.folder().to_owned() })
    }

    /// The time of what packages make: that of the build, as far as packages decide it.
    pub(super) fn epoch(&self, newest: Time) -> Result<Time, BuildError> {
        Ok(epoch::choose(self.options.source_date_epoch, self.recipe.image.epoch, newest)?)
    }

    /// What happens when a command fails.
    pub(super) fn on_failure(&self) -> OnFailure {
        self.options.on_failure
    }

    /// Where a fetched file lies in the store.
    pub(super) fn object(
        &self,
        sha256: amiforge_formats::digest::Digest,
        size: u64,
        label: &str,
    ) -> Result<PathBuf, BuildError> {
        let objects = self.store.objects();
        match objects.find(sha256, size)? {
            Some(object) => Ok(object.path),
            None => Err(BuildError::NotFetched { label: label.to_owned() }),
        }
    }
}
