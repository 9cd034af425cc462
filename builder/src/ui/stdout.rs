//! Standard output for results: text is escaped, the bytes of a file are written unchanged except to a terminal.

use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use amiforge_formats::terminal::Escaper;

/// Buffered standard output that records when its reader has closed the pipe.
pub(crate) struct ResultWriter<'a> {
    stdout: io::BufWriter<io::StdoutLock<'static>>,
    /// Escapes the bytes; `None` where they are written unchanged.
    escaper: Option<Escaper>,
    reader_gone: &'a AtomicBool,
}

impl<'a> ResultWriter<'a> {
    /// For text, which is escaped.
    pub(super) fn text(reader_gone: &'a AtomicBool) -> Self {
        Self {
            stdout: io::BufWriter::new(io::stdout().lock()),
            escaper: Some(Escaper::default()),
            reader_gone,
        }
    }

    /// For the bytes of a file, which are escaped only on a terminal.
    pub(super) fn contents(reader_gone: &'a AtomicBool) -> Self {
        let escaper = io::stdout().is_terminal().then(Escaper::default);
        Self { escaper, ..Self::text(reader_gone) }
    }

    /// Flushes the buffer, with the bytes of an incomplete UTF-8 character at the end of the input.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        let rest = self.escaper.as_mut().map(Escaper::end).unwrap_or_default();
        let result = self.stdout.write_all(rest.as_bytes()).and_then(|()| self.stdout.flush());
        self.record(result)
    }

    fn record<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if matches!(&result, Err(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            self.reader_gone.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl Write for ResultWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = match &mut self.escaper {
            Some(escaper) => {
                let text = escaper.push(bytes);
                self.stdout.write_all(text.as_bytes()).map(|()| bytes.len())
            }
            None => self.stdout.write(bytes),
        };
        self.record(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.stdout.flush();
        self.record(result)
    }
}
