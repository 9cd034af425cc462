//! The sandbox: runs commands on a tree without privilege and without a network, and captures the changed tree.
//!
//! The tree is written into a file system in memory that only the sandbox sees (a tmpfs in a mount namespace of its
//! own), so none of its files is ever on the disk of the host and nothing has to be cleaned up: when the sandbox's
//! first process ends, or this program is killed, the kernel removes all of it. Files whose inode did not change keep
//! the reference to their old content; only changed files are read back, into [`CapturedFiles`].
//!
//! Knows nothing of packages or recipes. Linux only: `user_namespaces(7)`, `pid_namespaces(7)`, `seccomp(2)`, `tmpfs(5)`.

mod capture;
mod captured_files;
mod changes;
mod error;
mod ids;
mod inner;
mod job;
mod log;
mod message;
mod outer;
mod protocol;
mod sys;
mod terminal;
mod wire;
mod writer;

use std::collections::BTreeMap;
use std::path::PathBuf;

use amiforge_formats::tree::Tree;

pub use captured_files::CapturedFiles;
pub use changes::PathSteps;
pub use error::{CommandEnd, Limit, OutputTail, SandboxError};
pub use inner::enter;
pub use job::{
    CaptureScope, Launcher, OnFailure, SUBCOMMAND, SandboxClock, SandboxJob, SandboxLimits, SandboxStep, Seed,
};

use amiforge_progress::Monitor;
use amiforge_store::blobs::Blobs;
use capture::Capture;
use ids::{IDS, Ids};
use outer::Outer;

/// The result of a job.
#[derive(Debug)]
pub struct Captured {
    /// The tree afterwards. Unchanged files refer to the same content as before, the others to captured content.
    pub tree: Tree,
    /// The end of the output of the commands.
    pub log: OutputTail,
    /// For each path, without a leading `/`, that has something from a later step than the first: from which. Empty where the
    /// job does not record steps.
    pub steps: BTreeMap<Vec<u8>, PathSteps>,
}

/// Runs jobs.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// The program that enters it.
    pub launcher: Launcher,
    /// A folder on disk for captured content.
    pub scratch: PathBuf,
}

impl Sandbox {
    /// Runs a job on a tree.
    ///
    /// # Errors
    /// When the system allows no sandbox, a command fails or reaches a limit, or the result cannot be captured.
    pub fn run(
        &self,
        tree: &Tree,
        blobs: &mut Blobs,
        job: &SandboxJob,
        monitor: Monitor<'_>,
    ) -> Result<Captured, SandboxError> {
        let what = || "creating a file for the captured content".to_owned();
        let files = CapturedFiles::create(&self.scratch);
        let mut files = files.map_err(|source| SandboxError::Content { what: what(), source })?;
        let (mut outer, ids) = self.start(job, monitor)?;
        let sent = outer.send_tree(&ids, tree, blobs)?;
        let mut changes = outer.run_steps()?;
        let steps = recorded(std::mem::take(&mut changes.steps), job)?;
        let mut capture = Capture::begin(tree, &sent, changes, job.epoch)?;
        let log = outer.capture_files(&mut capture, blobs, &mut files)?;
        let source = files.finish(blobs);
        let tree = capture.finish(source, &job.keep)?;
        Ok(Captured { tree, log, steps })
    }

    /// Starts a sandbox with the best id mapping that the system allows.
    fn start<'a>(&self, job: &'a SandboxJob, monitor: Monitor<'a>) -> Result<(Outer<'a>, Ids), SandboxError> {
        let mut forbidden = None;
        for ids in Ids::candidates()? {
            match Outer::start(&self.launcher, &ids, job, monitor) {
                Ok(outer) => return Ok((outer, ids)),
                Err(error @ SandboxError::Forbidden { .. }) => forbidden = forbidden.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        Err(forbidden.unwrap_or_else(|| SandboxError::Forbidden {
            what: "taking ids".to_owned(),
            reason: format!("this user namespace has fewer than {IDS}"),
        }))
    }
}

/// What the inner half recorded, if the job has such steps.
fn recorded(
    steps: Vec<(Vec<u8>, PathSteps)>,
    job: &SandboxJob,
) -> Result<BTreeMap<Vec<u8>, PathSteps>, SandboxError> {
    let known = |step: u32| (step as usize) < job.steps.len();
    if steps.iter().all(|(_, steps)| known(steps.content) && known(steps.metadata)) {
        return Ok(steps.into_iter().collect());
    }
    Err(SandboxError::Died { how: "it named a step that the job does not have".to_owned() })
}
