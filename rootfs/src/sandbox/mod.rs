//! The sandbox: runs commands on a tree without privilege and without a network, and takes over what they changed.
//!
//! The tree is written into a file system in memory that only the sandbox sees (a tmpfs in a mount namespace of its
//! own), so nothing of it ever lies on the disk of the host and nothing has to be cleaned up: when the sandbox's
//! first process ends, or this program is killed, the kernel takes away all of it. Files whose inode was not touched
//! keep the reference to their old content; only what changed is read back, into a [`Pack`].
//!
//! Knows nothing of packages or recipes. Linux only: `user_namespaces(7)`, `pid_namespaces(7)`, `seccomp(2)`, `tmpfs(5)`.

mod error;
mod job;
mod pack;

use std::process::ExitCode;

use amiforge_formats::tree::Tree;

pub use error::{Ended, Limit, SandboxError, Tail};
pub use job::{Job, Keep, Launcher, Limits, OnFailure, SUBCOMMAND, Step};
pub use pack::Pack;

use crate::blobs::Blobs;
use crate::watch::Watch;

/// What a job left.
#[derive(Debug)]
pub struct Captured {
    /// The tree afterwards. What did not change refers to the same content as before; the rest to the pack.
    pub tree: Tree,
    /// The last part of what the commands wrote.
    pub log: Tail,
    /// Absolute paths of files that were written and hold a private key. It was made with random numbers that are
    /// the same in every build, so whoever knows the recipe knows the key.
    pub keys: Vec<Vec<u8>>,
}

/// Where and how jobs are run.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// The program that enters it.
    pub launcher: Launcher,
    /// A folder on disk for what the commands wrote.
    pub scratch: std::path::PathBuf,
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
        job: &Job,
        watch: &dyn Watch,
    ) -> Result<Captured, SandboxError> {
        let _ = (tree, blobs, job, watch);
        Err(SandboxError::Died { how: "not written yet".to_owned() })
    }
}

/// What the hidden subcommand [`SUBCOMMAND`] does: the inside of a sandbox. To be called first of all, while the
/// program has one thread only; the job comes over standard input.
pub fn enter() -> ExitCode {
    ExitCode::FAILURE
}
