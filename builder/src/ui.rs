//! The only writer to the terminal: results to standard output, status, progress, warnings and errors to standard
//! error; colour, loudness, exit codes. It knows no command and decides no wording but that around an error.
//!
//! Names and messages may be of foreign origin, so no control character of a text comes through here: results and
//! messages are escaped wherever they go, because a pipe often ends at a terminal too. The bytes of a file or a console
//! go to a pipe as they are, and to a terminal without what would make it act ([`amiforge_formats::terminal`]).

mod out;
mod steps;

use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use amiforge_formats::terminal::{Allow, TerminalFilter, escape, escape_json};
use amiforge_progress::Progress;
use serde::Serialize;

use crate::outcome::{CommandResult, Failure, FailureKind, Outcome};
pub(crate) use out::{GuestConsole, Out};
pub(crate) use steps::Bytes;
use steps::StepDisplay;

/// How to speak, as the command line asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Voice {
    /// Results as JSON.
    pub(crate) json: bool,
    /// Below zero: no status. Above: each step with its time.
    pub(crate) loudness: i8,
    /// When to use colour.
    pub(crate) paint: Paint,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// On a terminal, unless `NO_COLOR` is set to something.
    OnTerminals,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Where a guest's console goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConsoleStream {
    /// Standard output.
    Output,
    /// Standard error.
    Aside,
}

/// The terminal.
pub(crate) struct Ui {
    voice: Voice,
    colored: bool,
    steps: StepDisplay,
    closed: AtomicBool,
    /// Whether a result was shown as JSON.
    answered: AtomicBool,
}

impl Ui {
    /// Looks at what the standard streams are.
    pub(crate) fn new(voice: Voice) -> Self {
        let terminal = io::stderr().is_terminal();
        let colored = match voice.paint {
            Paint::Always => true,
            Paint::Never => false,
            Paint::OnTerminals => terminal && !no_color(),
        };
        let steps = StepDisplay::new(terminal, voice.loudness);
        Self { voice, colored, steps, closed: AtomicBool::new(false), answered: AtomicBool::new(false) }
    }

    /// Whether results should be JSON.
    pub(crate) fn json(&self) -> bool {
        self.voice.json
    }

    /// Whether `-q` was given.
    pub(crate) fn quiet(&self) -> bool {
        self.voice.loudness < 0
    }

    /// Whether `-v` was given.
    pub(crate) fn verbose(&self) -> bool {
        self.voice.loudness > 0
    }

    /// Standard output, buffered, for results in words. When nobody reads any more the write fails, and a command that
    /// hands that failure up ends silently.
    pub(crate) fn out(&self) -> Out<'_> {
        Out::text(&self.closed)
    }

    /// Standard output, buffered, for the bytes of a file: as they are, or escaped where they go to a terminal.
    pub(crate) fn contents(&self) -> Out<'_> {
        Out::contents(&self.closed)
    }

    /// A stream that shows what a guest writes.
    pub(crate) fn console(&self, stream: ConsoleStream, allow: Allow) -> GuestConsole<'_> {
        GuestConsole::new(self, stream, allow)
    }

    /// Asks a question that is answered with yes or no; nothing where nobody can answer.
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "only publishing asks"))]
    pub(crate) fn ask(&self, question: &str) -> Option<bool> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        self.steps.around(|| say("", &format!("{question} [y/N] ")));
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).ok()?;
        Some(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }

    /// One line of result.
    pub(crate) fn line(&self, line: impl fmt::Display) -> Result<(), Failure> {
        let mut out = self.out();
        written(writeln!(out, "{line}").and_then(|()| out.flush()))
    }

    /// A whole result as JSON, indented, with the line's end.
    pub(crate) fn object(&self, object: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(object).map_err(anyhow::Error::from)?;
        self.answered.store(true, Ordering::Relaxed);
        self.line(escape_json(&text))
    }

    /// Says where things stand, unless `-q`.
    pub(crate) fn status(&self, line: impl fmt::Display) {
        if self.voice.loudness >= 0 {
            self.steps.around(|| say("", &format!("{line}\n")));
        }
    }

    /// Says something that does not stop the work but should be known.
    pub(crate) fn warn(&self, line: impl fmt::Display) {
        let word = self.painted("warning:", "1;33");
        self.steps.around(|| say(&word, &format!(" {line}\n")));
    }

    /// Shows how the command ended, if that is news, and gives the exit code.
    pub(crate) fn finish(&self, outcome: CommandResult) -> ExitCode {
        self.steps.end();
        match outcome {
            Ok(Outcome::Success) => ExitCode::SUCCESS,
            Ok(Outcome::Difference) => ExitCode::from(3),
            // The reader, such as `head`, had enough: no failure of ours.
            Err(_) if self.closed.load(Ordering::Relaxed) => ExitCode::SUCCESS,
            Err(failure) => {
                // One document on standard output: a result that came before has the failure in it.
                if self.json() && !self.answered.load(Ordering::Relaxed) {
                    let _ = self.object(&serde_json::json!({ "error": failure.shown() }));
                }
                say(&self.failure(&failure), "");
                ExitCode::from(match failure.kind {
                    FailureKind::Failed => 1,
                    FailureKind::Usage => 2,
                })
            }
        }
    }

    /// The error, its causes and the hint, a line each; further lines of a message are indented below its first.
    fn failure(&self, failure: &Failure) -> String {
        let mut lines = String::new();
        let mut line = |word: &str, text: &str| lines.extend([word, " ", &*escape(text), "\n"]);
        let mut chain = failure.error.chain();
        if let Some(top) = chain.next() {
            line(&self.painted("error:", "1;31"), &top.to_string());
        }
        for cause in chain {
            let word = format!("  {}", self.painted("caused by:", "1;31"));
            line(&word, &cause.to_string().replace('\n', "\n    "));
        }
        if let Some(hint) = &failure.hint {
            line(&self.painted("hint:", "1;36"), hint);
        }
        lines
    }

    fn painted(&self, word: &str, code: &str) -> String {
        if self.colored { format!("\x1b[{code}m{word}\x1b[0m") } else { word.to_owned() }
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

    fn tell(&self, words: &str) {
        self.status(words);
    }
}

