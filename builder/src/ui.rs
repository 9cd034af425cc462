//! The only writer to the terminal: results to standard output; status, progress, warnings and errors to standard error.
//! Owns colour, verbosity and exit codes. Knows no command, and no wording except that around an error.
//!
//! Names and messages may be of foreign origin. So every text is escaped, into pipes too, because a pipe often ends at a
//! terminal. The bytes of a file or of a console go into a pipe unchanged, and to a terminal through a filter
//! ([`amiforge_formats::terminal`]).

mod console;
mod stderr;
mod stdout;
mod steps;

use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use amiforge_formats::terminal::{Allow, TerminalFilter, escape, escape_json};
use amiforge_progress::Progress;
use serde::Serialize;

use crate::outcome::{CommandResult, ErrorClass, Failure, Outcome};
pub(crate) use console::{ConsoleStream, GuestConsole};
use stderr::{no_color, write_stderr};
pub(crate) use stdout::ResultWriter;
pub(crate) use steps::HumanBytes;
use steps::StepDisplay;

/// How results and messages are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutputOptions {
    /// Results as JSON.
    pub(crate) json: bool,
    /// Below zero: no status. Above zero: each step with its time.
    pub(crate) verbosity: i8,
    /// When to use colour.
    pub(crate) color: UseColor,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum UseColor {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Writes results and messages, and shows progress.
pub(crate) struct Ui {
    options: OutputOptions,
    colored: bool,
    steps: StepDisplay,
    /// Whether the reader of standard output has closed the pipe.
    reader_gone: AtomicBool,
    /// Whether a result was written as JSON.
    json_written: AtomicBool,
}

impl Ui {
    /// Checks which standard streams are terminals.
    pub(crate) fn new(options: OutputOptions) -> Self {
        let terminal = io::stderr().is_terminal();
        let colored = match options.color {
            UseColor::Always => true,
            UseColor::Never => false,
            UseColor::Auto => terminal && !no_color(),
        };
        let steps = StepDisplay::new(terminal, options.verbosity);
        Self {
            options,
            colored,
            steps,
            reader_gone: AtomicBool::new(false),
            json_written: AtomicBool::new(false),
        }
    }

    /// Whether results should be JSON.
    pub(crate) fn json(&self) -> bool {
        self.options.json
    }

    /// Whether `-q` was given.
    pub(crate) fn quiet(&self) -> bool {
        self.options.verbosity < 0
    }

    /// Whether `-v` was given.
    pub(crate) fn verbose(&self) -> bool {
        self.options.verbosity > 0
    }

    /// Standard output, buffered, for results as text. When the reader has closed the pipe the write fails, and a
    /// command that returns this failure ends silently.
    pub(crate) fn out(&self) -> ResultWriter<'_> {
        ResultWriter::text(&self.reader_gone)
    }

    /// Standard output, buffered, for the bytes of a file: unchanged, or escaped on a terminal.
    pub(crate) fn contents(&self) -> ResultWriter<'_> {
        ResultWriter::contents(&self.reader_gone)
    }

    /// A stream for the console of a guest.
    pub(crate) fn console(&self, stream: ConsoleStream, allow: Allow) -> GuestConsole<'_> {
        GuestConsole::new(&self.steps, stream, allow)
    }

    /// Asks a yes-or-no question; `None` where standard input or standard error is not a terminal.
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "only publishing asks"))]
    pub(crate) fn ask(&self, question: &str) -> Option<bool> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        self.steps.suspend(|| write_stderr("", &format!("{question} [y/N] ")));
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).ok()?;
        Some(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }

    /// Writes one line of the result.
    pub(crate) fn line(&self, line: impl fmt::Display) -> Result<(), Failure> {
        let mut out = self.out();
        written(writeln!(out, "{line}").and_then(|()| out.flush()))
    }

    /// Writes the whole result as indented JSON with a newline at its end.
    pub(crate) fn object(&self, object: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(object).map_err(anyhow::Error::from)?;
        self.json_written.store(true, Ordering::Relaxed);
        self.line(escape_json(&text))
    }

    /// Writes a line of status, unless `-q` is given.
    pub(crate) fn status(&self, line: impl fmt::Display) {
        if self.options.verbosity >= 0 {
            self.steps.suspend(|| write_stderr("", &format!("{line}\n")));
        }
    }

    /// Writes a warning, also with `-q`.
    pub(crate) fn warn(&self, line: impl fmt::Display) {
        let label = self.painted("warning:", "1;33");
        self.steps.suspend(|| write_stderr(&label, &format!(" {line}\n")));
    }

    /// Shows the failure of a command, if it failed, and returns the exit code.
    pub(crate) fn finish(&self, outcome: CommandResult) -> ExitCode {
        self.steps.end();
        match outcome {
            Ok(Outcome::Success) => ExitCode::SUCCESS,
            Ok(Outcome::Difference) => ExitCode::from(3),
            // The reader, such as `head`, has closed the pipe: not a failure of this program.
            Err(_) if self.reader_gone.load(Ordering::Relaxed) => ExitCode::SUCCESS,
            Err(failure) => {
                // Standard output holds one JSON document: a result that was written before includes the failure.
                if self.json() && !self.json_written.load(Ordering::Relaxed) {
                    let _ = self.object(&serde_json::json!({ "error": failure.to_json() }));
                }
                write_stderr(&self.failure(&failure), "");
                ExitCode::from(match failure.class {
                    ErrorClass::Failed => 1,
                    ErrorClass::Usage => 2,
                    ErrorClass::Refused => 3,
                })
            }
        }
    }

    /// The error, its causes and the hint, a line each; further lines of a message are indented below its first.
    fn failure(&self, failure: &Failure) -> String {
        let mut lines = String::new();
        let mut line = |label: &str, text: &str| lines.extend([label, " ", &*escape(text), "\n"]);
        let mut chain = failure.error.chain();
        if let Some(top) = chain.next() {
            line(&self.painted("error:", "1;31"), &top.to_string());
        }
        for cause in chain {
            let label = format!("  {}", self.painted("caused by:", "1;31"));
            line(&label, &cause.to_string().replace('\n', "\n    "));
        }
        if let Some(hint) = &failure.hint {
            line(&self.painted("hint:", "1;36"), hint);
        }
        lines
    }

    fn painted(&self, label: &str, code: &str) -> String {
        if self.colored { format!("\x1b[{code}m{label}\x1b[0m") } else { label.to_owned() }
    }
}

