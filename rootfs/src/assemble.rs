//! Assembles every source of a recipe, in order, into one tree whose contents reference the inputs. [`crate::sources`]
//! reads each kind of source, [`crate::merge`] merges them.

use std::path::PathBuf;

use amiforge_formats::digest::Digest;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_progress::Monitor;
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;
use amiforge_store::deferred::{Deferred, DeferredError, InputDigests};

use crate::glob::NotAGlob;
use crate::merge::{MergeError, MergedTree};
use crate::path_map::PathMap;
use crate::sources::image::KeptDisk;
use crate::sources::indexed::clean;
use crate::sources::warning::Warning;
use crate::sources::{OpenedSource, Opening, SourceError, SourceSpec};

/// The merged sources.
#[derive(Debug)]
pub struct Assembled {
    /// The merged tree.
    pub tree: Tree,
    /// By node of the tree: the number of the source that it comes from, from 1; 0 for the tree that the sources were merged
    /// onto.
    pub origins: Vec<usize>,
    /// One for each source, in the order of the recipe. Their digests are complete after [`Assembled::settle`].
    pub inputs: Vec<ListedInput>,
    /// The newest modification time of an entry of an input; the epoch if there is no entry.
    pub newest: Time,
    /// The image configuration of the last OCI source.
    pub oci_config: Option<serde_json::Value>,
    /// Warnings about the sources, each after the label of its source.
    pub warnings: Vec<String>,
    /// Checks of the inputs, under way, which join under the labels of the inputs. [`Assembled::settle`] joins them; so
    /// may the caller, with others, and then record the digests.
    pub deferred: Deferred,
    /// The disk of the image that is kept, if the recipe keeps one.
    pub disk: Option<Box<KeptDisk>>,
}

/// An input as the manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedInput {
    /// The label of its [`SourceSpec`].
    pub label: String,
    /// `dir`, `tar`, `oci` or `image`.
    pub kind: &'static str,
    /// Length of the file in bytes; for a folder, the sum of the lengths of its files.
    pub size: u64,
    /// Digest of the file, or of the manifest of an OCI image; none for a folder or an input that is not pinned.
    pub sha256: Option<Digest>,
    /// Whether the recipe gives the digest.
    pub pinned: bool,
}

