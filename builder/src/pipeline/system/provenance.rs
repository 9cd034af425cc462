//! Recipe, lock and provenance in the image itself. Comes after normalization, which knows none of these files, and before
//! the root is verified, so that its hash covers them.

use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_rootfs::steps::provenance::{self, ProvenanceTexts};

use crate::lock::Lock;
use crate::pipeline::BuildError;
use crate::pipeline::layers::LayerBuilder;

/// Puts recipe and lock into the tree, unless the recipe says otherwise or the tree is no system.
///
/// # Errors
/// [`BuildError::Step`].
pub(super) fn install(builder: &LayerBuilder<'_>, tree: &mut Tree, time: Time) -> Result<(), BuildError> {
    if !builder.recipe.image.provenance {
        return Ok(());
    }
    let lock = builder.options.lock.as_ref().map(Lock::text);
    let texts = ProvenanceTexts { recipe: &builder.recipe.text, lock: lock.as_deref(), predicate: None };
    provenance::apply(tree, &texts, time)?;
    Ok(())
}
