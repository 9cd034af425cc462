//! The sandbox: runs commands on a tree without privilege and without a network, and takes over what they changed.
//!
//! The tree is written into a file system in memory that only the sandbox sees (a tmpfs in a mount namespace of its
//! own), so nothing of it ever lies on the disk of the host and nothing has to be cleaned up: when the sandbox's
//! first process ends, or this program is killed, the kernel takes away all of it. Files whose inode was not touched
//! keep the reference to their old content; only what changed is read back, into a [`Pack`].
//!
//! Knows nothing of packages or recipes. Linux only: `user_namespaces(7)`, `pid_namespaces(7)`, `seccomp(2)`, `tmpfs(5)`.

mod error;
mod fill;
mod found;
mod gather;
mod handover;
mod ids;
mod inner;
mod job;
mod log;
mod orders;
mod outer;
mod pack;
mod sys;
mod wire;

use std::path::PathBuf;

use amiforge_formats::tree::Tree;

pub use error::{CommandEnd, Limit, OutputTail, SandboxError};
pub use inner::enter;
pub use job::{
    CaptureScope, Launcher, OnFailure, SUBCOMMAND, SandboxClock, SandboxJob, SandboxLimits, SandboxStep, Seed,
};
pub use pack::Pack;

use amiforge_progress::Monitor;
use amiforge_store::blobs::Blobs;
use gather::Gathering;
use ids::{IDS, Ids};
use outer::Outer;

/// What a job left.
#[derive(Debug)]
pub struct Captured {
    /// The tree afterwards. What did not change refers to the same content as before; the rest to the pack.
    pub tree: Tree,
    /// The last part of what the commands wrote.
    pub log: OutputTail,
}

/// Where and how jobs are run.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// The program that enters it.
    pub launcher: Launcher,
    /// A folder on disk for what the commands wrote.
    pub scratch: PathBuf,
}

impl Sandbox {
    /// Runs a job on a tree.
    ///
    /// # Errors
    /// When the system allows no sandbox, a command fails or reaches a limit, or what it left cannot be a tree.
    pub fn run(
        &self,
        tree: &Tree,
        blobs: &mut Blobs,
        job: &SandboxJob,
        monitor: Monitor<'_>,
    ) -> Result<Captured, SandboxError> {
        let what = || "making a file for what is written in the sandbox".to_owned();
        let pack = Pack::begin(&self.scratch);
        let mut pack = pack.map_err(|source| SandboxError::Content { what: what(), source })?;
        let (mut outer, ids) = self.enter(job, monitor)?;
        let planted = outer.plant(&ids, tree, blobs)?;
        let findings = outer.follow()?;
        let mut gathering = Gathering::begin(tree, &planted, findings, job.epoch)?;
        let log = outer.gather(&mut gathering, blobs, &mut pack)?;
        let source = pack.finish(blobs);
        let tree = gathering.finish(source, &job.keep)?;
        Ok(Captured { tree, log })
    }

    /// Enters a sandbox with the best ids that the system allows.
    fn enter<'a>(&self, job: &'a SandboxJob, monitor: Monitor<'a>) -> Result<(Outer<'a>, Ids), SandboxError> {
        let mut forbidden = None;
        for ids in Ids::choices()? {
            match Outer::enter(&self.launcher, &ids, job, monitor) {
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
