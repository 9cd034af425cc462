//! Commands of scripts that were not done, and why.

use crate::configure::script::{self, StopReason};

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
    pub(crate) fn of(package: &str, unresolved: script::UnresolvedCommand) -> Self {
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
pub(crate) fn is_of_accounts(command: &str) -> bool {
    let name = command.split_whitespace().next().unwrap_or_default();
    matches!(name, "adduser" | "addgroup" | "useradd" | "groupadd" | "usermod" | "systemd-sysusers")
}
