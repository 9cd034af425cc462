//! Jobs: the commands to run in a sandbox, their limits, and the program that enters the sandbox. Plain values; the
//! rest of the crate runs them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use amiforge_formats::digest::Digest;
use amiforge_formats::time::Time;
use schemars::JsonSchema;
use serde::Deserialize;

/// The hidden subcommand that enters a sandbox (see [`crate::enter`]).
pub const SUBCOMMAND: &str = "sandbox-init";

/// Commands to run on a tree, in order; the first that fails ends the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxJob {
    /// The commands.
    pub steps: Vec<SandboxStep>,
    /// Environment of every command, which overrides the fixed variables (`PATH`, `HOME`, `LC_ALL`, `TZ`,
    /// `SOURCE_DATE_EPOCH` and others) and is overridden by that of the step.
    pub env: BTreeMap<String, String>,
    /// Limits of all steps together.
    pub limits: SandboxLimits,
    /// `SOURCE_DATE_EPOCH` of the commands; no file that they write is younger than this in the captured tree.
    pub epoch: Time,
    /// The time of day at the start, for commands that do not see the real one.
    pub now: Time,
    /// Which part of the tree is captured afterwards.
    pub keep: CaptureScope,
    /// Reaction to a failed step, before the sandbox ends.
    pub on_failure: OnFailure,
    /// The time of day that the commands see.
    pub clock: SandboxClock,
    /// The seed of every random number that the commands read.
    pub seed: Seed,
    /// Whether [`crate::Captured::steps`] says which step a path has its content and metadata from.
    pub record_steps: bool,
}

impl SandboxJob {
    /// A job with the default limits that starts at the epoch and captures the whole tree.
    pub fn new(steps: Vec<SandboxStep>, epoch: Time) -> Self {
        let (env, limits) = (BTreeMap::new(), SandboxLimits::default());
        Self {
            steps,
            env,
            limits,
            epoch,
            now: epoch,
            keep: CaptureScope::Everything,
            on_failure: OnFailure::Stop,
            clock: SandboxClock::Real,
            seed: Seed::shared(),
            record_steps: false,
        }
    }

    /// Whether steps are recorded: of one step everything is known.
    pub(super) fn records_steps(&self) -> bool {
        self.record_steps && self.steps.len() > 1
    }
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxStep {
    /// Its name in errors, such as ``the package `foo` `` or `step 2 of [[run]]`.
    pub name: String,
    /// Program and arguments; a program without a slash is searched in `PATH`.
    pub argv: Vec<String>,
    /// Environment of this command, over that of the job.
    pub env: BTreeMap<String, String>,
    /// Working directory, as an absolute path.
    pub folder: String,
    /// Its standard input.
    pub input: Vec<u8>,
}

impl SandboxStep {
    /// A program with its arguments, started in `/` with an empty standard input.
    pub fn new(name: impl Into<String>, argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let argv = argv.into_iter().map(Into::into).collect();
        Self { name: name.into(), argv, env: BTreeMap::new(), folder: "/".to_owned(), input: Vec::new() }
    }

    /// A script for `sh -e -c`.
    pub fn shell(name: impl Into<String>, script: impl Into<String>) -> Self {
        Self::new(name, ["/bin/sh".to_owned(), "-e".to_owned(), "-c".to_owned(), script.into()])
    }

    /// The same step with another working directory.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<String>) -> Self {
        self.folder = folder.into();
        self
    }

    /// The same step with one more variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// The command for errors: the script of a shell step, or the arguments.
    pub fn command(&self) -> String {
        match self.argv.as_slice() {
            [shell, e, c, script] if shell == "/bin/sh" && e == "-e" && c == "-c" => script.clone(),
            argv => argv.join(" "),
        }
    }
}

/// Limits of all steps of a job together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxLimits {
    /// Wall-clock time.
    pub time: Duration,
    /// Memory of all running processes in bytes, without file contents.
    pub memory: u64,
    /// Contents of all files in bytes, those of the tree included. They are held in memory.
    pub disk: u64,
    /// Processes and threads that run at a time.
    pub processes: u32,
}

impl Default for SandboxLimits {
    fn default() -> Self {
        Self { time: Duration::from_hours(1), memory: 8 << 30, disk: 16 << 30, processes: 4096 }
    }
}

/// Which part of the tree is captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaptureScope {
    /// All of it.
    Everything,
    /// The entries at or below these absolute paths, with their parent folders; links in the paths are not followed.
    Below(Vec<Vec<u8>>),
}

/// Which time of day a command sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxClock {
    /// That of the build, whenever it asks, so that it cannot come into the image; it goes on by what they sleep. The
    /// kernel and the machine that they see are the same on every host too. (On `x86_64` hosts; elsewhere as `"real"`.)
    Still,
    /// What it is: for what waits for the time to come. Numbers of devices and processors, the kernel's release and
    /// times of files are then the host's.
    Real,
}

/// The seed of all random numbers in a sandbox: `/dev/urandom`, `getrandom`, the bytes that the kernel gives every
/// program (`AT_RANDOM`), and `/proc/sys/kernel/random`. It is not secret: it follows from the recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(Digest);

impl Seed {
    /// The seed of an image of this name and version, which differs from that of any other image.
    pub fn of_image(name: &str, version: Option<&str>) -> Self {
        let mut text = b"amiforge seed of an image 1\0".to_vec();
        for part in [Some(name), version].into_iter().flatten() {
            text.extend_from_slice(&(part.len() as u64).to_le_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        Self(Digest::of(&text))
    }

    /// The seed that all images share, for layers that are made once for all of them: the tools of stages and their
    /// results.
    pub fn shared() -> Self {
        Self(Digest::of(b"amiforge seed of what images share 1"))
    }

    /// Another seed, for a second run that shows which files depend on this one.
    #[must_use]
    pub fn other(self) -> Self {
        Self(self.derive("other", 0))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0.0
    }

    /// The seed of these bytes.
    pub(super) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Digest(bytes))
    }

    /// Bytes derived from the seed: block number `count` of the stream for a purpose.
    pub(super) fn derive(self, purpose: &str, count: u64) -> Digest {
        Digest::of(&[&self.0.0[..], &count.to_le_bytes(), purpose.as_bytes()].concat())
    }
}

/// Reaction to a failed step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The sandbox ends.
    Stop,
    /// A shell runs first, on this program's standard input and output, in the state that the step left.
    Shell,
}

/// The program that enters the sandbox, which is our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launcher {
    /// The program.
    pub program: PathBuf,
    /// Its arguments; it must then call [`crate::enter`] before it starts a thread.
    pub args: Vec<OsString>,
}

impl Launcher {
    /// This program itself with [`SUBCOMMAND`].
    ///
    /// # Errors
    /// When the system does not know the path of the program.
    pub fn own() -> io::Result<Self> {
        Ok(Self { program: std::env::current_exe()?, args: vec![SUBCOMMAND.into()] })
    }
}
