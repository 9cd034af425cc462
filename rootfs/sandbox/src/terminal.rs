//! The user's terminal while a shell in the sandbox has it.

use std::io::{self, IsTerminal as _};
use std::os::fd::{AsFd, OwnedFd};

use rustix::termios::{OptionalActions, Termios};

use super::SandboxError;

/// A terminal that passes on every key as it is; as it was again when dropped.
pub(super) struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    /// Standard input, if that is a terminal.
    pub(super) fn begin() -> Option<Self> {
        let input = io::stdin();
        if !input.is_terminal() {
            return None;
        }
        let before = rustix::termios::tcgetattr(&input).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(&input, OptionalActions::Drain, &raw).ok()?;
        Some(Self { before })
    }

    /// What kind of terminal it is (`TERM`).
    pub(super) fn kind() -> String {
        std::env::var("TERM").ok().filter(|term| !term.is_empty()).unwrap_or_else(|| "dumb".to_owned())
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        let _ = rustix::termios::tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
    }
}

/// This program's standard files, to be handed over.
pub(super) fn files() -> Result<[OwnedFd; 3], SandboxError> {
    let own = |file: &dyn AsFd| {
        let own = file.as_fd().try_clone_to_owned();
        own.map_err(|source| SandboxError::Content { what: "handing over the terminal".to_owned(), source })
    };
    Ok([own(&io::stdin())?, own(&io::stdout())?, own(&io::stderr())?])
}
