//! The build: from a recipe to a bundle.
//!
//! Owns the order of the steps and the values that pass between them; each step is a module or a crate of its own. It reads
//! neither the environment nor a clock: the result depends on the recipe and [`BuildOptions`] only.

mod boot;
mod created_dirs;
mod epoch;
mod error;
mod esp_owner;
mod kept;
mod layers;
mod measure;
mod options;
mod origins;
mod output;
mod pcr_policy;
mod secure_boot;
mod system;
mod volumes;
mod work_store;

use amiforge_formats::digest::Digest;
use amiforge_image::bundle;
use amiforge_image::disk::plan_data;
use amiforge_image::image::EmitOptions;
use amiforge_progress::{CancelToken, Monitor};
use amiforge_rootfs::sources::image::KeptDisk;
use amiforge_store::blobs::Blobs;

pub use epoch::{NotAnEpoch, TooLate, parse_source_date_epoch};
pub use error::{BuildError, HostFileError, InputError, NoLoader};
pub use kept::KeptError;
pub use options::{BuildLayer, BuildOptions, Built};
pub use volumes::SplitError;

use crate::recipe::Recipe;
use created_dirs::CreatedDirs;
use epoch::BuildTime;
use layers::LayerBuilder;
use origins::{RecipeOrigins, SystemTrees};
use output::listing::listing;
use output::{Output, secrets};
use system::SystemTree;
use volumes::disk::{SealedPartitions, mount_sealed};
use work_store::WorkStore;

