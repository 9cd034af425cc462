//! Standard output and copies of consoles: what is written as it is, what is escaped, and what is filtered.

use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use amiforge_formats::terminal::{Allow, Escaper, TerminalFilter};

use super::{ConsoleStream, Ui};

/// Standard output that remembers when its reader went away.
pub(crate) struct Out<'a> {
    stdout: io::BufWriter<io::StdoutLock<'static>>,
    /// What escapes the bytes; nothing where they are written as they are.
    escaper: Option<Escaper>,
    closed: &'a AtomicBool,
}

impl<'a> Out<'a> {
    /// For words.
    pub(super) fn text(closed: &'a AtomicBool) -> Self {
        Self { stdout: io::BufWriter::new(io::stdout().lock()), escaper: Some(Escaper::default()), closed }
    }

    /// For the bytes of a file.
    pub(super) fn contents(closed: &'a AtomicBool) -> Self {
        let escaper = io::stdout().is_terminal().then(Escaper::default);
        Self { escaper, ..Self::text(closed) }
    }

    /// Writes what is left of a character that did not become whole, and everything that is buffered.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        let left = self.escaper.as_mut().map(Escaper::end).unwrap_or_default();
        let result = self.stdout.write_all(left.as_bytes()).and_then(|()| self.stdout.flush());
        self.note(result)
    }

    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if matches!(&result, Err(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            self.closed.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = match &mut self.escaper {
            Some(escaper) => {
                let text = escaper.push(bytes);
                self.stdout.write_all(text.as_bytes()).map(|()| bytes.len())
            }
            None => self.stdout.write(bytes),
        };
        self.note(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.stdout.flush();
        self.note(result)
    }
}

/// A stream that shows what a guest writes: as it is in a file or pipe, filtered on a terminal.
pub(crate) struct GuestConsole<'a> {
    ui: &'a Ui,
    stream: ConsoleStream,
    filter: Option<Mutex<TerminalFilter>>,
}

impl<'a> GuestConsole<'a> {
    pub(super) fn new(ui: &'a Ui, stream: ConsoleStream, allow: Allow) -> Self {
        let terminal = match stream {
            ConsoleStream::Output => io::stdout().is_terminal(),
            ConsoleStream::Aside => io::stderr().is_terminal(),
        };
        Self { ui, stream, filter: terminal.then(|| Mutex::new(TerminalFilter::new(allow))) }
    }

    /// Shows the next bytes.
    pub(crate) fn show(&self, bytes: &[u8]) {
        match self.filter() {
            Some(mut filter) => self.write(filter.push(bytes).as_bytes()),
            None => self.write(bytes),
        }
    }

    /// Sets back what the guest changed of the terminal.
    pub(crate) fn set_back(&self) {
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
        self.ui.steps.around(|| {
            // A console that nobody reads any more does not end the guest.
            let _ = match self.stream {
                ConsoleStream::Output => {
                    io::stdout().lock().write_all(bytes).and_then(|()| io::stdout().flush())
                }
                ConsoleStream::Aside => io::stderr().lock().write_all(bytes),
            };
        });
    }
}
