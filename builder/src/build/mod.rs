//! The build: from a recipe to a bundle.
//!
//! Owns the order of the work and what passes between its parts; each part is a module or a crate of its own. It reads
//! neither the environment nor a clock: what the result may depend on is in the recipe and in [`BuildOptions`].

mod boot;
mod contents;
mod disk;
mod documents;
mod epoch;
mod error;
mod host_files;
mod initrds;
mod kept;
mod keys;
mod listing;
mod origin;
mod parents;
mod recall;
mod secrets;
mod split;
mod spool;
mod stages;
mod system;
mod watching;
mod workshop;
mod writing;

use std::path::{Path, PathBuf};

use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_rootfs::assemble::{self, Assembled};
use amiforge_rootfs::merge::Merged;
use amiforge_rootfs::normalize;
use amiforge_rootfs::steps::lacks;
use amiforge_rootfs::steps::service_keys;
use amiforge_sandbox::OnFailure;
use amiforge_store::blobs::Blobs;

pub use boot::NoLoader;
pub use epoch::{NotAnEpoch, TooLate, parse_source_date_epoch};
pub use error::BuildError;
pub use host_files::HostFileError;
pub use split::SplitError;

use crate::lock::Lock;
use crate::recipe::Recipe;
use crate::vendor;
use amiforge_image::bundle::{self, ExistingBundle};
use amiforge_image::manifest::Manifest;
use amiforge_progress::Interrupt;
use amiforge_progress::Progress;
use documents::Bill;
use host_files::HostFiles;
use kept::KeptLayers;
use parents::CreatedDirs;
use recall::Recall;
use spool::WorkStore;
use watching::SourceWatch;
use workshop::{PackageSystem, Packages, Workshop};
use writing::{BundleWriter, MadeFrom, SecretScan};

/// What a build is told besides the recipe. Of all this only `source_date_epoch` may change a byte of the result.
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

