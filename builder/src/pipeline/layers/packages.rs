//! Packages into a system: unpacked into a tree, entered into its package database, and configured as the recipe says.

use std::sync::{Mutex, PoisonError};

use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_packages::PackageSource;
use amiforge_packages::backend::{NativeSettings, PackageFile, ScriptSettings, Scripts, UnpackedPackages};
use amiforge_packages::configure::AccountIds;
use amiforge_packages::locked::LockedPackage;
use amiforge_progress::Monitor;
use amiforge_rootfs::secrets::choose_order;
use amiforge_sandbox::{SandboxError, Seed};
use amiforge_store::blobs::Blobs;
use amiforge_store::deferred::Deferred;
use amiforge_store::digests::BackgroundDigests;
use amiforge_store::layer::Layers;
use serde::{Deserialize, Serialize};

use super::{LayerBuilder, LayerRecord, LayerTarget, PackageInputs, RandomFile, keys, second_run};
use crate::pipeline::BuildError;
use crate::pipeline::epoch::BuildTime;
use crate::recipe::Recipe;

/// Packages that are configured.
pub(in crate::pipeline) struct PackageSystem {
    pub(in crate::pipeline) tree: Tree,
    pub(in crate::pipeline) notes: Notes,
}

/// The notes of a layer of packages.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(in crate::pipeline) struct Notes {
    /// The newest time among the packages: seconds since 1970, and nanoseconds.
    newest: (i64, u32),
    /// Commands of the packages' scripts that were not done, with the reason.
    pub(in crate::pipeline) skipped: Vec<String>,
    /// Files that depend on the random numbers that scripts drew.
    random: Vec<RandomFile>,
}

impl Notes {
    /// The notes of packages that were installed over a system.
    pub(super) fn of_system(newest: Time, random: Vec<RandomFile>) -> Self {
        Self { newest: (newest.secs, newest.nanos), skipped: Vec::new(), random }
    }

    /// Files that depend on the random numbers that scripts drew.
    pub(super) fn random(&self) -> &[RandomFile] {
        &self.random
    }

    /// The newest time among the packages.
    pub(in crate::pipeline) fn newest(&self) -> Time {
        Time { secs: self.newest.0, nanos: self.newest.1 }
    }
}

/// A system, and the checks of what it was made from, which are under way.
struct NewSystem {
    system: PackageSystem,
    checks: Deferred,
}

/// The packages of the image, configured; none where the recipe takes no packages.
///
/// # Errors
/// [`BuildError`].
pub(in crate::pipeline) fn image(
    builder: &LayerBuilder<'_>,
    record: &mut LayerRecord,
    blobs: &mut Blobs,
) -> Result<Option<PackageSystem>, BuildError> {
    let Some(PackageInputs { lock, source }) = builder.packages else { return Ok(None) };
    let system = system(builder, record, "packages", source, (&lock.image, LayerTarget::Image), blobs)?;
    record.random.extend_from_slice(&system.notes.random);
    Ok(Some(system))
}

/// Some of the lock's packages, configured: a layer.
///
/// # Errors
/// [`BuildError`].
pub(super) fn system(
    builder: &LayerBuilder<'_>,
    record: &mut LayerRecord,
    name: &str,
    source: &PackageSource,
    (packages, target): (&[LockedPackage], LayerTarget),
    blobs: &mut Blobs,
) -> Result<PackageSystem, BuildError> {
    let accounts = accounts(builder.recipe, target);
    let inputs = (builder.recipe, builder.options);
    let key = keys::configured(packages, source, inputs, builder.seed(target), &accounts);
    let layers = Layers::of(builder.store);
    if let Some(layer) = layers.load(key, blobs)?
        && let Ok(notes) = serde_json::from_slice(&layer.notes)
    {
        record.reused(name.to_owned(), layer.deferred);
        return Ok(PackageSystem { tree: layer.tree, notes });
    }
    record.made(name.to_owned());
    let NewSystem { system, checks } = make(builder, source, (packages, target), blobs)?;
    // Started before the scripts, so done: the layer gets its name at once, and a build that is killed later leaves it.
    checks.join().map_err(BuildError::Packages)?;
    let notes = serde_json::to_vec(&system.notes).map_err(|error| BuildError::Notes(error.to_string()))?;
    let mut saved = layers.save(key, &system.tree, blobs, &notes)?;
    saved.deferred.start_with_layers();
    record.deferred.append(saved.deferred);
    Ok(PackageSystem { tree: saved.tree, notes: system.notes })
}

