//! Software from source: a tree of tools, pinned sources and commands that are run in the sandbox, and what of the
//! outcome goes into the image.

use std::collections::BTreeMap;
use std::path::PathBuf;

use amiforge_formats::digest::Digest;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Tree};
use amiforge_sandbox::{
    CaptureScope, OnFailure, OutputTail, Sandbox, SandboxClock, SandboxError, SandboxJob, SandboxLimits,
    SandboxStep, Seed,
};
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;
use amiforge_store::watch::Watch;

use crate::assemble::{AssembleError, Assembled, assemble};
use crate::insert::{InsertError, insert_subtree};
use crate::sources::{DigestPin, SourceKind, SourceSpec};

/// A stage, with its inputs on this machine.
#[derive(Debug, Clone)]
pub struct StageSpec {
    /// Its name.
    pub name: String,
    /// The tools, configured.
    pub tools: Tree,
    /// Sources, in order; commands start in the first one's folder.
    pub sources: Vec<StageArchive>,
    /// Patches for the first source: the name for errors, and the bytes.
    pub patches: Vec<(String, Vec<u8>)>,
    /// Commands for `sh -e`.
    pub run: Vec<String>,
    /// Variables.
    pub env: BTreeMap<String, String>,
    /// What is taken over, in order.
    pub install: Vec<StageInstall>,
    /// What the commands may use together.
    pub limits: SandboxLimits,
    /// Which time they see.
    pub clock: SandboxClock,
    /// What their random numbers follow from.
    pub seed: Seed,
    /// `SOURCE_DATE_EPOCH`.
    pub epoch: Time,
    /// What happens when a command fails.
    pub on_failure: OnFailure,
}

/// A source of a stage: an archive (tar, plain or compressed) that lies in the store or beside the recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageArchive {
    /// How errors name it.
    pub label: String,
    /// Name of its folder.
    pub folder: String,
    /// The archive.
    pub path: PathBuf,
    /// Leading names of its paths that are dropped.
    pub strip: u32,
    /// Digest that it must have.
    pub sha256: Option<Digest>,
}

/// What of a stage goes into the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageInstall {
    /// Absolute path under `$DESTDIR`.
    pub from: String,
    /// Absolute path in the image.
    pub to: String,
}

/// What a stage gave.
#[derive(Debug)]
pub struct BuiltStage {
    /// The installed parts at their places, and nothing else.
    pub tree: Tree,
    /// The last part of what the commands wrote.
    pub log: OutputTail,
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
        source: Box<AssembleError>,
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
    /// A source, or what is installed, has no room in the tree.
    #[error("placing what belongs to `{name}`")]
    Insert {
        /// The stage or source.
        name: String,
        /// What is wrong.
        #[source]
        source: InsertError,
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

/// Where sources lie while a stage is built: the same path in every build, because programs write it down.
pub const BUILD: &str = "/build";

/// `$DESTDIR` of a stage.
pub const DESTDIR: &str = "/install";

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
) -> Result<BuiltStage, StageError> {
    let mut tree = spec.tools.clone();
    let mut assembled = Vec::new();
    for source in &spec.sources {
        let found = lay(source, &mut tree, spec.epoch, store, blobs, watch)?;
        assembled.push((source, found));
    }
    let empty = Tree::new(Meta::root_owned(0o755, spec.epoch));
    for folder in [BUILD, DESTDIR] {
        let made = insert_subtree(&empty, empty.root(), &mut tree, folder.as_bytes(), spec.epoch);
        made.map_err(|source| StageError::Insert { name: spec.name.clone(), source })?;
    }
    let captured = sandbox.run(&tree, blobs, &job(spec), watch);
    let sandboxed = |source| StageError::Sandbox { name: spec.name.clone(), source: Box::new(source) };
    let captured = captured.map_err(sandboxed)?;
    // What was built is nothing before its sources proved to be the right ones.
    for (source, mut assembled) in assembled {
        assembled.settle(blobs).map_err(|error| failed(source, error))?;
    }
    Ok(BuiltStage { tree: installed(spec, &captured.tree)?, log: captured.log })
}

/// Puts a source into the tree of tools.
fn lay(
    source: &StageArchive,
    tree: &mut Tree,
    epoch: Time,
    store: &Store,
    blobs: &mut Blobs,
    watch: &dyn Watch,
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
    let mut assembled = assemble(&[spec], store, blobs, watch).map_err(|error| failed(source, error))?;
    // Whoever packed the archive is nobody here.
    let ids: Vec<_> = assembled.tree.walk().map(|entry| entry.id).collect();
    for id in ids {
        let meta = &mut assembled.tree.node_mut(id).meta;
        (meta.uid, meta.gid) = (0, 0);
    }
    let to = format!("{BUILD}/{}", source.folder);
    let laid = insert_subtree(&assembled.tree, assembled.tree.root(), tree, to.as_bytes(), epoch);
    laid.map_err(|error| StageError::Insert { name: source.label.clone(), source: error })?;
    Ok(assembled)
}

fn failed(source: &StageArchive, error: AssembleError) -> StageError {
    StageError::Source { label: source.label.clone(), source: Box::new(error) }
}

fn job(spec: &StageSpec) -> SandboxJob {
    let folder =
        spec.sources.first().map_or_else(|| BUILD.to_owned(), |first| format!("{BUILD}/{}", first.folder));
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
    let flags = format!("-O2 -ffile-prefix-map={BUILD}=.");
    for (name, value) in [
        ("DESTDIR", DESTDIR),
        ("CFLAGS", flags.as_str()),
        ("CXXFLAGS", flags.as_str()),
        // Archives of objects without times and owners, whatever wrote them.
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

/// The parts that are installed, at their places.
fn installed(spec: &StageSpec, after: &Tree) -> Result<Tree, StageError> {
    let mut tree = Tree::new(Meta::root_owned(0o755, spec.epoch));
    for StageInstall { from, to } in &spec.install {
        let missing = || StageError::Missing { name: spec.name.clone(), from: from.clone() };
        let found = after.lookup(format!("{DESTDIR}/{from}").as_bytes()).ok_or_else(missing)?;
        let put = insert_subtree(after, found, &mut tree, to.as_bytes(), spec.epoch);
        put.map_err(|source| StageError::Insert { name: spec.name.clone(), source })?;
    }
    Ok(tree)
}
