//! Recipe, lock and provenance in the image itself. Comes after normalization, which knows none of these files, and before
//! the root is verified, so that its hash covers them.

use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_image::manifest::ManifestInput;
use amiforge_rootfs::assemble::ListedInput;
use amiforge_rootfs::steps::provenance::{self, ProvenanceTexts};

use crate::lock::Lock;
use crate::pipeline::BuildError;
use crate::pipeline::layers::{LayerBuilder, LayerRecord};
use crate::pipeline::system::host_files::HostFiles;
use crate::provenance::{BuildFacts, kept_base, pinned, predicate, text};

/// Puts recipe, lock and provenance into the tree, unless the recipe says otherwise or the tree is no system. The provenance
/// lists what is known here, the same on every machine: without the digests that are taken while the image is written, and
/// without signatures, which come after it.
///
/// # Errors
/// [`BuildError::Step`].
pub(super) fn install(
    builder: &LayerBuilder<'_>,
    tree: &mut Tree,
    sources: &[ListedInput],
    (host_files, record): (&HostFiles<'_>, &LayerRecord),
    time: Time,
) -> Result<(), BuildError> {
    let recipe = builder.recipe;
    if !recipe.image.provenance {
        return Ok(());
    }
    let lock = builder.options.lock.as_ref();
    let inputs: Vec<ManifestInput> =
        pinned(sources).into_iter().chain(host_files.inputs()).chain(kept_base(recipe, lock)).collect();
    let facts = BuildFacts {
        recipe,
        lock,
        source_date_epoch: builder.options.source_date_epoch,
        inputs: &inputs,
        patches: &record.patches,
    };
    let (lock, predicate) = (lock.map(Lock::text), text(&predicate(&facts)));
    let texts = ProvenanceTexts { recipe: &recipe.text, lock: lock.as_deref(), predicate: Some(&predicate) };
    provenance::apply(tree, &texts, time)?;
    Ok(())
}
