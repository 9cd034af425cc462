//! The user's terminal while a shell in the sandbox uses it.

use std::io::{self, IsTerminal as _};
use std::os::fd::{AsFd, OwnedFd};

use rustix::termios::{OptionalActions, Termios};

use super::SandboxError;

/// A terminal in raw mode; its former mode is restored when dropped.
pub(super) struct RawTerminal {
    former: Termios,
}

impl RawTerminal {
    /// Sets standard input to raw mode; none if it is no terminal.
    pub(super) fn begin() -> Option<Self> {
        let input = io::stdin();
        if !input.is_terminal() {
            return None;
        }
        let former = rustix::termios::tcgetattr(&input).ok()?;
        let mut raw = former.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(&input, OptionalActions::Drain, &raw).ok()?;
        Some(Self { former })
    }

    /// The type of the terminal, from `TERM`; `dumb` without one.
    pub(super) fn term() -> String {
        std::env::var("TERM").ok().filter(|term| !term.is_empty()).unwrap_or_else(|| "dumb".to_owned())
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        let _ = rustix::termios::tcsetattr(io::stdin(), OptionalActions::Drain, &self.former);
    }
}

/// Duplicates of standard input, output and error, to be sent to the sandbox.
pub(super) fn standard_files() -> Result<[OwnedFd; 3], SandboxError> {
    let own = |file: &dyn AsFd| {
        let own = file.as_fd().try_clone_to_owned();
        own.map_err(|source| SandboxError::Content { what: "handing over the terminal".to_owned(), source })
    };
    Ok([own(&io::stdin())?, own(&io::stdout())?, own(&io::stderr())?])
}
