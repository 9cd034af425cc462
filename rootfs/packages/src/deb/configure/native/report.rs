//! The result of native configuration: actions, skipped commands with reasons, errors.

use crate::configure::script::{self, StopReason};
use crate::deb::database::DatabaseError;
use amiforge_formats::path::PathError;

/// The outcome of the packages' scripts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NativeReport {
    /// Actions, in order: accounts, alternatives, enabled units, caches.
    pub done: Vec<String>,
    /// Commands of scripts that were not done, in the order of the packages.
    pub skipped: Vec<SkippedCommand>,
}

/// A command that was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedCommand {
    /// The package of the script.
    pub package: String,
    /// The command on one line, long ones cut.
    pub command: String,
    /// Why.
    pub reason: SkipReason,
}

/// Why a command was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SkipReason {
    /// An unknown command.
    #[error("what it does is not known")]
    Unknown,
    /// It is known, but its arguments are not.
    #[error("its arguments cannot be known without running it")]
    Arguments,
    /// Whether it would run cannot be known.
    #[error("it depends on `{0}`")]
    Undecided(String),
    /// It is left out on purpose.
    #[error("left out: {0}")]
    LeftOut(&'static str),
    /// The script is not of the shell.
    #[error("the script is not of the shell")]
    Language,
    /// The script has a form that is not read.
    #[error("line {line} of the script could not be read: {expected} is missing")]
    Syntax {
        /// Which line.
        line: usize,
        /// The expected syntax.
        expected: &'static str,
    },
}

impl SkippedCommand {
    pub(super) fn of(package: &str, unresolved: script::UnresolvedCommand) -> Self {
        let reason = match unresolved.why {
            StopReason::Unknown => SkipReason::Unknown,
            StopReason::Argument => SkipReason::Arguments,
            StopReason::Undecided(condition) => SkipReason::Undecided(condition),
            StopReason::LeftOut(why) => SkipReason::LeftOut(why),
        };
        Self { package: package.to_owned(), command: unresolved.command, reason }
    }
}

/// Whether a command makes users or groups.
pub(super) fn is_of_accounts(command: &str) -> bool {
    let name = command.split_whitespace().next().unwrap_or_default();
    matches!(name, "adduser" | "addgroup" | "useradd" | "groupadd" | "usermod" | "systemd-sysusers")
}

/// Why packages could not be configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NativeError {
    /// The package database.
    #[error("writing the package database")]
    Database(#[from] DatabaseError),
    /// A file of the tree.
    #[error("configuring `{package}`")]
    Read {
        /// The package of the script.
        package: String,
        /// Why.
        #[source]
        source: PathError,
    },
    /// The cache of the loader.
    #[error("making /etc/ld.so.cache")]
    Libraries(#[source] PathError),
    /// The indexes of kernel modules.
    #[error("reading kernel modules")]
    Modules(#[source] std::io::Error),
    /// Interrupted by the user.
    #[error("interrupted")]
    Interrupted,
}