/// Something that was made of packages or by commands, and is kept for the next build.
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
pub fn build(
    recipe: &Recipe,
    options: &BuildOptions,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Built, BuildError> {
    let options = &BuildOptions { out: bundle::resolve(&options.out, options.existing)?, ..options.clone() };
    bundle::check_vacant(&options.out, options.existing)?;
    let parents = CreatedDirs::make(&options.out)?;
    let spool = WorkStore::open(options.store.as_deref(), &options.out)?;
    let watching = SourceWatch { progress, interrupt };
    let mut blobs = Blobs::new();
    let mut workshop = workshop(recipe, options, &spool, &watching)?;
    let system = workshop.image(&mut blobs)?;
    let mut kept = KeptLayers::default();
    // From here on the packages' layer gets its name even if the rest of the recipe cannot be built.
    kept.take(&mut workshop);
    let (merged, newest) = beginning(system.as_ref());
    let mut assembled =
        assemble::assemble_over(merged, &recipe.sources, spool.store(), &mut blobs, &watching)?;
    let mut host_files = HostFiles::new(&watching);
    let newest = newest.map_or(assembled.newest, |newest| newest.max(assembled.newest));
    let epoch = epoch::choose(options.source_date_epoch, recipe.image.epoch, newest)?;
    let mut tree = take_tree(&mut assembled);
    stages::install(&mut workshop, &mut tree, &mut blobs)?;
    kept.take(&mut workshop);
    let mut warnings = std::mem::take(&mut assembled.warnings);
    warnings.extend(contents::apply(recipe, &mut tree, &mut blobs, &mut host_files, epoch)?);
    let stale = initrds::are_stale(recipe, system.as_ref().map(|system| &system.tree), &tree);
    let mut tree = workshop.run(tree, stale, epoch, &mut blobs)?;
    let lacks = lacks::lacks(&tree, &blobs, &recipe.system, &recipe.users)?;
    warnings.extend(lacks.iter().map(ToString::to_string));
    kept.take(&mut workshop);
    let changes = normalized(recipe, &mut tree, &blobs, epoch)?;
    let skipped = system.map(|system| system.notes.skipped).unwrap_or_default();
    let loader = boot::prepare(recipe, &mut tree, &blobs, epoch, &mut warnings)?;
    let bill = Bill::of(&workshop, &tree, epoch);
    let secrets = SecretScan { tree: tree.clone(), dependents: std::mem::take(&mut workshop.dependents) };
    let layers = std::mem::take(&mut workshop.layers);
    let trees = split::split(tree, &recipe.partitions, epoch)?;
    let listing = listing::listing(&recipe.partitions, &trees);
    let spec = disk::spec(recipe, trees, loader.as_ref(), epoch, &mut blobs, &mut host_files)?;
    stop_if_asked(interrupt)?;
    let laid_out = amiforge_image::disk::lay_out(&spec)?;
    drop(spec);
    let recall = Recall::of(&laid_out.plan, &blobs, spool.store())?;
    let writing = BundleWriter {
        recipe,
        options,
        disk: &laid_out,
        listing: &listing,
        bill,
        secrets,
        blobs: &blobs,
        recall,
    };
    let made_from = MadeFrom { kept, assembled, host_files, epoch, changes, skipped };
    let (manifest, findings) = writing.write(made_from, progress, interrupt)?;
    parents.keep();
    warnings.extend(secrets::needless(recipe, &manifest.origin.secrets));
    warnings.extend(findings);
    Ok(Built { bundle: options.out.clone(), manifest, layers, warnings })
}

/// Cleans the tree; what was done.
fn normalized(
    recipe: &Recipe,
    tree: &mut Tree,
    blobs: &Blobs,
    epoch: Time,
) -> Result<Vec<normalize::RuleChange>, BuildError> {
    let rules = recipe.rules.clone();
    let mut changes = normalize::normalize(tree, &normalize::NormalizeSpec { epoch, rules });
    if recipe.rules.contains(&normalize::NormalizeRule::ServiceKeys) {
        let stays = |path: &str| {
            recipe.files.iter().any(|file| file.path == path)
                || recipe
                    .secrets
                    .allow
                    .iter()
                    .any(|allowed| allowed.globs.matches(path.trim_start_matches('/').as_bytes()))
        };
        changes.append(&mut service_keys::apply(tree, blobs, &stays, epoch)?);
    }
    Ok(changes)
}

/// What makes layers; with everything in the store that a file of inputs has.
fn workshop<'a>(
    recipe: &'a Recipe,
    options: &'a BuildOptions,
    spool: &'a WorkStore,
    watching: &'a SourceWatch<'a>,
) -> Result<Workshop<'a>, BuildError> {
    let store = spool.store();
    let packages = match (&recipe.packages, &options.lock) {
        (None, _) => None,
        (Some(_), None) => return Err(BuildError::NoLock),
        (Some(source), Some(lock)) => Some(Packages { lock, source }),
    };
    if let (Some(vendor), Some(packages)) = (&options.vendor, packages) {
        vendor::take(vendor, packages.lock, &store.objects(), watching.progress, watching.interrupt)?;
    }
    let (checks, loaded, names, layers, dependents) = Default::default();
    Ok(Workshop { recipe, options, packages, store, watching, checks, loaded, names, layers, dependents })
}

/// What the other sources are put over, and the newest time in it.
fn beginning(system: Option<&PackageSystem>) -> (Merged, Option<Time>) {
    match system {
        Some(system) => (Merged::over("the packages", system.tree.clone()), Some(system.notes.newest())),
        None => (Merged::default(), None),
    }
}

/// The merged tree, out of what else the sources gave.
fn take_tree(assembled: &mut Assembled) -> Tree {
    let root = assembled.tree.node(assembled.tree.root()).meta.clone();
    std::mem::replace(&mut assembled.tree, Tree::new(root))
}

fn stop_if_asked(interrupt: &Interrupt) -> Result<(), BuildError> {
    if interrupt.raised() { Err(BuildError::Interrupted) } else { Ok(()) }
}

/// The folder that a path stands in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
