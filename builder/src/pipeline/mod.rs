//! The build: from a recipe to a bundle.
//!
//! Owns the order of the steps and the values that pass between them; each step is a module or a crate of its own. It reads
//! neither the environment nor a clock: the result depends on the recipe and [`BuildOptions`] only.

mod boot;
mod created_dirs;
mod epoch;
mod error;
mod layers;
mod output;
mod system;
mod volumes;
mod work_store;

use std::path::{Path, PathBuf};

use amiforge_image::bundle::{self, ExistingBundle};
use amiforge_image::disk::plan_data;
use amiforge_image::manifest::Manifest;
use amiforge_image::seal::Trust;
use amiforge_progress::{CancelToken, Monitor};
use amiforge_sandbox::OnFailure;
use amiforge_store::blobs::Blobs;

pub use boot::NoLoader;
pub use epoch::{NotAnEpoch, TooLate, parse_source_date_epoch};
pub use error::{BuildError, InputError};
pub use system::host_files::HostFileError;
pub use volumes::SplitError;

use crate::lock::Lock;
use crate::recipe::Recipe;
use created_dirs::CreatedDirs;
use epoch::BuildTime;
use layers::LayerBuilder;
use output::listing::listing;
use output::{Output, secrets};
use volumes::disk::{SealedPartitions, mount_sealed};
use work_store::WorkStore;

/// Options of a build besides the recipe. Only `source_date_epoch` and the lock may change a byte of the result.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Where the bundle goes.
    pub out: PathBuf,
    /// What to do when that name is taken.
    pub existing: ExistingBundle,
    /// Threads that read, write and hash.
    pub threads: usize,
    /// Folder where unpacked inputs are kept for the next build; without one that can be used they are kept beside the
    /// bundle for as long as the build takes.
    pub store: Option<PathBuf>,
    /// `SOURCE_DATE_EPOCH`: goes before the recipe's own epoch.
    pub source_date_epoch: Option<i64>,
    /// The lock, for a recipe that needs one.
    pub lock: Option<Lock>,
    /// An archive of inputs (see [`crate::vendor`]), from which the store takes what it lacks.
    pub vendor: Option<PathBuf>,
    /// What happens when a command in the sandbox fails.
    pub on_failure: OnFailure,
}

/// What a build made.
#[derive(Debug)]
pub struct Built {
    /// The bundle.
    pub bundle: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// The layers, in the order of the build.
    pub layers: Vec<BuildLayer>,
    /// What the image will not be able to do, each with what to do about it.
    pub warnings: Vec<String>,
}

/// A layer of a build, as the report lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildLayer {
    /// What it is: `packages`, `tools of NAME`, `stage NAME` or `run`.
    pub name: String,
    /// Whether it was taken from the store rather than made.
    pub reused: bool,
}

/// Builds a recipe. On failure, and when interrupted, nothing is left.
///
/// # Errors
/// [`BuildError`].
pub fn build(recipe: &Recipe, options: &BuildOptions, monitor: Monitor<'_>) -> Result<Built, BuildError> {
    let options = &BuildOptions { out: bundle::resolve(&options.out, options.existing)?, ..options.clone() };
    bundle::check_vacant(&options.out, options.existing)?;
    let parents = CreatedDirs::make(&options.out)?;
    let store = WorkStore::open(options.store.as_deref(), &options.out)?;
    let builder = LayerBuilder::new(recipe, options, store.store(), monitor)?;
    let mut blobs = Blobs::new();

    let mut system = system::system_tree(&builder, &mut blobs)?;
    let (BuildTime { latest, made }, boot) = (system.time, system.boot.as_ref());
    let trees = volumes::split(system.tree.clone(), &recipe.partitions, made)?;
    let groups = volumes::groups::groups(&system.tree, &recipe.partitions, &trees, &blobs);
    let groups = groups.map_err(BuildError::Sbom)?;
    let partitions = SealedPartitions::of(recipe, boot, &trees, made);
    // Lengths are decided before the data is planned; a draft of what is sealed has its final length.
    let draft = boot::seal(boot, &Trust::default())?;
    let draft = partitions.contents(recipe, &draft, &blobs)?;
    let host_files = &mut system.inputs.host_files;
    let spec = volumes::disk::spec(recipe, (trees, groups), &draft, made, &mut blobs, host_files)?;
    let plans = plan_data(&spec, &partitions.indices())?;
    let sealed = boot::seal(boot, &Trust::default())?;
    mount_sealed(recipe, &mut system.tree, &sealed, &blobs, made)?;
    system.warnings.extend(boot.into_iter().flat_map(|boot| boot.warnings(recipe, &sealed)));
    let contents = partitions.contents(recipe, &sealed, &blobs)?;
    let listing = listing(&recipe.partitions, &spec, &contents);
    let disk = plans.lay_out(contents)?;
    drop(spec);
    stop_if_cancelled(monitor.cancel)?;
    let layers = std::mem::take(&mut system.inputs.record.layers);
    let output = Output { disk: &disk, tree: &system.tree, listing: &listing, epoch: latest, blobs: &blobs };
    let (manifest, findings) = output::write(&builder, &output, system.inputs)?;
    parents.keep();
    let mut warnings = system.warnings;
    warnings.extend(secrets::needless(recipe, &manifest.origin.secrets));
    warnings.extend(findings);
    Ok(Built { bundle: options.out.clone(), manifest, layers, warnings })
}

fn stop_if_cancelled(cancel: &CancelToken) -> Result<(), BuildError> {
    if cancel.is_cancelled() { Err(BuildError::Interrupted) } else { Ok(()) }
}

/// The parent folder of a path.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
