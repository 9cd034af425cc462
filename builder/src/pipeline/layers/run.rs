//! The layer of `[[run]]`: the tree after the commands of a recipe.

use amiforge_formats::tree::Tree;
use amiforge_rootfs::secrets::choose_order;
use amiforge_rootfs::steps::probe;
use amiforge_sandbox::{SandboxError, SandboxJob, SandboxStep};
use amiforge_store::blobs::Blobs;
use amiforge_store::layer::Layers;

use super::{LayerBuilder, LayerRecord, LayerTarget, keys, second_run};
use crate::pipeline::BuildError;
use crate::pipeline::epoch::BuildTime;
use crate::pipeline::origins::{OriginRecorder, RecipeOrigins};

/// The tree after the recipe's commands, before which the initrds are made again where they are `stale`.
///
/// # Errors
/// [`BuildError::NoShell`], [`BuildError::Run`], and the errors of the store.
pub(in crate::pipeline) fn run(
    builder: &LayerBuilder<'_>,
    record: &mut LayerRecord,
    (tree, origins): (Tree, &mut OriginRecorder),
    stale: bool,
    time: BuildTime,
    blobs: &mut Blobs,
) -> Result<Tree, BuildError> {
    let recipe = builder.recipe;
    if recipe.runs.is_empty() && !stale {
        return Ok(tree);
    }
    if !probe::exists(&tree, "/bin/sh") {
        return Err(BuildError::NoShell);
    }
    let layers = Layers::of(builder.store);
    let before = layers.fingerprint(&tree, blobs)?;
    let seed = builder.seed(LayerTarget::Image);
    let key = keys::run(before, (recipe, builder.options), stale, seed, time);
    if let Some(layer) = layers.load(key, blobs)? {
        record.random.append(&mut second_run::read_notes(&layer.notes)?);
        record.reused("run".to_owned(), layer.deferred);
        origins.observe_anew((&tree, &layer.tree), blobs, |_| RecipeOrigins(recipe).run())?;
        return Ok(layer.tree);
    }
    record.made("run".to_owned());
    let job = job(builder, stale, time);
    let sandbox = builder.sandbox()?;
    let (ran, mut random) = second_run::make(
        builder,
        blobs,
        (seed, choose_order(&tree)),
        |seed, on_failure, blobs, monitor| -> Result<Tree, SandboxError> {
            let job = SandboxJob { seed, on_failure, ..job.clone() };
            Ok(sandbox.run(&tree, blobs, &job, monitor)?.tree)
        },
        |source| BuildError::Run(Box::new(source)),
    )?;
    let saved = layers.save(key, &ran, blobs, &second_run::notes(&random)?)?;
    origins.observe_anew((&tree, &saved.tree), blobs, |_| RecipeOrigins(recipe).run())?;
    record.random.append(&mut random);
    record.deferred.append(saved.deferred);
    Ok(saved.tree)
}

/// The commands, in order.
fn job(builder: &LayerBuilder<'_>, stale: bool, time: BuildTime) -> SandboxJob {
    let recipe = builder.recipe;
    let steps = recipe.runs.iter().enumerate().map(|(index, run)| {
        let step = SandboxStep::shell(format!("`[[run]]` {}", index + 1), &run.command);
        SandboxStep { env: run.env.clone(), ..step }
    });
    let initrds =
        stale.then(|| SandboxStep::new("making the initrds again", ["update-initramfs", "-u", "-k", "all"]));
    let mut job = SandboxJob::new(initrds.into_iter().chain(steps).collect(), time.made);
    (job.now, job.limits, job.clock) = (time.latest, recipe.limits, recipe.clock);
    job
}
