//! The layer of packages over an image that exists already: its own package manager installs them in the sandbox.

use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_packages::backend::{PackageFile, ScriptSettings, SystemChange};
use amiforge_rootfs::secrets::choose_order;
use amiforge_sandbox::SandboxError;
use amiforge_store::blobs::Blobs;
use amiforge_store::layer::Layers;

use super::packages::{Notes, PackageSystem, accounts};
use super::{LayerBuilder, LayerRecord, LayerTarget, PackageInputs, keys, second_run};
use crate::pipeline::BuildError;
use crate::pipeline::epoch::BuildTime;

/// A system with the lock's packages installed over it; `newest` is the newest time in it.
///
/// # Errors
/// [`BuildError::Configure`] when the package manager or a script fails, and the errors of the store.
pub(in crate::pipeline) fn image(
    builder: &LayerBuilder<'_>,
    record: &mut LayerRecord,
    (below, newest): (&Tree, Time),
    PackageInputs { lock, source }: PackageInputs<'_>,
    blobs: &mut Blobs,
) -> Result<PackageSystem, BuildError> {
    // The recipe was checked for it.
    let kind = source.backend().kind();
    let installer = source.backend().over().ok_or(BuildError::NotOver { kind: kind.name() })?;
    let (seed, accounts) = (builder.seed(LayerTarget::Image), accounts(builder.recipe, LayerTarget::Image));
    let layers = Layers::of(builder.store);
    let before = layers.fingerprint(below, blobs)?;
    let inputs = (builder.recipe, builder.options);
    let packages = keys::configured(&lock.image, source, inputs, seed, &accounts);
    let key = keys::over(before, packages, (source, &lock.removed));
    if let Some(layer) = layers.load(key, blobs)?
        && let Ok(notes) = serde_json::from_slice::<Notes>(&layer.notes)
    {
        record.reused("packages".to_owned(), layer.deferred);
        record.random.extend_from_slice(notes.random());
        return Ok(PackageSystem { tree: layer.tree, notes });
    }
    record.made("packages".to_owned());
    let mut files = Vec::with_capacity(lock.image.len());
    for package in &lock.image {
        let label = format!("{} {} {}", package.name, package.version, package.arch);
        files.push(PackageFile { package, path: builder.object(package.sha256, package.size, &label)? });
    }
    let BuildTime { latest, made: epoch } = builder.time(newest)?;
    let settings = ScriptSettings {
        answers: &builder.recipe.debconf,
        accounts: &accounts,
        limits: builder.recipe.limits,
        epoch,
        now: latest,
        on_failure: builder.on_failure(),
        clock: builder.recipe.clock,
        seed,
    };
    let sandbox = builder.sandbox()?;
    builder.monitor.progress.begin("installing packages", None);
    let installed = second_run::make(
        builder,
        blobs,
        (seed, choose_order(below)),
        |seed, on_failure, blobs, monitor| -> Result<Tree, SandboxError> {
            let settings = ScriptSettings { seed, on_failure, ..settings };
            let change = SystemChange { files: &files, removed: &lock.removed };
            installer.install(below, change, &settings, &sandbox, blobs, monitor)
        },
        |source| BuildError::Configure(Box::new(source)),
    );
    builder.monitor.progress.end();
    let (tree, random) = installed?;
    record.random.extend_from_slice(&random);
    let notes = Notes::of_system(newest, random);
    let text = serde_json::to_vec(&notes).map_err(|error| BuildError::Notes(error.to_string()))?;
    let saved = layers.save(key, &tree, blobs, &text)?;
    record.deferred.append(saved.deferred);
    Ok(PackageSystem { tree: saved.tree, notes })
}
