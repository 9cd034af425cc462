//! Output of a script and its redirections, and the report of commands that were not followed.

use super::flow::{children, is_builtin};
use super::host::{Append, CommandEffect, Host, StopReason, Truth, Value};
use super::interpreter::{Interpreter, ScriptFlow, UnresolvedCommand};
use super::syntax::{Redirect, RedirectKind, ScriptCommand, Simple, WordPart};

/// Most bytes of a command in the report.
const SHOWN_MAX: usize = 160;
/// Most bytes of output that are captured of a command; longer output is unknown.
const PRINTED_MAX: usize = 1 << 20;

impl<H: Host> Interpreter<'_, H> {
    /// The output of a command, without the newlines at its end.
    pub(super) fn output(&mut self, command: &ScriptCommand) -> Value {
        let (variables, args) = self.snapshot();
        let (mut output, _) = self.capture(command, None);
        (self.variables, self.args) = (variables, args);
        while output.as_ref().is_some_and(|output| output.last() == Some(&b'\n')) {
            output.as_mut()?.pop();
        }
        output
    }

    /// Runs a command and captures its output; `input` is the data of a pipe.
    pub(super) fn capture(&mut self, command: &ScriptCommand, input: Option<Value>) -> (Value, Truth) {
        let before = self.printed.replace(Some(Vec::new()));
        let status = match (command, input) {
            (ScriptCommand::Simple(simple), Some(input)) => self.run_with_input(simple, input.as_deref()),
            (other, _) => self.run(other).0,
        };
        let output = std::mem::replace(&mut self.printed, before).flatten();
        (output, status)
    }

    /// Appends to the captured output, if there is a capture.
    pub(super) fn print(&mut self, output: &Value) {
        self.charge(output.as_ref().map_or(0, Vec::len));
        match (&mut self.printed, output) {
            (Some(Some(printed)), Some(output)) if printed.len() + output.len() <= PRINTED_MAX => {
                printed.extend_from_slice(output);
            }
            // Output that is too long is unknown, too.
            (Some(printed), _) => *printed = None,
            (None, _) => {}
        }
    }

    pub(super) fn pipe(&mut self, commands: &[ScriptCommand]) -> Truth {
        let (mut input, mut status) = (None, Truth::Yes);
        for command in commands {
            let output;
            (output, status) = self.capture(command, input.take());
            input = Some(output);
        }
        if let Some(output) = input {
            self.print(&output);
        }
        status
    }

    /// A compound command with redirections: its output is not known, so only redirections without effect are followed.
    pub(super) fn run_redirected(
        &mut self,
        inner: &ScriptCommand,
        redirects: &[Redirect],
    ) -> (Truth, ScriptFlow) {
        let made = self.run(inner);
        for redirect in redirects {
            let target = self.value(&redirect.target);
            let writes = matches!(redirect.kind, RedirectKind::Write | RedirectKind::Append);
            if writes && target.as_deref().is_none_or(|target| !target.starts_with(b"/dev/")) {
                let path = String::from_utf8_lossy(&target.unwrap_or_default()).into_owned();
                let command = format!("{{ … }} > {path}");
                self.skipped.push(UnresolvedCommand { command, why: StopReason::Argument });
            }
        }
        made
    }

    /// Applies the redirections of a command to its output.
    pub(super) fn redirect_output(&mut self, answer: CommandEffect, redirects: &[Redirect]) -> CommandEffect {
        let mut answer = answer;
        for redirect in redirects {
            let append = match redirect.kind {
                RedirectKind::Write => Append::Replace,
                RedirectKind::Append => Append::Keep,
                _ => continue,
            };
            let target = self.value(&redirect.target);
            if target.as_deref().is_some_and(|target| target.starts_with(b"/dev/")) {
                if redirect.descriptor.unwrap_or(1) == 1 {
                    answer.output = Some(Vec::new());
                }
                continue;
            }
            if redirect.descriptor.unwrap_or(1) != 1 || answer.skipped.is_some() {
                continue;
            }
            let (Some(target), Some(output)) = (target, answer.output.take()) else {
                return CommandEffect::skipped(StopReason::Argument);
            };
            if !self.charge(output.len()) {
                return CommandEffect::unknown();
            }
            let written = self.host.redirect(&target, &output, append);
            answer = CommandEffect { status: answer.status, ..written };
        }
        answer
    }

    /// Applies the effect of a command: its output, and an entry in the report if it was not done.
    pub(super) fn report(&mut self, simple: &Simple, answer: CommandEffect) -> Truth {
        let answer = self.redirect_output(answer, &simple.redirects);
        self.print(&answer.output);
        if let Some(why) = answer.skipped {
            let command = self.text(simple);
            self.skipped.push(UnresolvedCommand { command, why });
        }
        answer.status
    }

    /// Reports the effects that a command might have had, and marks the variables that it might have set as unknown.
    pub(super) fn mark_unknown(&mut self, command: &ScriptCommand, why: &str) {
        if !self.step() {
            return;
        }
        self.print(&None);
        match command {
            ScriptCommand::Simple(simple) => {
                for (name, _) in &simple.assigns {
                    self.variables.insert(name.clone(), None);
                }
                let Some([WordPart::Text(name, _), ..]) = simple.words.first().map(Vec::as_slice) else {
                    return;
                };
                let writes = simple.redirects.iter().any(|redirect| {
                    matches!(redirect.kind, RedirectKind::Write | RedirectKind::Append)
                        && !matches!(redirect.target.as_slice(), [WordPart::Text(path, _)] if path.starts_with(b"/dev/"))
                });
                if let (b"db_set", Some([WordPart::Text(question, _)])) =
                    (name.as_slice(), simple.words.get(1).map(Vec::as_slice))
                {
                    self.host.call(name, &[Some(question.clone()), None], None);
                }
                if writes || !(is_builtin(name) || self.host.is_inert(name)) {
                    let command = self.text(simple);
                    self.skipped
                        .push(UnresolvedCommand { command, why: StopReason::Undecided(why.to_owned()) });
                }
            }
            ScriptCommand::Function(..) => {}
            other => children(other).into_iter().for_each(|inner| self.mark_unknown(inner, why)),
        }
    }

    /// The text of a command, for the report.
    pub(super) fn text(&self, simple: &Simple) -> String {
        let bytes = self.script.get(simple.at.clone()).unwrap_or_default();
        let text = String::from_utf8_lossy(bytes).replace("\\\n", " ");
        let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.len() > SHOWN_MAX {
            let cut = (0..=SHOWN_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.truncate(cut);
            text.push('…');
        }
        text
    }

    pub(super) fn describe(&self, command: &ScriptCommand) -> String {
        match command {
            ScriptCommand::Simple(simple) => self.text(simple),
            ScriptCommand::Not(inner) => format!("! {}", self.describe(inner)),
            ScriptCommand::And(left, right) => format!("{} && {}", self.describe(left), self.describe(right)),
            ScriptCommand::Or(left, right) => format!("{} || {}", self.describe(left), self.describe(right)),
            ScriptCommand::Pipe(commands) => {
                commands.iter().map(|command| self.describe(command)).collect::<Vec<_>>().join(" | ")
            }
            _ => "a compound condition".to_owned(),
        }
    }
}
