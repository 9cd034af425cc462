//! Packages and sources, merged: packages first and sources over them, or an image that exists first, packages over it, and
//! the other sources last.

use amiforge_formats::tree::Tree;
use amiforge_rootfs::assemble::{self, Assembled};
use amiforge_rootfs::merge::MergedTree;
use amiforge_rootfs::sources::SourceSpec;
use amiforge_store::blobs::Blobs;

use crate::pipeline::BuildError;
use crate::pipeline::layers::packages::{self, PackageSystem};
use crate::pipeline::layers::{LayerBuilder, LayerRecord, PackageInputs, over};
use crate::pipeline::origins::{OriginRecorder, RecipeOrigins};

/// Packages and sources.
pub(super) struct MergedInputs {
    /// The packages, with what they were merged over.
    pub(super) packages: Option<PackageSystem>,
    /// The sources; their tree was taken.
    pub(super) sources: Assembled,
    /// All of it.
    pub(super) tree: Tree,
    /// Where its paths come from.
    pub(super) origins: OriginRecorder,
}

/// Merges the packages and sources of a recipe.
///
/// # Errors
/// [`BuildError`].
pub(super) fn merge(
    builder: &LayerBuilder<'_>,
    record: &mut LayerRecord,
    blobs: &mut Blobs,
) -> Result<MergedInputs, BuildError> {
    let sources = builder.sources()?;
    match (builder.packages, builder.recipe.upgrade) {
        (Some(inputs), Some(_)) => over_image(builder, record, inputs, &sources, blobs),
        _ => over_packages(builder, record, &sources, blobs),
    }
}

/// Packages, and every source over them.
fn over_packages(
    builder: &LayerBuilder<'_>,
    record: &mut LayerRecord,
    sources: &[SourceSpec],
    blobs: &mut Blobs,
) -> Result<MergedInputs, BuildError> {
    let packages = packages::image(builder, record, blobs)?;
    let merged = match &packages {
        Some(system) => MergedTree::from_tree("the packages", system.tree.clone()),
        None => MergedTree::default(),
    };
    let mut sources = assemble::assemble_onto(merged, sources, builder.store, blobs, builder.monitor)?;
    record.deferred.append(std::mem::take(&mut sources.deferred));
    let tree = take_tree(&mut sources);
    let numbers = std::mem::take(&mut sources.origins);
    let origins = OriginRecorder::begin(builder, packages.as_ref(), (&tree, &numbers), blobs)?;
    Ok(MergedInputs { packages, sources, tree, origins })
}

/// The first source, packages over it, and the other sources over both.
fn over_image(
    builder: &LayerBuilder<'_>,
    record: &mut LayerRecord,
    inputs: PackageInputs<'_>,
    sources: &[SourceSpec],
    blobs: &mut Blobs,
) -> Result<MergedInputs, BuildError> {
    let recipe = RecipeOrigins(builder.recipe);
    let (first, others) = sources.split_at(sources.len().min(1));
    let mut image = assemble::assemble(first, builder.store, blobs, builder.monitor)?;
    record.deferred.append(std::mem::take(&mut image.deferred));
    let below = take_tree(&mut image);
    let numbers = std::mem::take(&mut image.origins);
    let mut origins = OriginRecorder::begin(builder, None, (&below, &numbers), blobs)?;
    let system = over::image(builder, record, (&below, image.newest), inputs, blobs)?;
    origins.observe_anew((&below, &system.tree), blobs, |_| recipe.table("packages", "source"))?;

    let merged = MergedTree::from_tree("the packages", system.tree.clone());
    let mut rest = assemble::assemble_onto(merged, others, builder.store, blobs, builder.monitor)?;
    record.deferred.append(std::mem::take(&mut rest.deferred));
    let tree = take_tree(&mut rest);
    let numbers = std::mem::take(&mut rest.origins);
    let number =
        |path: &[u8]| tree.lookup(path).and_then(|id| numbers.get(id.index())).copied().unwrap_or_default();
    // The first source is counted, too.
    origins.observe(&tree, |path| recipe.source(number(path) + 1));
    image.inputs.append(&mut rest.inputs);
    image.warnings.append(&mut rest.warnings);
    image.newest = image.newest.max(rest.newest);
    image.oci_config = rest.oci_config;
    Ok(MergedInputs { packages: Some(system), sources: image, tree, origins })
}

/// Takes the merged tree out of the sources.
fn take_tree(sources: &mut Assembled) -> Tree {
    let root = sources.tree.node(sources.tree.root()).meta.clone();
    std::mem::replace(&mut sources.tree, Tree::new(root))
}
