//! Builds software from source: unpacks pinned sources into a tree of tools, runs commands in the sandbox, and extracts the
//! installed parts for the image.

use std::collections::BTreeMap;
use std::path::PathBuf;

use amiforge_formats::digest::Digest;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Tree};
use amiforge_progress::Monitor;
use amiforge_sandbox::{
    CaptureScope, OnFailure, OutputTail, Sandbox, SandboxClock, SandboxError, SandboxJob, SandboxLimits,
    SandboxStep, Seed,
};
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;

use crate::assemble::{AssembleError, Assembled, assemble};
use crate::insert::{InsertError, insert_subtree};
use crate::sources::{DigestPin, SourceKind, SourceSpec};

/// A stage with its inputs, all of them local.
#[derive(Debug, Clone)]
pub struct StageSpec {
    /// Its name.
    pub name: String,
    /// The configured system with the tools.
    pub tools: Tree,
    /// Sources, in order; the folder of the first is the working directory of the commands.
    pub sources: Vec<StageArchive>,
    /// Patches for the first source: a name for errors, and the bytes.
    pub patches: Vec<(String, Vec<u8>)>,
    /// Commands, each run by `sh -e`.
    pub run: Vec<String>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// The parts that are installed, in order.
    pub install: Vec<StageInstall>,
    /// Resource limits of all commands together.
    pub limits: SandboxLimits,
    /// The clock that the commands see.
    pub clock: SandboxClock,
    /// Seed of their random numbers.
    pub seed: Seed,
    /// `SOURCE_DATE_EPOCH`.
    pub epoch: Time,
    /// Behaviour when a command fails.
    pub on_failure: OnFailure,
}

/// A source of a stage: a tar archive, plain or compressed, in the store or beside the recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageArchive {
    /// Name of the source in errors.
    pub label: String,
    /// Name of the folder that it is unpacked into.
    pub folder: String,
    /// Path of the archive.
    pub path: PathBuf,
    /// Number of leading names that are dropped from its paths.
    pub strip: u32,
    /// The expected digest.
    pub sha256: Option<Digest>,
}

/// A part of the result of a stage that goes into the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageInstall {
    /// Absolute path under `$DESTDIR`.
    pub from: String,
    /// Absolute path in the image.
    pub to: String,
}

/// The result of a stage.
#[derive(Debug)]
pub struct BuiltStage {
    /// The installed parts at their paths in the image, and nothing else.
    pub tree: Tree,
    /// The end of the output of the commands.
    pub log: OutputTail,
}

/// Why a stage failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// A source cannot be read.
    #[error("reading {label}")]
    Source {
        /// Which source.
        label: String,
        /// Why.
        #[source]
        source: Box<AssembleError>,
    },
    /// A command failed, or there is no sandbox.
    #[error("building the stage `{name}`")]
    Sandbox {
        /// The stage.
        name: String,
        /// Why.
        #[source]
        source: Box<SandboxError>,
    },
    /// A source or an installed part conflicts with an entry of the tree.
    #[error("inserting the files of `{name}`")]
    Insert {
        /// The stage or source.
        name: String,
        /// Why.
        #[source]
        source: InsertError,
    },
    /// The commands did not create a path that the recipe installs.
    #[error("the stage `{name}` installs `{from}`, and its commands made no `$DESTDIR{from}`")]
    Missing {
        /// The stage.
        name: String,
        /// The path.
        from: String,
    },
}

/// The folder of the sources while a stage is built: the same in every build, because compilers write it into their output.
pub const BUILD_DIR: &str = "/build";

/// `$DESTDIR` of a stage.
pub const DESTDIR: &str = "/install";

/// Builds a stage.
///
/// # Errors
/// When a source cannot be read or has another digest, a command fails, or an installed path does not exist.
pub fn build(
    spec: &StageSpec,
    sandbox: &Sandbox,
    store: &Store,
    blobs: &mut Blobs,
    monitor: Monitor<'_>,
) -> Result<BuiltStage, StageError> {
    let mut tree = spec.tools.clone();
    let mut assembled = Vec::new();
    for source in &spec.sources {
        let sources = add_source(source, &mut tree, spec.epoch, store, blobs, monitor)?;
        assembled.push((source, sources));
    }
    let empty = Tree::new(Meta::root_owned(0o755, spec.epoch));
    for folder in [BUILD_DIR, DESTDIR] {
        let inserted = insert_subtree(&empty, empty.root(), &mut tree, folder.as_bytes(), spec.epoch);
        inserted.map_err(|source| StageError::Insert { name: spec.name.clone(), source })?;
    }
    let captured = sandbox.run(&tree, blobs, &job(spec), monitor);
    let failed = |source| StageError::Sandbox { name: spec.name.clone(), source: Box::new(source) };
    let captured = captured.map_err(failed)?;
    // The result counts only once the digests of its sources have been verified.
    for (source, mut assembled) in assembled {
        assembled.settle(blobs).map_err(|error| source_error(source, error))?;
    }
    Ok(BuiltStage { tree: installed_parts(spec, &captured.tree)?, log: captured.log })
}