/// Builds a recipe. On failure, and when interrupted, nothing is left at `options.out`; finished layers stay in the store
/// for the next build.
///
/// # Errors
/// [`BuildError`].
#[expect(clippy::too_many_lines, reason = "the chain of values, a line for each step")]
pub fn build(recipe: &Recipe, options: &BuildOptions, monitor: Monitor<'_>) -> Result<Built, BuildError> {
    let options = &BuildOptions { out: bundle::resolve(&options.out, options.existing)?, ..options.clone() };
    bundle::check_vacant(&options.out, options.existing)?;
    let created_dirs = CreatedDirs::make(&options.out)?;
    let store = WorkStore::open(options.store.as_deref(), &options.out)?;
    let builder = LayerBuilder::new(recipe, options, store.store(), monitor)?;
    let mut blobs = Blobs::new();

    let mut system = system::system_tree(&builder, &mut blobs)?;
    if let Some(disk) = system.inputs.sources.disk.take() {
        let built = build_kept(&builder, system, &disk, &blobs)?;
        created_dirs.keep();
        return Ok(built);
    }
    let BuildTime { latest, made } = system.time;
    let policy = pcr_policy::policy(recipe, &mut system.inputs.host_files, &mut blobs)?;
    let boot = boot::prepare(recipe, &mut system.tree, &blobs, policy.as_ref(), made)?;
    let boot = boot.as_ref();
    volumes::selinux::prepare(recipe, &mut system.tree, &blobs, made)?;
    system.origins.observe(&system.tree, |_| RecipeOrigins(recipe).table("kernel-hook", "boot"));
    let keys = secure_boot::keys(recipe, &mut system.inputs.host_files, &mut blobs)?;
    let mut trees = volumes::split(system.tree.clone(), &recipe.partitions, made)?;
    volumes::selinux::label(recipe, &system.tree, &mut trees, &blobs, made)?;
    let groups = volumes::groups::groups(&system.tree, &recipe.partitions, &trees, &blobs);
    let groups = groups.map_err(BuildError::ReadTree)?;
    let partitions = SealedPartitions::of(recipe, boot, &trees, made);
    // The lengths of all partitions are needed before the data is planned. A draft sealed with placeholders (a root hash of
    // zeros, signatures of the right length) has the final lengths. It is dropped with this block, because an initrd of
    // our own is held in memory.
    let spec = {
        let root_hash = recipe.trust.profile.map(|_| Digest([0; 32]));
        let draft = pcr_policy::seal_draft(boot, root_hash, policy.as_ref(), options)?;
        let draft = partitions.contents(recipe, &draft, &blobs)?;
        let host_files = &mut system.inputs.host_files;
        volumes::disk::spec(recipe, (trees, groups), &draft, made, &mut blobs, host_files)?
    };
    let mut plans = plan_data(&spec, &partitions.indices())?;
    plans.hash(&blobs, &EmitOptions { threads: options.threads.max(1) }, monitor)?;
    let root_hash = plans.verity().first().map(|verity| verity.root_hash);
    let (mut sealed, policies) = pcr_policy::seal_signed(boot, root_hash, policy, options, &blobs)?;
    let secure_boot = secure_boot::sign(&mut sealed, keys.as_ref(), options, &blobs)?;
    let contents = partitions.contents(recipe, &sealed, &blobs)?;
    let origins = {
        let contents = &contents;
        let boot = boot.map(|boot| &boot.spec);
        let trees = SystemTrees { tree: &system.tree, spec: &spec, contents, boot, sealed: &sealed };
        system.origins.finish(recipe, trees)
    };
    mount_sealed(recipe, &mut system.tree, &sealed, &blobs, made)?;
    system.warnings.extend(boot.into_iter().flat_map(|boot| boot.warnings(recipe, &sealed)));
    let measurements =
        measure::measurements(recipe, boot, (&sealed, keys.as_ref()), &blobs, &mut system.warnings);
    drop(sealed);
    let listing = listing(&recipe.partitions, &spec, &contents);
    let disk = plans.lay_out(contents)?;
    drop(spec);
    stop_if_cancelled(monitor.cancel)?;
    let layers = std::mem::take(&mut system.inputs.record.layers);
    let output = Output {
        disk: &disk,
        tree: &system.tree,
        listing: &listing,
        origins: &origins,
        secure_boot: secure_boot.as_ref(),
        policies: policies.as_ref(),
        epoch: latest,
        boot_mode: volumes::disk::boot_mode(recipe),
        blobs: &blobs,
        measurements: measurements.as_ref(),
    };
    let (manifest, findings) = output::write(&builder, &output, system.inputs)?;
    created_dirs.keep();
    let mut warnings = system.warnings;
    warnings.extend(secrets::needless(recipe, &manifest.origin.secrets));
    warnings.extend(findings);
    warnings.extend(pcr_policy::unsigned_warning(policies.as_ref(), options));
    warnings.extend(secure_boot::unsigned_warning(secure_boot.as_ref(), options));
    Ok(Built { bundle: options.out.clone(), manifest, layers, warnings })
}

/// Builds an image whose disk is that of its first source, amended.
fn build_kept(
    builder: &LayerBuilder<'_>,
    mut system: SystemTree<'_>,
    disk: &KeptDisk,
    blobs: &Blobs,
) -> Result<Built, BuildError> {
    let kept = kept::amended(builder.recipe, &mut system, disk, blobs)?;
    stop_if_cancelled(builder.monitor.cancel)?;
    let layers = std::mem::take(&mut system.inputs.record.layers);
    let output = Output {
        disk: &kept.disk,
        tree: &system.tree,
        listing: &kept.listing,
        origins: &kept.origins,
        secure_boot: None,
        policies: None,
        epoch: system.time.latest,
        boot_mode: kept.boot_mode,
        blobs,
        measurements: None,
    };
    let (manifest, findings) = output::write(builder, &output, system.inputs)?;
    let mut warnings = system.warnings;
    warnings.extend(kept.warnings);
    warnings.extend(secrets::needless(builder.recipe, &manifest.origin.secrets));
    warnings.extend(findings);
    Ok(Built { bundle: builder.options.out.clone(), manifest, layers, warnings })
}

fn stop_if_cancelled(cancel: &CancelToken) -> Result<(), BuildError> {
    if cancel.is_cancelled() { Err(BuildError::Interrupted) } else { Ok(()) }
}
