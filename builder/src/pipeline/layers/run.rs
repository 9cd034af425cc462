//! The layer of `[[run]]`: the tree after the commands of a recipe, and which of them gave each path what it has.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use amiforge_formats::dump::DumpWord;
use amiforge_formats::tree::Tree;
use amiforge_rootfs::secrets::choose_order;
use amiforge_rootfs::steps::probe;
use amiforge_sandbox::{PathSteps, SandboxError, SandboxJob, SandboxStep};
use amiforge_store::blobs::Blobs;
use amiforge_store::layer::Layers;
use serde::{Deserialize, Serialize};

use super::{LayerBuilder, LayerRecord, LayerTarget, RandomFile, keys, second_run};
use crate::pipeline::BuildError;
use crate::pipeline::epoch::BuildTime;
use crate::pipeline::origins::{OriginRecorder, RunOrigins};

/// What is kept with a layer.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct RunNotes {
    random: Vec<RandomFile>,
    /// Paths, as words of a listing, that have something from a later step than the first, with the numbers of the steps that
    /// gave content and metadata.
    steps: Vec<(String, u32, u32)>,
}

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
    let first = builder.seed(LayerTarget::Image);
    let key = keys::run(before, (recipe, builder.options), stale, first, time);
    if let Some(layer) = layers.load(key, blobs)? {
        let (mut random, steps) = RunNotes::read(&layer.notes)?;
        record.random.append(&mut random);
        record.reused("run".to_owned(), layer.deferred);
        origins.observe_run((&tree, &layer.tree), blobs, RunOrigins { recipe, stale, steps: &steps })?;
        return Ok(layer.tree);
    }
    record.made("run".to_owned());
    let job = job(builder, stale, time);
    let sandbox = builder.sandbox()?;
    let recorded = OnceLock::new();
    let (ran, random) = second_run::make(
        builder,
        blobs,
        (first, choose_order(&tree)),
        |seed, on_failure, blobs, monitor| -> Result<Tree, SandboxError> {
            let job = SandboxJob { seed, on_failure, ..job.clone() };
            let captured = sandbox.run(&tree, blobs, &job, monitor)?;
            // The second run, with another seed, sees the same of the mounts, and its tree is not the image's.
            if seed == first {
                let _ = recorded.set(captured.steps);
            }
            Ok(captured.tree)
        },
        |source| BuildError::Run(Box::new(source)),
    )?;
    let notes = RunNotes::of(random, recorded.into_inner().unwrap_or_default());
    let saved = layers.save(key, &ran, blobs, &notes.bytes()?)?;
    let (mut random, steps) = notes.into_parts()?;
    origins.observe_run((&tree, &saved.tree), blobs, RunOrigins { recipe, stale, steps: &steps })?;
    record.random.append(&mut random);
    record.deferred.append(saved.deferred);
    Ok(saved.tree)
}

/// The commands that changed a path, by path.
type StepsByPath = BTreeMap<Vec<u8>, PathSteps>;

impl RunNotes {
    fn of(random: Vec<RandomFile>, steps: BTreeMap<Vec<u8>, PathSteps>) -> Self {
        let word = |(path, steps): (Vec<u8>, PathSteps)| {
            (DumpWord(&path).to_string(), steps.content, steps.metadata)
        };
        Self { random, steps: steps.into_iter().map(word).collect() }
    }

    fn bytes(&self) -> Result<Vec<u8>, BuildError> {
        serde_json::to_vec(self).map_err(|error| BuildError::Notes(error.to_string()))
    }

    /// What [`RunNotes::bytes`] wrote.
    fn read(bytes: &[u8]) -> Result<(Vec<RandomFile>, StepsByPath), BuildError> {
        let notes: Self =
            serde_json::from_slice(bytes).map_err(|error| BuildError::Notes(error.to_string()))?;
        notes.into_parts()
    }

    /// The files that depend on random numbers, and the steps by path.
    fn into_parts(self) -> Result<(Vec<RandomFile>, StepsByPath), BuildError> {
        let path = |(word, content, metadata): (String, u32, u32)| {
            let path = DumpWord::parse(&word)
                .ok_or_else(|| BuildError::Notes(format!("`{word}` is no word of a listing")))?;
            Ok((path, PathSteps { content, metadata }))
        };
        let steps: Result<_, BuildError> = self.steps.into_iter().map(path).collect();
        Ok((self.random, steps?))
    }
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
    job.record_steps = true;
    job
}
