//! Errors of the sandbox: of entering it, of its commands, and of capturing the result.

use std::fmt;
use std::io;

use amiforge_formats::terminal::escape;
use amiforge_formats::tree::Printable;

/// How a failed command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandEnd {
    /// With this exit status.
    Status(i32),
    /// Killed by this signal.
    Signal(i32),
}

impl fmt::Display for CommandEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exit status {status}")?,
            Self::Signal(signal) => write!(f, "signal {signal}")?,
        }
        // The filter of system calls sends this signal only to 32-bit programs; a shell that started one adds 128.
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
    /// Seconds of wall-clock time.
    Time,
    /// Bytes of memory.
    Memory,
    /// Bytes of files.
    Disk,
    /// Running processes and threads.
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

    /// The unit of its value in messages.
    fn unit(self) -> &'static str {
        match self {
            Self::Time => "seconds",
            Self::Memory => "bytes of memory",
            Self::Disk => "bytes of files",
            Self::Processes => "processes",
        }
    }
}

/// The end of the output of a command; displayed as its last lines, indented.
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
            // Escape sequences in the output must not reach the user's terminal; other characters may.
            f.write_str(&escape(&String::from_utf8_lossy(line).replace('\t', " ")))?;
        }
        Ok(())
    }
}

/// Why a job has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The system does not let this user make a sandbox.
    #[error(
        "this system does not allow a sandbox here ({what}: {reason}); allow user namespaces, run as root, or set \
         `scripts = \"native\"`, which runs no foreign code"
    )]
    Forbidden {
        /// The step that failed, as a gerund and its object.
        what: String,
        /// Error of the system.
        reason: String,
    },
    /// The user has no range of subordinate ids that is long enough (`subuid(5)`).
    #[error(
        "the user `{user}` has {found} subordinate {kind} in `{file}`, {needed} are needed: run `sudo usermod \
         --add-sub{kind} 100000-165535 {user}`, or set `scripts = \"native\"`"
    )]
    Subordinate {
        /// The user.
        user: String,
        /// `uids` or `gids`.
        kind: &'static str,
        /// Length of the longest range.
        found: u64,
        /// Ids that a sandbox needs.
        needed: u64,
        /// The file that lists them.
        file: &'static str,
    },
    /// The program that maps ids cannot be run, or failed.
    #[error("`{program}` did not map the ids: {message}; it comes with the package `uidmap`")]
    Mapper {
        /// `newuidmap` or `newgidmap`.
        program: &'static str,
        /// Its standard error, or the error of the system.
        message: String,
    },
    /// An owner in the tree has an id that the sandbox does not map.
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
        /// Number of mapped ids, from 0 on.
        ids: u32,
    },
    /// A mount point of the sandbox is no folder in the tree.
    #[error("`/{path}` of the tree is no folder, and the sandbox has to mount there")]
    MountPoint {
        /// The path.
        path: String,
    },
    /// The program cannot be started again to enter the sandbox.
    #[error("starting `{program}` to enter the sandbox")]
    Launch {
        /// The program.
        program: String,
        /// Error of the system.
        #[source]
        source: io::Error,
    },
    /// An operation in the sandbox failed.
    #[error("{what} in the sandbox")]
    Inside {
        /// A gerund and its object.
        what: String,
        /// Error of the system.
        #[source]
        source: io::Error,
    },
    /// The tree, or a file of the sandbox itself, exceeds the limit of files.
    #[error(
        "{what} in the sandbox: its limit of {limit} bytes of files is reached; `disk` of `[sandbox]` raises it"
    )]
    Full {
        /// A gerund and its object.
        what: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// Content cannot be read, or written to the file of captured content.
    #[error("{what}")]
    Content {
        /// A gerund and its object.
        what: String,
        /// Error of the system.
        #[source]
        source: io::Error,
    },
    /// The sandbox ended before its job was done.
    #[error(
        "the sandbox ended early ({how}): the system may have run out of memory; it holds all files in memory"
    )]
    Died {
        /// The reason, as far as it is known.
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
        /// The end of its output.
        tail: OutputTail,
    },
    /// A command cannot be started.
    #[error("{name} failed: `{command}` cannot be started: {reason}")]
    Start {
        /// The step's name.
        name: String,
        /// Its command.
        command: String,
        /// Error of the system.
        reason: String,
    },
    /// A command reached a limit.
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
        /// Value of the limit, in its unit.
        limit: u64,
        /// The end of its output.
        tail: OutputTail,
    },
    /// A file that the commands left cannot be captured.
    #[error("`/{}` cannot be captured: {reason}", Printable(path))]
    NotCapturable {
        /// The path.
        path: Vec<u8>,
        /// Why.
        reason: String,
    },
    /// The job was cancelled.
    #[error("interrupted")]
    Interrupted,
}
