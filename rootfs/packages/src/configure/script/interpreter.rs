//! Follows the flow of a script: which commands certainly run, with which arguments. Implements no command but those of
//! the shell itself.
//!
//! A package is taken to configure without failing: where a branch ends in failure, it is not taken.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::flow::{is_shell, may_leave};
use super::host::{CommandEffect, Host, StopReason, Truth, Value};
use super::parse::{SyntaxError, parse};
use super::syntax::{Quotes, RedirectKind, ScriptCommand, Simple, WordPart};

/// Commands followed before a script counts as endless.
const STEPS_MAX: usize = 200_000;
/// Deepest nesting of function calls.
const CALLS_MAX: usize = 16;
/// Bytes that all values of a script may take together, counted again each time that one is made or compared: a few
/// hundred times what the longest script of Debian needs, and done in a second.
const WORK_MAX: usize = 64 << 20;
/// Bytes of a value; a longer one is not known. Arguments of a program have about the same limit (`MAX_ARG_STRLEN`).
pub(super) const VALUE_MAX: usize = 128 << 10;
/// Most fields of the words of one command.
pub(super) const FIELDS_MAX: usize = 64 << 10;

/// A command that was not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnresolvedCommand {
    /// The text of the command on one line, long ones cut.
    pub(crate) command: String,
    /// Why.
    pub(crate) why: StopReason,
}

/// The control flow after a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ScriptFlow {
    /// With the next one.
    Next,
    /// With the next round of the loop.
    Continue,
    /// Behind the loop.
    Break,
    /// Behind the function.
    Return,
    /// Not at all.
    Exit,
    /// It may have left the function (or, if `true`, the script), for this undecided condition.
    Lost(String, bool),
}

/// A script that is being followed.
pub(crate) struct Interpreter<'h, H> {
    pub(super) host: &'h mut H,
    pub(super) script: Vec<u8>,
    pub(super) variables: BTreeMap<Vec<u8>, Value>,
    pub(super) functions: BTreeMap<Vec<u8>, Rc<ScriptCommand>>,
    pub(super) args: Vec<Value>,
    pub(super) last: Truth,
    pub(super) skipped: Vec<UnresolvedCommand>,
    /// Output captured so far, where it is captured; unknown as a whole where a part is unknown.
    pub(super) printed: Option<Value>,
    steps: usize,
    calls: usize,
    /// Bytes that values took.
    work: usize,
    /// Whether a limit was reached: nothing is followed from then on.
    exhausted: bool,
}

/// Interprets a script called with these arguments and variables. Returns the commands that could not be followed.
pub(crate) fn interpret<H: Host>(
    host: &mut H,
    script: &[u8],
    args: &[&str],
    variables: &[(&str, &str)],
) -> Result<Vec<UnresolvedCommand>, SyntaxError> {
    let command = parse(script)?;
    let value = |text: &str| Some(text.as_bytes().to_vec());
    let mut interpreter = Interpreter {
        host,
        script: script.to_vec(),
        variables: variables.iter().map(|(name, text)| (name.as_bytes().to_vec(), value(text))).collect(),
        functions: BTreeMap::new(),
        args: args.iter().map(|text| value(text)).collect(),
        last: Truth::Yes,
        skipped: Vec::new(),
        printed: None,
        steps: 0,
        calls: 0,
        work: 0,
        exhausted: false,
    };
    interpreter.run(&command);
    Ok(interpreter.skipped)
}

