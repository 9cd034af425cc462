//! Why a sandbox could not be entered, or what failed in it.

use std::fmt;
use std::io;

use amiforge_formats::terminal::escape;
use amiforge_formats::tree::Printable;

/// How a command ended that did not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandEnd {
    /// It gave this exit status.
    Status(i32),
    /// This signal killed it.
    Signal(i32),
}

impl fmt::Display for CommandEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exit status {status}")?,
            Self::Signal(signal) => write!(f, "signal {signal}")?,
        }
        // The filter of system calls sends it to nobody else; a shell that started the program adds 128.
        if matches!(self, Self::Signal(libc::SIGSYS)) || *self == Self::Status(128 + libc::SIGSYS) {
            f.write_str(" (a 32-bit program: the sandbox runs only 64-bit ones)")?;
        }
        Ok(())
    }
}

/// A limit of [`super::SandboxLimits`] that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// Seconds on the wall.
    Time,
    /// Bytes of memory.
    Memory,
    /// Bytes of files.
    Disk,
    /// Running programs.
    Processes,
}

impl Limit {
    /// The key of `[sandbox]` in a recipe that raises it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Time => "seconds",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Processes => "processes",
        }
    }

    /// What it counts, after a number.
    fn unit(self) -> &'static str {
        match self {
            Self::Time => "seconds",
            Self::Memory => "bytes of memory",
            Self::Disk => "bytes of files",
            Self::Processes => "processes",
        }
    }
}

/// The last lines that a command wrote, shown indented.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutputTail(pub Vec<u8>);

/// Lines of output that an error shows.
const LINES: usize = 20;

impl fmt::Display for OutputTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<&[u8]> = self.0.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect();
        if lines.is_empty() {
            return f.write_str("it wrote nothing");
        }
        f.write_str("it wrote last:")?;
        for line in lines.iter().skip(lines.len().saturating_sub(LINES)) {
            write!(f, "\n    ")?;
            // Escape sequences of a script must not reach the user's terminal; other letters may.
            f.write_str(&escape(&String::from_utf8_lossy(line).replace('\t', " ")))?;
        }
        Ok(())
    }
}

/// Why a job did not give a tree.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The system does not let this user make a sandbox.
    #[error(
        "this system does not allow a sandbox here ({what}: {reason}); allow user namespaces, run as root, or set \
         `scripts = \"native\"`, which runs no foreign code"
    )]
    Forbidden {
        /// What was tried.
        what: String,
        /// What the system said.
        reason: String,
    },
    /// The user has no range of subordinate ids.
    #[error(
        "the user `{user}` has {found} subordinate {kind} in `{file}`, {needed} are needed: run `sudo usermod \
         --add-sub{kind} 100000-165535 {user}`, or set `scripts = \"native\"`"
    )]
    Subordinate {
        /// The user.
        user: String,
        /// `uids` or `gids`.
        kind: &'static str,
        /// How many there are.
        found: u64,
        /// How many are needed.
        needed: u64,
        /// Where they are looked for.
        file: &'static str,
    },
    /// The program that sets the maps of ids cannot be run, or refused.
    #[error("`{program}` did not map the ids: {said}; it comes with the package `uidmap`")]
    Mapper {
        /// `newuidmap` or `newgidmap`.
        program: &'static str,
        /// What it or the system said.
        said: String,
    },
    /// An owner in the tree has no id in the sandbox.
    #[error(
        "`/{}` belongs to {uid}:{gid}, and the sandbox has ids below {ids} only: give it another owner",
        Printable(path)
    )]
    Owner {
        /// The path.
        path: Vec<u8>,
        /// Its owner.
        uid: u32,
        /// Its group.
        gid: u32,
        /// How many ids there are.
        ids: u32,
    },
    /// A place of the tree where the sandbox mounts something is no folder.
    #[error("`/{place}` of the tree is no folder, and the sandbox has to mount there")]
    Place {
        /// The path.
        place: String,
    },
    /// The program cannot be started again to enter the sandbox.
    #[error("starting `{program}` to enter the sandbox")]
    Launch {
        /// The program.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Something that the sandbox needs went wrong in it.
    #[error("{what} in the sandbox")]
    Inside {
        /// A gerund and its object.
        what: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The tree does not fit, or what the sandbox itself needs.
    #[error(
        "{what} in the sandbox: its limit of {limit} bytes of files is reached; `disk` of `[sandbox]` raises it"
    )]
    Full {
        /// A gerund and its object.
        what: String,
        /// The limit.
        limit: u64,
    },
    /// Content cannot be read, or written to the pack.
    #[error("{what}")]
    Content {
        /// A gerund and its object.
        what: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The sandbox ended before its job was done.
    #[error(
        "the sandbox ended early ({how}): the system may have run out of memory; it holds all files in memory"
    )]
    Died {
        /// How.
        how: String,
    },
    /// A command failed.
    #[error("{name} failed: `{command}` ended with {ended}; {tail}")]
    Step {
        /// The step's name.
        name: String,
        /// Its command.
        command: String,
        /// How it ended.
        ended: CommandEnd,
        /// What it wrote last.
        tail: OutputTail,
    },
    /// A command cannot be started.
    #[error("{name} failed: `{command}` cannot be started: {reason}")]
    Start {
        /// The step's name.
        name: String,
        /// Its command.
        command: String,
        /// What the system said.
        reason: String,
    },
    /// A command went over a limit.
    #[error(
        "{name} reached the limit of {limit} {}: `{command}` was stopped; `{}` of `[sandbox]` raises it; {tail}",
        which.unit(), which.key()
    )]
    Limit {
        /// The step's name.
        name: String,
        /// Its command.
        command: String,
        /// Which limit.
        which: Limit,
        /// Its value.
        limit: u64,
        /// What it wrote last.
        tail: OutputTail,
    },
    /// What the commands left cannot be taken over.
    #[error("`/{}` cannot be captured: {reason}", Printable(path))]
    Odd {
        /// The path.
        path: Vec<u8>,
        /// What is wrong with it.
        reason: String,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}
