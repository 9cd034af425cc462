//! The console of a guest on standard output or standard error, filtered where the stream is a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use amiforge_formats::terminal::{Allow, TerminalFilter};

use super::steps::StepDisplay;

/// Where the console of a guest goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConsoleStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A stream for the console of a guest: unchanged into a file or pipe, filtered on a terminal.
pub(crate) struct GuestConsole<'a> {
    steps: &'a StepDisplay,
    stream: ConsoleStream,
    filter: Option<Mutex<TerminalFilter>>,
}

impl<'a> GuestConsole<'a> {
    pub(super) fn new(steps: &'a StepDisplay, stream: ConsoleStream, allow: Allow) -> Self {
        let terminal = match stream {
            ConsoleStream::Stdout => io::stdout().is_terminal(),
            ConsoleStream::Stderr => io::stderr().is_terminal(),
        };
        Self { steps, stream, filter: terminal.then(|| Mutex::new(TerminalFilter::new(allow))) }
    }

    /// Writes the next bytes.
    pub(crate) fn show(&self, bytes: &[u8]) {
        match self.filter() {
            Some(mut filter) => self.write(filter.push(bytes).as_bytes()),
            None => self.write(bytes),
        }
    }

    /// Resets the modes of the terminal that the guest changed.
    pub(crate) fn reset(&self) {
        if let Some(mut filter) = self.filter() {
            self.write(filter.end().as_bytes());
        }
    }

    fn filter(&self) -> Option<MutexGuard<'_, TerminalFilter>> {
        self.filter.as_ref().map(|filter| filter.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.steps.suspend(|| {
            // A closed stream must not end the guest.
            let _ = match self.stream {
                ConsoleStream::Stdout => {
                    io::stdout().lock().write_all(bytes).and_then(|()| io::stdout().flush())
                }
                ConsoleStream::Stderr => io::stderr().lock().write_all(bytes),
            };
        });
    }
}
