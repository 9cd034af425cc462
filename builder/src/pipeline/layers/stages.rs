//! Software from source: every stage of a recipe, built or taken from the store, and put into the tree.

use amiforge_formats::digest::Digest;
use amiforge_formats::tree::Tree;
use amiforge_image::manifest::ManifestInput;
use amiforge_image::provenance::PATCH;
use amiforge_rootfs::insert::insert_subtree;
use amiforge_rootfs::secrets::RunOrder;
use amiforge_rootfs::stage::{self, StageArchive, StageError, StageInstall, StageSpec};
use amiforge_store::blobs::Blobs;
use amiforge_store::layer::Layers;

use super::{LayerBuilder, LayerRecord, LayerTarget, PackageInputs, keys, packages, second_run};
use crate::lock::{LockedSource, LockedStage};
use crate::pipeline::origins::{OriginRecorder, RecipeOrigins};
use crate::pipeline::{BuildError, HostFileError};
use crate::recipe::{PackageSource, Stage, StageSource};

/// Puts what every stage installs into the tree.
pub(in crate::pipeline) fn install(
    builder: &LayerBuilder<'_>,
    record: &mut LayerRecord,
    tree: &mut Tree,
    origins: &mut OriginRecorder,
    blobs: &mut Blobs,
) -> Result<(), BuildError> {
    let Some(PackageInputs { lock, source }) = builder.packages else { return Ok(()) };
    for (index, (spec, locked)) in builder.recipe.stages.iter().zip(&lock.stages).enumerate() {
        let part = part(builder, record, source, spec, locked, blobs)?;
        let at = part.node(part.root()).meta.mtime;
        let inserted = insert_subtree(&part, part.root(), tree, b"", at);
        inserted.map_err(|source| BuildError::InstallStage { stage: spec.name.clone(), source })?;
        origins.observe(tree, |_| RecipeOrigins(builder.recipe).stage(&spec.name, index));
    }
    Ok(())
}

/// The sources of a stage, in the store.
fn archives(
    builder: &LayerBuilder<'_>,
    spec: &Stage,
    locked: &LockedStage,
) -> Result<Vec<StageArchive>, BuildError> {
    let archive = |(source, locked): (&StageSource, &LockedSource)| {
        Ok(StageArchive {
            label: source.label.clone(),
            folder: source.folder.clone(),
            path: builder.object(locked.sha256, locked.size, &source.label)?,
            strip: source.strip,
            sha256: Some(locked.sha256),
        })
    };
    spec.sources.iter().zip(&locked.sources).map(archive).collect()
}

/// What a stage installs.
fn part(
    builder: &LayerBuilder<'_>,
    record: &mut LayerRecord,
    from: &PackageSource,
    spec: &Stage,
    locked: &LockedStage,
    blobs: &mut Blobs,
) -> Result<Tree, BuildError> {
    let seed = builder.seed(LayerTarget::Tools);
    let (inputs, accounts) =
        ((builder.recipe, builder.options), packages::accounts(builder.recipe, LayerTarget::Tools));
    let tools = keys::configured(&locked.packages, from, inputs, seed, &accounts);
    let patches = patches(spec)?;
    record.patches.extend(patches.iter().map(|(name, bytes)| ManifestInput {
        kind: PATCH.to_owned(),
        name: name.clone(),
        sha256: Some(Digest::of(bytes)),
    }));
    let sources: Vec<Digest> = locked.sources.iter().map(|source| source.sha256).collect();
    let key = keys::stage(spec, builder.recipe, tools, &sources, &patches);
    let (layers, name) = (Layers::of(builder.store), format!("stage {}", spec.name));
    if let Some(layer) = layers.load(key, blobs)? {
        record.random.append(&mut second_run::read_notes(&layer.notes)?);
        record.reused(name, layer.deferred);
        return Ok(layer.tree);
    }
    let tools = format!("tools of {}", spec.name);
    let system =
        packages::system(builder, record, &tools, from, (&locked.packages, LayerTarget::Tools), blobs)?;
    record.made(name);
    let archives = archives(builder, spec, locked)?;
    let install = |(from, to): &(String, String)| StageInstall { from: from.clone(), to: to.clone() };
    let spec = StageSpec {
        name: spec.name.clone(),
        epoch: builder.time(system.notes.newest())?.latest,
        tools: system.tree,
        sources: archives,
        patches,
        run: spec.run.clone(),
        env: spec.env.clone(),
        install: spec.installs.iter().map(install).collect(),
        limits: builder.recipe.limits,
        clock: builder.recipe.clock,
        seed,
        on_failure: builder.on_failure(),
    };
    builder.monitor.progress.begin(&format!("building {}", spec.name), None);
    let (sandbox, store) = (builder.sandbox()?, builder.store);
    let built = second_run::make(
        builder,
        blobs,
        // Compilers keep all cores busy, and both would unpack the same sources.
        (seed, RunOrder::InTurn),
        |seed, on_failure, blobs, monitor| -> Result<Tree, StageError> {
            let spec = StageSpec { seed, on_failure, ..spec.clone() };
            Ok(stage::build(&spec, &sandbox, store, blobs, monitor)?.tree)
        },
        |source| BuildError::Stage(Box::new(source)),
    );
    builder.monitor.progress.end();
    let (tree, mut random) = built?;
    let saved = layers.save(key, &tree, blobs, &second_run::notes(&random)?)?;
    record.random.append(&mut random);
    record.deferred.append(saved.deferred);
    Ok(saved.tree)
}

/// The bytes of a stage's patches, with their names.
fn patches(spec: &Stage) -> Result<Vec<(String, Vec<u8>)>, BuildError> {
    let read = |(path, name): &(std::path::PathBuf, String)| {
        let bytes = amiforge_progress::regular::read(path).map_err(|source| BuildError::HostFile {
            name: name.clone(),
            source: HostFileError::Read { path: path.clone(), source },
        })?;
        Ok((name.clone(), bytes))
    };
    spec.patches.iter().map(read).collect()
}
