//! Software from source: every stage of a recipe, built or taken from the store, and put into the tree.

use amiforge_formats::digest::Digest;
use amiforge_formats::tree::Tree;
use amiforge_rootfs::graft::graft;
use amiforge_rootfs::secrets::RunOrder;
use amiforge_rootfs::stage::{self, StageArchive, StageError, StageInstall, StageSpec};
use amiforge_store::blobs::Blobs;
use amiforge_store::layer::Layers;

use super::workshop::{For, Packages, Workshop};
use super::{BuildError, BuildLayer, HostFileError, keys, secrets, system};
use crate::lock::LockedStage;
use crate::recipe::{PackageSource, Stage};

/// Puts what every stage installs into the tree.
pub(super) fn install(
    workshop: &mut Workshop<'_>,
    tree: &mut Tree,
    blobs: &mut Blobs,
) -> Result<(), BuildError> {
    let Some(Packages { lock, source }) = workshop.packages else { return Ok(()) };
    for (spec, locked) in workshop.recipe.stages.iter().zip(&lock.stages) {
        let part = part(workshop, source, spec, locked, blobs)?;
        let at = part.node(part.root()).meta.mtime;
        let placed = graft(&part, part.root(), tree, b"", at);
        placed.map_err(|source| BuildError::Place { stage: spec.name.clone(), source })?;
    }
    Ok(())
}

/// What a stage installs.
fn part(
    workshop: &mut Workshop<'_>,
    from: &PackageSource,
    spec: &Stage,
    locked: &LockedStage,
    blobs: &mut Blobs,
) -> Result<Tree, BuildError> {
    let seed = workshop.seed(For::Tools);
    let (inputs, accounts) =
        ((workshop.recipe, workshop.options), system::accounts(workshop.recipe, For::Tools));
    let tools = keys::configured(&locked.packages, from, inputs, seed, &accounts);
    let patches = patches(spec)?;
    let sources: Vec<Digest> = locked.sources.iter().map(|source| source.sha256).collect();
    let key = keys::stage(spec, workshop.recipe, tools, &sources, &patches);
    let (layers, name) = (Layers::of(workshop.store), format!("stage {}", spec.name));
    if let Some(layer) = layers.load(key, blobs)? {
        workshop.loaded.append(layer.outstanding);
        workshop.dependents.append(&mut secrets::read_notes(&layer.notes)?);
        workshop.layers.push(BuildLayer { name, reused: true });
        return Ok(layer.tree);
    }
    let system =
        workshop.system(format!("tools of {}", spec.name), from, (&locked.packages, For::Tools), blobs)?;
    workshop.layers.push(BuildLayer { name, reused: false });
    let mut archives = Vec::new();
    for (source, locked) in spec.sources.iter().zip(&locked.sources) {
        archives.push(StageArchive {
            label: source.label.clone(),
            folder: source.folder.clone(),
            path: workshop.object(locked.sha256, locked.size, &source.label)?,
            strip: source.strip,
            sha256: Some(locked.sha256),
        });
    }
    let install = |(from, to): &(String, String)| StageInstall { from: from.clone(), to: to.clone() };
    let spec = StageSpec {
        name: spec.name.clone(),
        epoch: workshop.epoch(system.notes.newest())?,
        tools: system.tree,
        sources: archives,
        patches,
        run: spec.run.clone(),
        env: spec.env.clone(),
        install: spec.installs.iter().map(install).collect(),
        limits: workshop.recipe.limits,
        clock: workshop.recipe.clock,
        seed,
        on_failure: workshop.on_failure(),
    };
    workshop.watching.progress.begin(&format!("building {}", spec.name), None);
    let (sandbox, store) = (workshop.sandbox()?, workshop.store);
    let built = secrets::make(
        workshop,
        blobs,
        // Compilers keep all cores busy, and both would unpack the same sources.
        (seed, RunOrder::InTurn),
        |seed, on_failure, blobs, watch| -> Result<Tree, StageError> {
            let spec = StageSpec { seed, on_failure, ..spec.clone() };
            Ok(stage::build(&spec, &sandbox, store, blobs, watch)?.tree)
        },
        |source| BuildError::Stage(Box::new(source)),
    );
    workshop.watching.progress.end();
    let (tree, mut dependents) = built?;
    let saved = layers.save(key, &tree, blobs, &secrets::notes(&dependents)?)?;
    workshop.dependents.append(&mut dependents);
    workshop.names.append(saved.outstanding);
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
