//! Assembling: every source of a recipe, in order, into one tree whose contents reference the inputs. Knows the
//! order of things; how a kind of source is read lies in [`crate::sources`], how two fit together in
//! [`crate::merge`].

use std::path::PathBuf;

use amiforge_formats::digest::Digest;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_progress::Monitor;
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;
use amiforge_store::deferred::{Deferred, DeferredError, InputDigests};

use crate::glob::NotAGlob;
use crate::merge::{MergeError, Merged};
use crate::reshape::Reshape;
use crate::sources::indexed::clean;
use crate::sources::warning::Warning;
use crate::sources::{OpenedSource, Opening, SourceError, SourceSpec};

/// What the sources gave.
#[derive(Debug)]
pub struct Assembled {
    /// The merged tree.
    pub tree: Tree,
    /// One for each source, in the order of the recipe. Complete after [`Assembled::settle`].
    pub inputs: Vec<ListedInput>,
    /// The newest modification time that an entry of an input has; the epoch itself if there are none.
    pub newest: Time,
    /// The config of the last OCI source.
    pub oci_config: Option<serde_json::Value>,
    /// What is remarkable about the sources, each with the label of the source.
    pub warnings: Vec<String>,
    /// Checks of the inputs, under way, which join under the labels of the inputs. [`Assembled::settle`] joins them; so
    /// may the caller, with others, and then record the digests.
    pub deferred: Deferred,
}

/// An input as the manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedInput {
    /// The label of its [`SourceSpec`].
    pub label: String,
    /// `dir`, `tar` or `oci`.
    pub kind: &'static str,
    /// Length of the file in bytes; of a folder, the sum of its files.
    pub size: u64,
    /// Digest of the file, or of the image's manifest; none for a folder or an input that is not pinned.
    pub sha256: Option<Digest>,
    /// Whether the recipe named the digest.
    pub pinned: bool,
}

/// Why the sources do not make a tree.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssembleError {
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// A source cannot be read.
    #[error("reading {label}")]
    Source {
        /// Which source.
        label: String,
        /// What is wrong.
        #[source]
        source: Box<SourceError>,
    },
    /// Its `exclude` does not parse.
    #[error("reading `exclude` of {label}")]
    Exclude {
        /// Which source.
        label: String,
        /// What is wrong.
        #[source]
        source: NotAGlob,
    },
    /// Its `prefix` is no path.
    #[error(
        "the prefix `{prefix}` of {label} is no path of an image: it holds `..`, a NUL or a name over 255 bytes"
    )]
    Prefix {
        /// Which source.
        label: String,
        /// What it says.
        prefix: String,
    },
    /// `strip` drops every path.
    #[error("`strip = {strip}` leaves nothing of {label}: its longest path has {deepest} names")]
    Strip {
        /// Which source.
        label: String,
        /// Names that are dropped from each path.
        strip: u32,
        /// Names of the longest path.
        deepest: usize,
    },
    /// Two sources contradict each other.
    #[error("merging {label} into the tree")]
    Merge {
        /// The later source.
        label: String,
        /// What is wrong.
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
    /// An input cannot be looked at any more.
    #[error("looking at the inputs again")]
    Look(#[source] std::io::Error),
}

impl Assembled {
    /// Waits for the digests that are still being taken, compares them with those that the recipe names, and checks
    /// that no input changed since it was indexed. To be called after the last content was read and before anything
    /// that was made from it is given its final name.
    ///
    /// # Errors
    /// A digest that is not the one named, an input that changed, an entry of the store that is damaged.
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
/// What is wrong, in which source, at which entry and byte.
pub fn assemble(
    specs: &[SourceSpec],
    store: &Store,
    blobs: &mut Blobs,
    monitor: Monitor<'_>,
) -> Result<Assembled, AssembleError> {
    assemble_over(Merged::default(), specs, store, blobs, monitor)
}

/// The same, over what is there already.
///
/// # Errors
/// As for [`assemble`].
pub fn assemble_over(
    mut merged: Merged,
    specs: &[SourceSpec],
    store: &Store,
    blobs: &mut Blobs,
    monitor: Monitor<'_>,
) -> Result<Assembled, AssembleError> {
    let (mut inputs, mut deferred, mut newest, mut oci_config) = (Vec::new(), Deferred::new(), None, None);
    let mut warnings = Vec::new();
    for spec in specs {
        let reshape = reshape(spec)?;
        let opening = Opening { store, monitor, reshape: &reshape };
        let opened = opening.open(spec, blobs).map_err(|error| match error {
            _ if monitor.cancel.is_cancelled() => AssembleError::Interrupted,
            error => AssembleError::Source { label: spec.label.clone(), source: Box::new(error) },
        })?;
        let OpenedSource { indexed, kind, size, sha256, pinned, deferred: mut own, config } = opened;
        newest = newest.max(indexed.newest);
        oci_config = config.or(oci_config);
        own.label(&spec.label);
        deferred.append(own);
        inputs.push(ListedInput { label: spec.label.clone(), kind, size, sha256, pinned });
        let (own, deepest) = (indexed.warnings.clone(), deepest(&indexed.tree, &reshape));
        let taken = merged.take(&spec.label, indexed, &reshape, spec.overrides, blobs);
        let taken = taken.map_err(|source| AssembleError::Merge { label: spec.label.clone(), source })?;
        if let Some(deepest) = deepest {
            return Err(AssembleError::Strip { label: spec.label.clone(), strip: spec.strip, deepest });
        }
        let remarks = own.into_iter().chain(remarks(&reshape, taken));
        warnings.extend(remarks.map(|warning| format!("{}: {warning}", spec.label)));
    }
    deferred.start();
    let newest = newest.unwrap_or(Time::EPOCH);
    Ok(Assembled { tree: merged.finish(), inputs, newest, oci_config, warnings, deferred })
}

/// Names of the longest path of a source, if `strip` drops every path of it.
fn deepest(tree: &Tree, reshape: &Reshape) -> Option<usize> {
    if reshape.strip == 0 || tree.walk().any(|entry| reshape.stripped(&entry.path).is_some()) {
        return None;
    }
    let names = |path: &[u8]| path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).count();
    tree.walk().map(|entry| names(&entry.path)).max().filter(|deepest| *deepest > 0)
}

/// What is remarkable about what was taken of a source.
fn remarks(reshape: &Reshape, taken: bool) -> Vec<Warning> {
    let unused = reshape.unused().map(|glob| Warning::Exclude { glob: glob.to_owned() });
    let mut remarks: Vec<_> = unused.collect();
    if !taken {
        let why = if reshape.excludes_any() { "`exclude` leaves nothing" } else { "it is empty" };
        remarks.push(Warning::Nothing { why });
    }
    remarks
}

fn reshape(spec: &SourceSpec) -> Result<Reshape, AssembleError> {
    let mut prefix = Vec::new();
    clean(spec.prefix.as_bytes(), &mut prefix)
        .map_err(|_| AssembleError::Prefix { label: spec.label.clone(), prefix: spec.prefix.clone() })?;
    Reshape::new(spec.strip as usize, prefix, &spec.exclude)
        .map_err(|source| AssembleError::Exclude { label: spec.label.clone(), source })
}