impl Progress for Ui {
    fn begin(&self, step: &str, total: Option<u64>) {
        self.steps.begin(step, total);
    }

    fn advance(&self, bytes: u64) {
        self.steps.advance(bytes);
    }

    fn end(&self) {
        self.steps.end();
    }

    fn message(&self, text: &str) {
        self.status(text);
    }
}

/// Turns an error of writing the result into a failure.
pub(crate) fn written<T>(result: io::Result<T>) -> Result<T, Failure> {
    result.map_err(|error| {
        anyhow::Error::from(error).context("cannot write the result to standard output").into()
    })
}

/// Shows the messages of clap: help and version on standard output, errors on standard error. An error quotes the command
/// line, which may be of foreign origin, so it is filtered too. With `--json` the error is also on standard output.
pub(crate) fn show_usage(usage: &clap::Error) -> ExitCode {
    if usage.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
        let text = usage.render().to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let error = serde_json::json!({ "error": { "code": "usage", "message": message, "causes": [] } });
        let _ = writeln!(io::stdout().lock(), "{}", escape_json(&format!("{error:#}")));
    }
    let terminal = if usage.use_stderr() { io::stderr().is_terminal() } else { io::stdout().is_terminal() };
    let rendered = usage.render();
    let colored = terminal && !no_color();
    let text = if colored { rendered.ansi().to_string() } else { rendered.to_string() };
    let text = TerminalFilter::new(Allow::Lines).push(text.as_bytes());
    if usage.use_stderr() {
        write_stderr(&text, "");
    } else {
        // The reader may have closed the pipe already.
        let _ = io::stdout().lock().write_all(text.as_bytes());
    }
    ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ui(color: UseColor) -> Ui {
        Ui::new(OutputOptions { json: false, verbosity: 0, color })
    }

    #[test]
    fn a_failure_reads_as_error_causes_and_hint() {
        let error =
            anyhow::anyhow!("no space\nat all").context("writing block 3").context("cannot build `web`");
        let failure = Failure::from(error).hint("make room");
        let expected = "error: cannot build `web`\n  caused by: writing block 3\n  \
                        caused by: no space\n    at all\nhint: make room\n";
        assert_eq!(ui(UseColor::Never).failure(&failure), expected);
        let painted = ui(UseColor::Always).failure(&failure);
        assert!(painted.starts_with("\x1b[1;31merror:\x1b[0m cannot build"), "{painted:?}");
    }

    #[test]
    fn escape_sequences_in_foreign_names_are_shown_and_not_sent_to_the_terminal() {
        let error = anyhow::anyhow!("`\x1b]52;c;eA==\x07`\nfake").context("cannot read `a\u{9b}2J\u{202e}`");
        let failure = Failure::from(error).hint("see `\x1b[2J`");
        let expected = "error: cannot read `a\\u{9b}2J\\u{202e}`\n  caused by: `\\x1b]52;c;eA==\\x07`\n    fake\n\
                        hint: see `\\x1b[2J`\n";
        assert_eq!(ui(UseColor::Never).failure(&failure), expected);
        let painted = ui(UseColor::Always).failure(&failure);
        assert_eq!(painted.matches('\x1b').count(), 6, "only this program's own colours: {painted:?}");
    }
}
