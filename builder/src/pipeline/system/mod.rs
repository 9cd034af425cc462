//! The system tree: packages, sources, stages and the settings of the recipe, in the order that gives a recipe its meaning.

mod contents;
pub(super) mod host_files;
mod initrds;
mod merged;
mod provenance;
mod trust;

use amiforge_formats::tree::Tree;
use amiforge_rootfs::assemble::Assembled;
use amiforge_rootfs::normalize::{self, NormalizeRule, NormalizeSpec, RuleChange};
use amiforge_rootfs::steps::{missing, service_keys};
use amiforge_store::blobs::Blobs;

use super::BuildError;
use super::epoch::{self, BuildTime};
use super::layers::{LayerBuilder, LayerRecord, run, stages};
use super::origins::{OriginRecorder, RecipeOrigins};

use crate::recipe::Recipe;
use host_files::HostFiles;
use merged::MergedInputs;

/// What the machine will see, before it is divided among file systems.
pub(super) struct SystemTree<'a> {
    /// Every file but what boots it: the hook for later kernels, and the files that are sealed.
    pub(super) tree: Tree,
    /// The times of the build.
    pub(super) time: BuildTime,
    /// Where its paths come from.
    pub(super) origins: OriginRecorder,
    /// What it was made from.
    pub(super) inputs: Inputs<'a>,
    /// What the machine will not be able to do, each with what to do about it.
    pub(super) warnings: Vec<String>,
}

/// What a system was made from, to be checked when the last byte has been read.
pub(super) struct Inputs<'a> {
    pub(super) record: LayerRecord,
    /// The sources; their tree was taken.
    pub(super) sources: Assembled,
    pub(super) host_files: HostFiles<'a>,
    /// What normalizing changed.
    pub(super) changes: Vec<RuleChange>,
    /// Commands of packages' scripts that were not emulated.
    pub(super) skipped: Vec<String>,
}

/// Makes the system tree of a recipe.
///
/// # Errors
/// [`BuildError`]. Layers that were made until then get their names all the same.
pub(super) fn system_tree<'a>(
    builder: &LayerBuilder<'a>,
    blobs: &mut Blobs,
) -> Result<SystemTree<'a>, BuildError> {
    let recipe = builder.recipe;
    // Dropped, it gives layers their names even if the rest of the recipe cannot be built.
    let mut record = LayerRecord::default();
    let MergedInputs { packages, mut sources, mut tree, mut origins } =
        merged::merge(builder, &mut record, blobs)?;
    let mut host_files = HostFiles::new(builder.monitor);
    let newest = packages.as_ref().map_or(sources.newest, |system| system.notes.newest().max(sources.newest));
    let time = epoch::choose(builder.options.source_date_epoch, recipe.image.epoch, newest)?;
    stages::install(builder, &mut record, &mut tree, &mut origins, blobs)?;
    let mut warnings = std::mem::take(&mut sources.warnings);
    let settings = contents::apply(recipe, &mut tree, &mut origins, blobs, &mut host_files, time.made)?;
    warnings.extend(settings);
    let stale = initrds::are_stale(recipe, packages.as_ref().map(|system| &system.tree), &tree);
    let mut tree = run::run(builder, &mut record, (tree, &mut origins), stale, time, blobs)?;
    let unmet = missing::missing_settings(&tree, blobs, &recipe.system, &recipe.users)?;
    warnings.extend(unmet.iter().map(ToString::to_string));
    let changes = normalize(recipe, &mut tree, blobs, time)?;
    origins.observe(&tree, |path| RecipeOrigins(recipe).normalize(path, &changes));
    provenance::install(builder, &mut tree, &sources.inputs, (&host_files, &record), time.made)?;
    origins.observe(&tree, |_| RecipeOrigins(recipe).table("provenance", "image"));
    warnings.extend(trust::verified_root(recipe, &mut tree, blobs, time.made)?);
    origins.observe(&tree, |_| RecipeOrigins(recipe).table("verified-root", "trust"));
    let skipped = packages.map(|system| system.notes.skipped).unwrap_or_default();
    let inputs = Inputs { record, sources, host_files, changes, skipped };
    Ok(SystemTree { tree, time, origins, inputs, warnings })
}

/// Applies the rules of normalization to the tree; gives the changes.
fn normalize(
    recipe: &Recipe,
    tree: &mut Tree,
    blobs: &Blobs,
    time: BuildTime,
) -> Result<Vec<RuleChange>, BuildError> {
    let rules = recipe.rules.clone();
    let spec = NormalizeSpec { epoch: time.latest, rules };
    normalize::check(tree, &spec)?;
    let mut changes = normalize::normalize(tree, &spec);
    if recipe.rules.contains(&NormalizeRule::ServiceKeys) {
        let stays = |path: &str| {
            let below = path.trim_start_matches('/').as_bytes();
            recipe.files.iter().any(|file| file.path == path)
                || recipe.secrets.allow.iter().any(|allowed| allowed.globs.matches(below))
        };
        changes.append(&mut service_keys::apply(tree, blobs, &stays, time.made)?);
    }
    Ok(changes)
}