/// Why sources cannot be assembled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssembleError {
    /// The user interrupted the command.
    #[error("interrupted")]
    Interrupted,
    /// A source cannot be read.
    #[error("reading {label}")]
    Source {
        /// Which source.
        label: String,
        /// Why.
        #[source]
        source: Box<SourceError>,
    },
    /// A glob of `exclude` is not valid.
    #[error("reading `exclude` of {label}")]
    Exclude {
        /// Which source.
        label: String,
        /// Why.
        #[source]
        source: NotAGlob,
    },
    /// `prefix` is not a path of an image.
    #[error(
        "the prefix `{prefix}` of {label} is not a path of an image: it has `..`, a NUL or a name over 255 bytes"
    )]
    Prefix {
        /// Which source.
        label: String,
        /// The value of `prefix`.
        prefix: String,
    },
    /// `strip` drops every path.
    #[error("`strip = {strip}` leaves nothing of {label}: its longest path has {deepest} names")]
    Strip {
        /// Which source.
        label: String,
        /// Number of names that are dropped from each path.
        strip: u32,
        /// Number of names of the longest path.
        deepest: usize,
    },
    /// Two sources conflict.
    #[error("merging {label} into the tree")]
    Merge {
        /// The later source.
        label: String,
        /// Why.
        #[source]
        source: Box<MergeError>,
    },
    /// An input is not what it should be.
    #[error(transparent)]
    Check(#[from] DeferredError),
    /// An input was written to during the build.
    #[error("`{}` changed during the build", path.display())]
    Changed {
        /// Which file.
        path: PathBuf,
    },
    /// An input can no longer be examined.
    #[error("checking that the inputs have not changed")]
    Look(#[source] std::io::Error),
}

impl Assembled {
    /// Waits for the digests that are still being computed, compares them with those that the recipe gives, and checks
    /// that no input has changed since it was indexed. Call it after the last content was read and before anything made
    /// from it gets its final name.
    ///
    /// # Errors
    /// A digest that differs from the expected one, an input that changed, a damaged entry of the store.
    pub fn settle(&mut self, blobs: &Blobs) -> Result<(), AssembleError> {
        let digests = std::mem::take(&mut self.deferred).join()?;
        self.record(&digests);
        unchanged(blobs)
    }

    /// Records the digests of inputs that were taken.
    pub fn record(&mut self, digests: &InputDigests) {
        for input in &mut self.inputs {
            if let Some((_, digest)) = digests.iter().find(|(label, _)| *label == input.label) {
                input.sha256 = Some(*digest);
            }
        }
    }
}

/// Checks that no open file among the blobs changed since it was added.
///
/// # Errors
/// [`AssembleError::Changed`].
pub fn unchanged(blobs: &Blobs) -> Result<(), AssembleError> {
    match blobs.changed().map_err(AssembleError::Look)? {
        Some(path) => Err(AssembleError::Changed { path: path.to_owned() }),
        None => Ok(()),
    }
}

/// Reads every source and merges them in order.
///
/// # Errors
/// [`AssembleError`] with the source, entry and byte.
pub fn assemble(
    specs: &[SourceSpec],
    store: &Store,
    blobs: &mut Blobs,
    monitor: Monitor<'_>,
) -> Result<Assembled, AssembleError> {
    assemble_onto(MergedTree::default(), specs, store, blobs, monitor)
}

/// Reads every source and merges them in order into an existing tree.
///
/// # Errors
/// As for [`assemble`].
pub fn assemble_onto(
    mut merged: MergedTree,
    specs: &[SourceSpec],
    store: &Store,
    blobs: &mut Blobs,
    monitor: Monitor<'_>,
) -> Result<Assembled, AssembleError> {
    let (mut inputs, mut deferred, mut newest, mut oci_config) = (Vec::new(), Deferred::new(), None, None);
    let (mut warnings, mut kept) = (Vec::new(), None);
    let base = merged.merged();
    for spec in specs {
        let path_map = path_map(spec)?;
        let opening = Opening { store, monitor, path_map: &path_map };
        let opened = opening.open(spec, blobs).map_err(|error| match error {
            _ if monitor.cancel.is_cancelled() => AssembleError::Interrupted,
            error => AssembleError::Source { label: spec.label.clone(), source: Box::new(error) },
        })?;
        let OpenedSource { indexed, kind, size, sha256, pinned, deferred: mut own, config, disk } = opened;
        newest = newest.max(indexed.newest);
        oci_config = config.or(oci_config);
        kept = disk.or(kept);
        own.label(&spec.label);
        deferred.append(own);
        inputs.push(ListedInput { label: spec.label.clone(), kind, size, sha256, pinned });
        let (own, depth) = (indexed.warnings.clone(), depth_if_all_stripped(&indexed.tree, &path_map));
        let any = merged.add_source(&spec.label, indexed, &path_map, spec.overrides, blobs);
        let any = any.map_err(|source| AssembleError::Merge { label: spec.label.clone(), source })?;
        if let Some(deepest) = depth {
            return Err(AssembleError::Strip { label: spec.label.clone(), strip: spec.strip, deepest });
        }
        let all = own.into_iter().chain(path_map_warnings(&path_map, any));
        warnings.extend(all.map(|warning| format!("{}: {warning}", spec.label)));
    }
    deferred.start();
    let newest = newest.unwrap_or(Time::EPOCH);
    let (tree, origins) = merged.into_parts();
    let origins = origins.into_iter().map(|origin| (origin + 1).saturating_sub(base)).collect();
    Ok(Assembled { tree, origins, inputs, newest, oci_config, warnings, deferred, disk: kept })
}

/// The number of names of the longest path of a source, if `strip` drops every one of its paths.
fn depth_if_all_stripped(tree: &Tree, path_map: &PathMap) -> Option<usize> {
    if path_map.strip == 0 || tree.walk().any(|entry| path_map.stripped(&entry.path).is_some()) {
        return None;
    }
    let names = |path: &[u8]| path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).count();
    tree.walk().map(|entry| names(&entry.path)).max().filter(|deepest| *deepest > 0)
}

/// Warnings about globs that matched nothing and about a source without any entry left.
fn path_map_warnings(path_map: &PathMap, any: bool) -> Vec<Warning> {
    let unused = path_map.unused_globs().map(|glob| Warning::Exclude { glob: glob.to_owned() });
    let mut warnings: Vec<_> = unused.collect();
    if !any {
        let why = if path_map.has_excluded() { "`exclude` leaves nothing" } else { "it is empty" };
        warnings.push(Warning::Nothing { why });
    }
    warnings
}

/// The map that a source's `strip`, `prefix` and `exclude` describe.
fn path_map(spec: &SourceSpec) -> Result<PathMap, AssembleError> {
    let mut prefix = Vec::new();
    clean(spec.prefix.as_bytes(), &mut prefix)
        .map_err(|_| AssembleError::Prefix { label: spec.label.clone(), prefix: spec.prefix.clone() })?;
    PathMap::new(spec.strip as usize, prefix, &spec.exclude)
        .map_err(|source| AssembleError::Exclude { label: spec.label.clone(), source })
}
