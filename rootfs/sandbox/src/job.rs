//! What is to be run in a sandbox, within which limits, and by which program the sandbox is entered. Plain values;
//! how they are carried out lies in the rest of [`crate::sandbox`].

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use amiforge_formats::digest::Digest;
use amiforge_formats::time::Time;
use schemars::JsonSchema;
use serde::Deserialize;

/// The hidden subcommand by which the program enters a sandbox (see [`crate::enter`]).
pub const SUBCOMMAND: &str = "sandbox-init";

/// Commands to be run on a tree, one after the other; the first that fails ends the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxJob {
    /// The commands.
    pub steps: Vec<SandboxStep>,
    /// Variables of every command, over the fixed ones (`PATH`, `HOME`, `LC_ALL`, `TZ`, `SOURCE_DATE_EPOCH` and the
    /// like); a step's own win.
    pub env: BTreeMap<String, String>,
    /// What all steps together may use.
    pub limits: SandboxLimits,
    /// `SOURCE_DATE_EPOCH` of the commands; what they write is not younger than this in the captured tree.
    pub epoch: Time,
    /// Which part of the tree is captured afterwards.
    pub keep: CaptureScope,
    /// What happens in the sandbox when a step fails, before it is torn down.
    pub on_failure: OnFailure,
    /// Which time the commands see.
    pub clock: SandboxClock,
    /// What every random number that the commands draw follows from.
    pub seed: Seed,
}

impl SandboxJob {
    /// A job with the usual limits that keeps the whole tree.
    pub fn new(steps: Vec<SandboxStep>, epoch: Time) -> Self {
        let (env, limits) = (BTreeMap::new(), SandboxLimits::default());
        Self {
            steps,
            env,
            limits,
            epoch,
            keep: CaptureScope::Everything,
            on_failure: OnFailure::Stop,
            clock: SandboxClock::Real,
            seed: Seed::shared(),
        }
    }
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxStep {
    /// How errors name it, such as ``the package `foo` `` or `step 2 of [[run]]`.
    pub name: String,
    /// Program and arguments; a program without a slash is looked for in `PATH`.
    pub argv: Vec<String>,
    /// Variables of this command alone.
    pub env: BTreeMap<String, String>,
    /// Absolute path of the folder that it starts in.
    pub folder: String,
    /// What its standard input gives.
    pub input: Vec<u8>,
}

impl SandboxStep {
    /// A program with its arguments, started in `/` with an empty standard input.
    pub fn new(name: impl Into<String>, argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let argv = argv.into_iter().map(Into::into).collect();
        Self { name: name.into(), argv, env: BTreeMap::new(), folder: "/".to_owned(), input: Vec::new() }
    }

    /// A script for `sh -e`.
    pub fn shell(name: impl Into<String>, script: impl Into<String>) -> Self {
        Self::new(name, ["/bin/sh".to_owned(), "-e".to_owned(), "-c".to_owned(), script.into()])
    }

    /// The same, started in another folder.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<String>) -> Self {
        self.folder = folder.into();
        self
    }

    /// The same with one more variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// The command as a person would type it, for errors.
    pub fn command(&self) -> String {
        match self.argv.as_slice() {
            [shell, e, c, script] if shell == "/bin/sh" && e == "-e" && c == "-c" => script.clone(),
            argv => argv.join(" "),
        }
    }
}

/// What the steps of a job may use together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxLimits {
    /// Time on the wall.
    pub time: Duration,
    /// Memory of all running programs, in bytes, without what lies in files.
    pub memory: u64,
    /// Files, in bytes, those of the tree included. They lie in memory.
    pub disk: u64,
    /// Programs and their threads that run at a time.
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
    /// What lies at or under these absolute paths, with the folders that lead there; links in them are not followed.
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

/// What the random numbers of a sandbox follow from: `/dev/urandom`, `getrandom`, the bytes that the kernel gives every
/// program, and `/proc/sys/kernel/random`. It is no secret: whoever knows the recipe knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(Digest);

impl Seed {
    /// That of an image of this name and version: another image draws other numbers.
    pub fn of_image(name: &str, version: Option<&str>) -> Self {
        let mut text = b"amiforge seed of an image 1\0".to_vec();
        for part in [Some(name), version].into_iter().flatten() {
            text.extend_from_slice(&(part.len() as u64).to_le_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        Self(Digest::of(&text))
    }

    /// The one that all images share, for what is made once for all of them: the tools of stages and what they build.
    pub fn shared() -> Self {
        Self(Digest::of(b"amiforge seed of what images share 1"))
    }

    /// Another one, which tells what depends on this one.
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

    /// Bytes that follow from it: the `count`-th part of those for a purpose.
    pub(super) fn derive(self, purpose: &str, count: u64) -> Digest {
        Digest::of(&[&self.0.0[..], &count.to_le_bytes(), purpose.as_bytes()].concat())
    }
}

/// What happens when a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The sandbox goes away.
    Stop,
    /// A shell runs first, on this program's own standard input and output, in the state that the step left.
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
    /// When the system does not say where it lies.
    pub fn own() -> io::Result<Self> {
        Ok(Self { program: std::env::current_exe()?, args: vec![SUBCOMMAND.into()] })
    }
}