/// Unpacks a source into the tree of tools.
fn add_source(
    source: &StageArchive,
    tree: &mut Tree,
    epoch: Time,
    store: &Store,
    blobs: &mut Blobs,
    monitor: Monitor<'_>,
) -> Result<Assembled, StageError> {
    let spec = SourceSpec {
        label: source.label.clone(),
        kind: SourceKind::Tar { path: source.path.clone() },
        pin: source.sha256.map_or(DigestPin::Unpinned, DigestPin::Exact),
        strip: source.strip,
        prefix: String::new(),
        exclude: Vec::new(),
        overrides: false,
    };
    let mut assembled =
        assemble(&[spec], store, blobs, monitor).map_err(|error| source_error(source, error))?;
    // The owners in the archive mean nothing in this tree.
    let ids: Vec<_> = assembled.tree.walk().map(|entry| entry.id).collect();
    for id in ids {
        let meta = &mut assembled.tree.node_mut(id).meta;
        (meta.uid, meta.gid) = (0, 0);
    }
    let to = format!("{BUILD_DIR}/{}", source.folder);
    let inserted = insert_subtree(&assembled.tree, assembled.tree.root(), tree, to.as_bytes(), epoch);
    inserted.map_err(|error| StageError::Insert { name: source.label.clone(), source: error })?;
    Ok(assembled)
}

fn source_error(source: &StageArchive, error: AssembleError) -> StageError {
    StageError::Source { label: source.label.clone(), source: Box::new(error) }
}

/// The commands of a stage for the sandbox: the patches first, then `run`.
fn job(spec: &StageSpec) -> SandboxJob {
    let folder = spec
        .sources
        .first()
        .map_or_else(|| BUILD_DIR.to_owned(), |first| format!("{BUILD_DIR}/{}", first.folder));
    let patches = spec.patches.iter().map(|(label, patch)| {
        let name = format!("applying {label} in the stage `{}`", spec.name);
        let mut step = SandboxStep::new(name, ["patch", "-p1", "--no-backup-if-mismatch", "--force"]);
        step.input.clone_from(patch);
        step
    });
    let commands = (1..).zip(&spec.run).map(|(number, script)| {
        SandboxStep::shell(format!("step {number} of the stage `{}`", spec.name), script.clone())
    });
    let steps = patches.chain(commands).map(|step| step.folder(folder.clone())).collect();
    let mut job = SandboxJob::new(steps, spec.epoch);
    let flags = format!("-O2 -ffile-prefix-map={BUILD_DIR}=.");
    for (name, value) in [
        ("DESTDIR", DESTDIR),
        ("CFLAGS", flags.as_str()),
        ("CXXFLAGS", flags.as_str()),
        // Makes ar(1) and its like write static libraries without times and owners.
        ("ZERO_AR_DATE", "1"),
        ("GOFLAGS", "-trimpath"),
    ] {
        job.env.insert(name.to_owned(), value.to_owned());
    }
    job.env.extend(spec.env.clone());
    (job.limits, job.on_failure, job.clock) = (spec.limits, spec.on_failure, spec.clock);
    job.seed = spec.seed;
    job.keep = CaptureScope::Below(vec![DESTDIR.as_bytes().to_vec()]);
    job
}

/// A tree of the installed parts at their paths in the image.
fn installed_parts(spec: &StageSpec, after: &Tree) -> Result<Tree, StageError> {
    let mut tree = Tree::new(Meta::root_owned(0o755, spec.epoch));
    for StageInstall { from, to } in &spec.install {
        let missing = || StageError::Missing { name: spec.name.clone(), from: from.clone() };
        let node = after.lookup(format!("{DESTDIR}/{from}").as_bytes()).ok_or_else(missing)?;
        let inserted = insert_subtree(after, node, &mut tree, to.as_bytes(), spec.epoch);
        inserted.map_err(|source| StageError::Insert { name: spec.name.clone(), source })?;
    }
    Ok(tree)
}