impl<H: Host> Interpreter<'_, H> {
    /// Follows a command.
    pub(super) fn run(&mut self, command: &ScriptCommand) -> (Truth, ScriptFlow) {
        if !self.step() {
            return (Truth::Unknown, ScriptFlow::Exit);
        }
        let (status, flow) = match command {
            ScriptCommand::Simple(simple) => self.run_simple(simple),
            ScriptCommand::List(commands) => self.list(commands),
            ScriptCommand::Pipe(commands) => (self.pipe(commands), ScriptFlow::Next),
            ScriptCommand::Not(inner) => {
                let (status, flow) = self.run(inner);
                (status.not(), flow)
            }
            ScriptCommand::And(left, right) => self.chain(left, right, Truth::Yes),
            ScriptCommand::Or(left, right) => self.chain(left, right, Truth::No),
            ScriptCommand::Background(inner) => {
                self.mark_unknown(inner, "it runs beside the script");
                (Truth::Yes, ScriptFlow::Next)
            }
            ScriptCommand::If { arms, otherwise } => self.conditional(arms, otherwise.as_deref()),
            ScriptCommand::Case { word, arms } => self.case(word, arms),
            ScriptCommand::For { name, words, body } => self.iterate(name, words.as_deref(), body),
            ScriptCommand::Loop(condition, body) => {
                let why = self.describe(condition);
                self.mark_unknown(body, &why);
                (Truth::Unknown, may_leave(body).map_or(ScriptFlow::Next, |all| ScriptFlow::Lost(why, all)))
            }
            ScriptCommand::Function(name, body) => {
                self.functions.insert(name.clone(), Rc::clone(body));
                (Truth::Yes, ScriptFlow::Next)
            }
            ScriptCommand::Group(inner, redirects) => self.run_redirected(inner, redirects),
            ScriptCommand::Subshell(inner, redirects) => {
                let (variables, args) = self.snapshot();
                let (status, _) = self.run_redirected(inner, redirects);
                (self.variables, self.args) = (variables, args);
                (status, ScriptFlow::Next)
            }
        };
        self.last = status;
        (status, flow)
    }

    /// Counts a command; false where the script has no more steps.
    pub(super) fn step(&mut self) -> bool {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            self.stop("the script takes more steps than are followed");
        }
        !self.exhausted
    }

    /// Counts bytes of values; false where the script may make no more.
    pub(super) fn charge(&mut self, bytes: usize) -> bool {
        self.work = self.work.saturating_add(bytes);
        if self.work > WORK_MAX {
            self.stop("the script makes longer values than are followed");
        }
        !self.exhausted
    }

    fn stop(&mut self, why: &'static str) {
        if !std::mem::replace(&mut self.exhausted, true) {
            let command = "the rest of the script".to_owned();
            self.skipped.push(UnresolvedCommand { command, why: StopReason::LeftOut(why) });
        }
    }

    /// Copies of the variables and arguments, for what must not change them.
    pub(super) fn snapshot(&mut self) -> (BTreeMap<Vec<u8>, Value>, Vec<Value>) {
        let len = |value: &Value| value.as_ref().map_or(0, Vec::len) + size_of::<Value>();
        let variables = self.variables.iter().map(|(name, value)| name.len() + len(value));
        let bytes = variables.chain(self.args.iter().map(len)).sum();
        if self.charge(bytes) {
            (self.variables.clone(), self.args.clone())
        } else {
            (BTreeMap::new(), Vec::new())
        }
    }

    fn list(&mut self, commands: &[ScriptCommand]) -> (Truth, ScriptFlow) {
        let mut status = Truth::Yes;
        for (at, command) in commands.iter().enumerate() {
            let flow;
            (status, flow) = self.run(command);
            if let ScriptFlow::Lost(why, _) = &flow {
                let rest = commands.get(at + 1..).unwrap_or_default();
                for command in rest {
                    self.mark_unknown(command, why);
                }
            }
            if flow != ScriptFlow::Next {
                return (status, flow);
            }
        }
        (status, ScriptFlow::Next)
    }

    /// A simple command with what it reads from a pipe.
    pub(super) fn run_with_input(&mut self, simple: &Simple, input: Option<&[u8]>) -> Truth {
        let Ok(fields) = self.fields(&simple.words) else { return self.run_simple(simple).0 };
        let own = match fields.split_first() {
            Some((Some(name), args)) if !is_shell(name) && !self.functions.contains_key(name) => (name, args),
            _ => return self.run_simple(simple).0,
        };
        let answer = self.host.call(own.0, own.1, input);
        self.report(simple, answer)
    }

    /// A simple command: its assignments, its redirections, and its words.
    fn run_simple(&mut self, simple: &Simple) -> (Truth, ScriptFlow) {
        let values: Vec<(Vec<u8>, Value)> =
            simple.assigns.iter().map(|(name, word)| (name.clone(), self.value(word))).collect();
        if self.declare(simple) {
            return (Truth::Yes, ScriptFlow::Next);
        }
        let Ok(fields) = self.fields(&simple.words) else {
            let name = match simple.words.first().map(Vec::as_slice) {
                Some([WordPart::Text(name, Quotes::Out)]) => name.clone(),
                _ => Vec::new(),
            };
            let inert = self.host.is_inert(&name);
            let answer =
                if inert { CommandEffect::unknown() } else { CommandEffect::skipped(StopReason::Argument) };
            return (self.report(simple, answer), ScriptFlow::Next);
        };
        let Some((name, args)) = fields.split_first() else {
            self.variables.extend(values);
            return (self.report(simple, CommandEffect::done()), ScriptFlow::Next);
        };
        let Some(name) = name else {
            return (self.report(simple, CommandEffect::skipped(StopReason::Argument)), ScriptFlow::Next);
        };
        let before = (!values.is_empty()).then(|| self.snapshot().0);
        self.variables.extend(values);
        let made = self.call(simple, name, args);
        if let Some(before) = before {
            self.variables = before;
        }
        made
    }

    /// `local NAME=VALUE…` and `export NAME=VALUE…`: the values are not split, and may not be known.
    fn declare(&mut self, simple: &Simple) -> bool {
        let Some((first, rest)) = simple.words.split_first() else { return false };
        let [WordPart::Text(name, Quotes::Out)] = first.as_slice() else { return false };
        if !matches!(name.as_slice(), b"local" | b"export" | b"readonly") {
            return false;
        }
        for word in rest {
            let Some(WordPart::Text(text, quotes)) = word.first() else { continue };
            let Some(equals) = text.iter().position(|&byte| byte == b'=') else { continue };
            let (name, value) = text.split_at(equals);
            let value = value.get(1..).unwrap_or_default().to_vec();
            let mut word = word.clone();
            if let Some(first) = word.first_mut() {
                *first = WordPart::Text(value, *quotes);
            }
            let value = self.value(&word);
            self.variables.insert(name.to_vec(), value);
        }
        true
    }

    fn call(&mut self, simple: &Simple, name: &[u8], args: &[Value]) -> (Truth, ScriptFlow) {
        if let Some((answer, flow)) = self.builtin(name, args) {
            return (self.report(simple, answer), flow);
        }
        if let Some(body) = self.functions.get(name).cloned() {
            return self.function(&body, args);
        }
        let here = simple.redirects.iter().find(|redirect| redirect.kind == RedirectKind::Here);
        let input = here.and_then(|here| self.value(&here.target));
        let answer = self.host.call(name, args, input.as_deref());
        (self.report(simple, answer), ScriptFlow::Next)
    }

    fn function(&mut self, body: &ScriptCommand, args: &[Value]) -> (Truth, ScriptFlow) {
        if self.calls >= CALLS_MAX {
            return (Truth::Unknown, ScriptFlow::Exit);
        }
        self.calls += 1;
        self.charge(args.iter().flatten().map(Vec::len).sum());
        let before = std::mem::replace(&mut self.args, args.to_vec());
        let (status, flow) = self.run(body);
        self.args = before;
        self.calls -= 1;
        match flow {
            ScriptFlow::Exit | ScriptFlow::Lost(_, true) => (status, flow),
            ScriptFlow::Lost(_, false) => (Truth::Unknown, ScriptFlow::Next),
            ScriptFlow::Return => (self.last, ScriptFlow::Next),
            _ => (status, ScriptFlow::Next),
        }
    }
}