/// Names what failed when a result could not be written.
pub(crate) fn written<T>(result: io::Result<T>) -> Result<T, Failure> {
    result.map_err(|error| {
        anyhow::Error::from(error).context("cannot write the result to standard output").into()
    })
}

/// Shows what clap has to say: help and version on standard output, mistakes on standard error. A mistake repeats words
/// of the command line, which a script may have from elsewhere. Where JSON is asked for, a mistake is on standard output too.
pub(crate) fn show_usage(usage: &clap::Error) -> ExitCode {
    if usage.use_stderr() && std::env::args_os().any(|word| word == "--json") {
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
        say(&text, "");
    } else {
        // Whoever asked may have read enough.
        let _ = io::stdout().lock().write_all(text.as_bytes());
    }
    ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2))
}

/// Whether the environment asks for no colour.
fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty())
}

/// Writes to standard error: a word of this program as it is, which may be painted, and a text of any origin, escaped.
/// When standard error is closed there is nobody to tell.
fn say(word: &str, text: &str) {
    let line = format!("{word}{}", escape(text));
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ui(paint: Paint) -> Ui {
        Ui::new(Voice { json: false, loudness: 0, paint })
    }

    #[test]
    fn a_failure_reads_as_error_causes_and_hint() {
        let error =
            anyhow::anyhow!("no space\nat all").context("writing block 3").context("cannot build `web`");
        let failure = Failure::from(error).hint("make room");
        let expected = "error: cannot build `web`\n  caused by: writing block 3\n  \
                        caused by: no space\n    at all\nhint: make room\n";
        assert_eq!(ui(Paint::Never).failure(&failure), expected);
        let painted = ui(Paint::Always).failure(&failure);
        assert!(painted.starts_with("\x1b[1;31merror:\x1b[0m cannot build"), "{painted:?}");
    }

    #[test]
    fn what_a_foreign_name_says_to_a_terminal_is_shown_and_not_done() {
        let error = anyhow::anyhow!("`\x1b]52;c;eA==\x07`\nfake").context("cannot read `a\u{9b}2J\u{202e}`");
        let failure = Failure::from(error).hint("see `\x1b[2J`");
        let expected = "error: cannot read `a\\u{9b}2J\\u{202e}`\n  caused by: `\\x1b]52;c;eA==\\x07`\n    fake\n\
                        hint: see `\\x1b[2J`\n";
        assert_eq!(ui(Paint::Never).failure(&failure), expected);
        let painted = ui(Paint::Always).failure(&failure);
        assert_eq!(painted.matches('\x1b').count(), 6, "only this program's own colours: {painted:?}");
    }
}