/// Unpacks packages and configures them.
fn make(
    builder: &LayerBuilder<'_>,
    source: &PackageSource,
    (packages, target): (&[LockedPackage], LayerTarget),
    blobs: &mut Blobs,
) -> Result<NewSystem, BuildError> {
    let mut files = Vec::with_capacity(packages.len());
    for package in packages {
        let label = format!("{} {} {}", package.name, package.version, package.arch);
        files.push(PackageFile { package, path: builder.object(package.sha256, package.size, &label)? });
    }
    let accounts = accounts(builder.recipe, target);
    let mut unpacked = source.backend().unpack(&files, &accounts, builder.store, blobs, builder.monitor)?;
    // Scripts leave a core to spare.
    let mut checks = unpacked.take_deferred();
    checks.start();
    let digesting = BackgroundDigests::start(unpacked.tree(), blobs);
    let newest = unpacked.newest();
    let mut notes = Notes { newest: (newest.secs, newest.nanos), skipped: Vec::new(), random: Vec::new() };
    // What a recipe answers is for the image; tools of a stage may ask the same.
    let unknown = unpacked.unknown_answer(&builder.recipe.debconf);
    if let (LayerTarget::Image, Some(question)) = (target, unknown) {
        return Err(BuildError::UnknownQuestion { question: question.to_owned() });
    }
    let tree = configure(builder, source.backend().scripts(), (&mut *unpacked, target), &mut notes, blobs)?;
    digesting.join(blobs).map_err(BuildError::ReadTree)?;
    Ok(NewSystem { system: PackageSystem { tree, notes }, checks })
}

/// Configures unpacked packages.
fn configure(
    builder: &LayerBuilder<'_>,
    scripts: Scripts,
    (unpacked, target): (&mut dyn UnpackedPackages, LayerTarget),
    notes: &mut Notes,
    blobs: &mut Blobs,
) -> Result<Tree, BuildError> {
    let BuildTime { latest, made: epoch } = builder.time(unpacked.newest())?;
    let accounts = accounts(builder.recipe, target);
    let answers = &builder.recipe.debconf;
    if scripts == Scripts::Native {
        let settings = NativeSettings { answers, accounts: &accounts, epoch };
        let (tree, skipped) = unpacked.configure_natively(&settings, blobs, builder.monitor)?;
        notes.skipped = skipped;
        return Ok(tree);
    }
    let tree = unpacked.write_database(epoch, blobs)?;
    if scripts == Scripts::None {
        return Ok(tree);
    }
    let settings = ScriptSettings {
        answers,
        accounts: &accounts,
        limits: builder.recipe.limits,
        epoch,
        now: latest,
        on_failure: builder.on_failure(),
        clock: builder.recipe.clock,
        seed: builder.seed(target),
    };
    builder.monitor.progress.begin("configuring packages", None);
    let configured = run_scripts(builder, (&tree, &*unpacked), settings, target, blobs);
    builder.monitor.progress.end();
    let configured = configured?;
    (notes.random, notes.skipped) = (configured.random, configured.left_out);
    Ok(configured.tree)
}

/// A tree after the packages' scripts.
struct ScriptedTree {
    tree: Tree,
    /// Files that depend on random numbers.
    random: Vec<RandomFile>,
    /// What scripts asked for and was left out.
    left_out: Vec<String>,
}

/// Runs the packages' scripts. Files of tools that depend on random numbers are not looked for: none of them goes into the image.
fn run_scripts(
    builder: &LayerBuilder<'_>,
    (tree, unpacked): (&Tree, &dyn UnpackedPackages),
    settings: ScriptSettings<'_>,
    target: LayerTarget,
    blobs: &mut Blobs,
) -> Result<ScriptedTree, BuildError> {
    let sandbox = builder.sandbox()?;
    let failed = |source| BuildError::Configure(Box::new(source));
    if target == LayerTarget::Tools {
        let done = unpacked.run_scripts(tree, &settings, &sandbox, blobs, builder.monitor);
        let (tree, left_out) = done.map_err(failed)?;
        return Ok(ScriptedTree { tree, random: Vec::new(), left_out });
    }
    // The scripts of the second run ask for the same.
    let first = Mutex::new(Vec::new());
    let once = |seed: Seed, on_failure, blobs: &mut Blobs, monitor: Monitor<'_>| {
        let of_run = ScriptSettings { seed, on_failure, ..settings };
        let (tree, left_out) = unpacked.run_scripts(tree, &of_run, &sandbox, blobs, monitor)?;
        if seed == settings.seed {
            *first.lock().unwrap_or_else(PoisonError::into_inner) = left_out;
        }
        Ok::<_, SandboxError>(tree)
    };
    let (tree, random) = second_run::make(builder, blobs, (settings.seed, choose_order(tree)), once, failed)?;
    let left_out = first.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(ScriptedTree { tree, random, left_out })
}

/// Numbers of users and groups that packages make; those of a recipe are for the image.
pub(super) fn accounts(recipe: &Recipe, target: LayerTarget) -> AccountIds {
    match target {
        LayerTarget::Image => AccountIds::of(&recipe.groups, &recipe.users),
        LayerTarget::Tools => AccountIds::default(),
    }
}
