//! Makes a layer a second time with other random numbers, to find the files that depend on them (see
//! [`amiforge_rootfs::secrets`]). What is found is kept in the layer's notes. A later `[[run]]` sees the outcome of the
//! first run only, so of the files that it makes from those of an earlier layer only equal copies are found.

use std::error::Error;

use amiforge_formats::tree::Tree;
use amiforge_progress::Monitor;
use amiforge_rootfs::secrets::{self, RunOrder, RunTwiceError};
use amiforge_sandbox::{OnFailure, Seed};
use amiforge_store::blobs::Blobs;

use super::{LayerBuilder, RandomFile};
use crate::pipeline::BuildError;

/// Makes a tree with random numbers that follow from a seed, and once more with others, to find the files that depend on
/// them.
///
/// # Errors
/// What `failed` makes of a failure, [`BuildError::SecondRun`], [`BuildError::Compare`].
pub(super) fn make<E: Error + Send + Sync + 'static>(
    builder: &LayerBuilder<'_>,
    blobs: &mut Blobs,
    (seed, order): (Seed, RunOrder),
    make: impl Fn(Seed, OnFailure, &mut Blobs, Monitor<'_>) -> Result<Tree, E> + Sync,
    failed: impl FnOnce(E) -> BuildError,
) -> Result<(Tree, Vec<RandomFile>), BuildError> {
    let (monitor, on_failure) = (builder.monitor, builder.on_failure());
    if !builder.recipe.secrets.second_run {
        let tree = make(seed, on_failure, blobs, monitor).map_err(failed)?;
        return Ok((tree, Vec::new()));
    }
    // A shell has the terminal for itself.
    let order = if on_failure == OnFailure::Shell { RunOrder::InTurn } else { order };
    let known = blobs.count();
    let both = secrets::run_twice(
        blobs,
        order,
        monitor,
        |blobs| make(seed, on_failure, blobs, monitor),
        |copy, second| make(seed.other(), OnFailure::Stop, copy, second),
    );
    let (tree, other, copy) = both.map_err(|error| match error {
        RunTwiceError::First(error) => failed(error),
        RunTwiceError::Second(error) => BuildError::SecondRun(Box::new(error)),
    })?;
    let found =
        secrets::find_dependent((&tree, blobs), (&other, &copy), known).map_err(BuildError::Compare)?;
    let kept = |found: secrets::RandomDependent| RandomFile {
        path: found.path,
        sha256: found.sha256.map(|digest| digest.to_string()),
    };
    Ok((tree, found.into_iter().map(kept).collect()))
}

/// The notes of a layer that says nothing else.
pub(super) fn notes(random: &[RandomFile]) -> Result<Vec<u8>, BuildError> {
    serde_json::to_vec(random).map_err(|error| BuildError::Notes(error.to_string()))
}

/// What [`notes`] wrote.
pub(super) fn read_notes(notes: &[u8]) -> Result<Vec<RandomFile>, BuildError> {
    serde_json::from_slice(notes).map_err(|error| BuildError::Notes(error.to_string()))
}
