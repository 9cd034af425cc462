//! The build: from a recipe to a bundle.
//!
//! Owns the order of the work and what passes between its parts; each part is a module or a crate of its own. It reads
//! neither the environment nor a clock: what the result may depend on is in the recipe and in [`Options`].

mod contents;
mod disk;
mod epoch;
mod error;
mod host_files;
mod listing;
mod parents;
mod split;
mod spool;
mod watching;

use std::error::Error;
use std::path::{Path, PathBuf};

use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_rootfs::assemble::{self, Assembled};
use amiforge_rootfs::blobs::Blobs;
use amiforge_rootfs::normalize::{self, Change};

pub use epoch::{NotAnEpoch, parse_source_date_epoch};
pub use error::BuildError;
pub use host_files::HostFileError;
pub use split::SplitError;

use crate::bundle::{self, Existing, Parts};
use crate::image;
use crate::interrupt::Interrupt;
use crate::lock::Lock;
use crate::manifest::{Input, Manifest, Origin};
use crate::progress::Progress;
use crate::recipe::Recipe;
use host_files::HostFiles;
use parents::Parents;
use spool::Spool;
use watching::Watching;

/// What a build is told besides the recipe. Of all this only `source_date_epoch` may change a byte of the result.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the bundle goes.
    pub out: PathBuf,
    /// What to do when that name is taken.
    pub existing: Existing,
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
}

/// What a build made.
#[derive(Debug)]
pub struct Built {
    /// The bundle.
    pub bundle: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// What normalizing changed.
    pub changes: Vec<Change>,
}

/// Builds a recipe. On failure, and when interrupted, nothing is left.
///
/// # Errors
/// [`BuildError`].
pub fn build(
    recipe: &Recipe,
    options: &Options,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Built, BuildError> {
    bundle::check_vacant(&options.out, options.existing)?;
    let parents = Parents::make(&options.out)?;
    let spool = Spool::open(options.store.as_deref(), &options.out)?;
    let watching = Watching { progress, interrupt };
    let mut blobs = Blobs::new();
    let mut assembled = assemble::assemble(&recipe.sources, spool.store(), &mut blobs, &watching)?;
    let mut host_files = HostFiles::new(&watching);
    let epoch = epoch::choose(options.source_date_epoch, recipe.image.epoch, assembled.newest);
    let mut tree = take_tree(&mut assembled);
    contents::apply(recipe, &mut tree, &mut blobs, &mut host_files, epoch)?;
    let rules = recipe.rules.clone();
    let changes = normalize::normalize(&mut tree, &normalize::NormalizeSpec { epoch, rules });
    let trees = split::split(tree, &recipe.partitions, epoch)?;
    let listing = listing::listing(&recipe.partitions, &trees);
    let spec = disk::spec(recipe, trees, epoch, &mut blobs, &mut host_files)?;
    stop_if_asked(interrupt)?;
    let laid_out = crate::disk::lay_out(&spec)?;
    drop(spec);
    let manifest = {
        let parts = Parts {
            disk: &laid_out,
            sources: &blobs,
            origin: Box::new(|| origin(recipe, epoch, &mut assembled, &host_files, &blobs)),
            listing: &listing,
        };
        let threads = image::Options { threads: options.threads.max(1) };
        bundle::write(&options.out, options.existing, parts, &threads, progress, interrupt)?
    };
    parents.keep();
    Ok(Built { bundle: options.out.clone(), manifest, changes })
}

/// The merged tree, out of what else the sources gave.
fn take_tree(assembled: &mut Assembled) -> Tree {
    let root = assembled.tree.node(assembled.tree.root()).meta.clone();
    std::mem::replace(&mut assembled.tree, Tree::new(root))
}

fn stop_if_asked(interrupt: &Interrupt) -> Result<(), BuildError> {
    if interrupt.raised() { Err(BuildError::Interrupted) } else { Ok(()) }
}

/// What the manifest says of the image, after checking that the inputs are what they were.
fn origin(
    recipe: &Recipe,
    epoch: Time,
    assembled: &mut Assembled,
    host_files: &HostFiles<'_>,
    blobs: &Blobs,
) -> Result<Origin, Box<dyn Error + Send + Sync>> {
    assembled.settle(blobs)?;
    host_files.settle()?;
    let sources = assembled.inputs.iter().map(|input| Input {
        kind: input.kind.to_owned(),
        name: input.label.clone(),
        sha256: input.sha256,
    });
    Ok(Origin {
        name: recipe.image.name.clone(),
        version: recipe.image.version.clone(),
        arch: recipe.image.arch.name().to_owned(),
        epoch: epoch.secs,
        boot_mode: disk::boot_mode(recipe).map(str::to_owned),
        recipe: recipe.digest,
        lock: None,
        inputs: sources.chain(host_files.inputs()).collect(),
    })
}

/// The folder that a path stands in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
