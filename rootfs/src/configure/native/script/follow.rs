//! Follows the flow of a script: which commands certainly run, with which arguments. Knows no command but those of the
//! shell itself.
//!
//! A package is taken to configure without failing: where a branch ends in failure, it is not taken.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::flow::{below, fails, is_builtin, is_harmless, is_shell, leaves};
use super::host::{Answer, Append, Host, Truth, Value, Why};
use super::parse::{SyntaxError, parse};
use super::syntax::{Command, Part, Quotes, Redirect, RedirectKind, Simple};

/// Commands followed before a script counts as endless.
const STEPS_MAX: usize = 200_000;
/// Functions called in one another.
const CALLS_MAX: usize = 16;
/// Bytes of a command that are shown.
const SHOWN_MAX: usize = 160;

/// A command that was not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Skipped {
    /// The command as it stands in the script, on one line, long ones cut.
    pub(crate) command: String,
    /// Why.
    pub(crate) why: Why,
}

/// How it goes on after a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flow {
    /// With the next one.
    On,
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
pub(crate) struct Follower<'h, H> {
    pub(super) host: &'h mut H,
    script: Vec<u8>,
    pub(super) variables: BTreeMap<Vec<u8>, Value>,
    functions: BTreeMap<Vec<u8>, Rc<Command>>,
    pub(super) args: Vec<Value>,
    pub(super) last: Truth,
    skipped: Vec<Skipped>,
    /// What was printed since somebody listens; not known as a whole where a part is not.
    printed: Option<Value>,
    steps: usize,
    calls: usize,
}

/// Follows a script called with these arguments and variables, and gives what could not be followed.
pub(crate) fn follow<H: Host>(
    host: &mut H,
    script: &[u8],
    args: &[&str],
    variables: &[(&str, &str)],
) -> Result<Vec<Skipped>, SyntaxError> {
    let command = parse(script)?;
    let value = |text: &str| Some(text.as_bytes().to_vec());
    let mut follower = Follower {
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
    };
    follower.run(&command);
    Ok(follower.skipped)
}

impl<H: Host> Follower<'_, H> {
    /// Follows a command.
    pub(super) fn run(&mut self, command: &Command) -> (Truth, Flow) {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return (Truth::Unknown, Flow::Exit);
        }
        let (status, flow) = match command {
            Command::Simple(simple) => self.prepared(simple),
            Command::List(commands) => self.list(commands),
            Command::Pipe(commands) => (self.pipe(commands), Flow::On),
            Command::Not(inner) => {
                let (status, flow) = self.run(inner);
                (status.not(), flow)
            }
            Command::And(left, right) => self.chain(left, right, Truth::Yes),
            Command::Or(left, right) => self.chain(left, right, Truth::No),
            Command::Background(inner) => {
                self.doubt(inner, "it runs beside the script");
                (Truth::Yes, Flow::On)
            }
            Command::If { arms, otherwise } => self.conditional(arms, otherwise.as_deref()),
            Command::Case { word, arms } => self.case(word, arms),
            Command::For { name, words, body } => self.iterate(name, words.as_deref(), body),
            Command::Loop(condition, body) => {
                let why = self.shown(condition);
                self.doubt(body, &why);
                (Truth::Unknown, leaves(body).map_or(Flow::On, |all| Flow::Lost(why, all)))
            }
            Command::Function(name, body) => {
                self.functions.insert(name.clone(), Rc::clone(body));
                (Truth::Yes, Flow::On)
            }
            Command::Group(inner, redirects) => self.redirected(inner, redirects),
            Command::Subshell(inner, redirects) => {
                let (variables, args) = (self.variables.clone(), self.args.clone());
                let (status, _) = self.redirected(inner, redirects);
                (self.variables, self.args) = (variables, args);
                (status, Flow::On)
            }
        };
        self.last = status;
        (status, flow)
    }

    fn list(&mut self, commands: &[Command]) -> (Truth, Flow) {
        let mut status = Truth::Yes;
        for (at, command) in commands.iter().enumerate() {
            let flow;
            (status, flow) = self.run(command);
            if let Flow::Lost(why, _) = &flow {
                let rest = commands.get(at + 1..).unwrap_or_default();
                for command in rest {
                    self.doubt(command, why);
                }
            }
            if flow != Flow::On {
                return (status, flow);
            }
        }
        (status, Flow::On)
    }

    /// `&&` (goes on at `Yes`) and `||` (goes on at `No`).
    fn chain(&mut self, left: &Command, right: &Command, goes_on: Truth) -> (Truth, Flow) {
        let (status, flow) = self.run(left);
        if flow != Flow::On {
            return (status, flow);
        }
        if status == goes_on {
            return self.run(right);
        }
        if status != Truth::Unknown {
            return (status, Flow::On);
        }
        if fails(right) {
            return (goes_on.not(), Flow::On);
        }
        // What is taken to have worked need not be caught.
        if goes_on == Truth::No && is_harmless(right) {
            return (Truth::Yes, Flow::On);
        }
        let why = self.shown(left);
        self.doubt(right, &why);
        (Truth::Unknown, leaves(right).map_or(Flow::On, |all| Flow::Lost(why, all)))
    }

    fn conditional(&mut self, arms: &[(Command, Command)], otherwise: Option<&Command>) -> (Truth, Flow) {
        for (at, (condition, body)) in arms.iter().enumerate() {
            let (status, flow) = self.run(condition);
            if flow != Flow::On {
                return (status, flow);
            }
            match status {
                Truth::Yes => return self.run(body),
                Truth::Unknown if !fails(body) => {
                    let only_failure_left = at + 1 == arms.len() && otherwise.is_some_and(fails);
                    if only_failure_left {
                        return self.run(body);
                    }
                    let why = self.shown(condition);
                    let rest = arms.get(at..).unwrap_or_default();
                    let bodies: Vec<&Command> = rest.iter().map(|(_, body)| body).chain(otherwise).collect();
                    for body in &bodies {
                        self.doubt(body, &why);
                    }
                    let left = bodies.iter().filter_map(|body| leaves(body)).max();
                    return (Truth::Unknown, left.map_or(Flow::On, |all| Flow::Lost(why, all)));
                }
                _ => {}
            }
        }
        otherwise.map_or((Truth::Yes, Flow::On), |body| self.run(body))
    }

    fn case(
        &mut self,
        word: &super::syntax::Word,
        arms: &[(Vec<super::syntax::Word>, Command)],
    ) -> (Truth, Flow) {
        let value = self.value(word);
        for (patterns, body) in arms {
            for pattern in patterns {
                match (&value, self.pattern(pattern)) {
                    (Some(value), Some(pattern)) => {
                        if super::super::pattern::matches(&pattern, value) {
                            return self.run(body);
                        }
                    }
                    _ => {
                        let why = "the value of a `case`".to_owned();
                        for (_, body) in arms {
                            self.doubt(body, &why);
                        }
                        let left = arms.iter().filter(|(_, body)| !fails(body));
                        let left = left.filter_map(|(_, body)| leaves(body)).max();
                        return (Truth::Unknown, left.map_or(Flow::On, |all| Flow::Lost(why, all)));
                    }
                }
            }
        }
        (Truth::Yes, Flow::On)
    }

    fn iterate(
        &mut self,
        name: &[u8],
        words: Option<&[super::syntax::Word]>,
        body: &Command,
    ) -> (Truth, Flow) {
        let values = match words {
            Some(words) => self.fields(words),
            None => Ok(self.args.clone()),
        };
        let Ok(values) = values else {
            let why = "how often a `for` goes round".to_owned();
            self.doubt(body, &why);
            return (Truth::Unknown, leaves(body).map_or(Flow::On, |all| Flow::Lost(why, all)));
        };
        let mut status = Truth::Yes;
        for value in values {
            self.variables.insert(name.to_vec(), value);
            let flow;
            (status, flow) = self.run(body);
            match flow {
                Flow::On | Flow::Continue => {}
                Flow::Break => break,
                other => return (status, other),
            }
        }
        (status, Flow::On)
    }

    /// What a command prints, without the newlines at its end.
    pub(super) fn output(&mut self, command: &Command) -> Value {
        let (variables, args) = (self.variables.clone(), self.args.clone());
        let (mut output, _) = self.heard(command, None);
        (self.variables, self.args) = (variables, args);
        while output.as_ref().is_some_and(|output| output.last() == Some(&b'\n')) {
            output.as_mut()?.pop();
        }
        output
    }

    /// Runs a command and listens to what it prints; `input` is what comes from a pipe.
    fn heard(&mut self, command: &Command, input: Option<Value>) -> (Value, Truth) {
        let before = self.printed.replace(Some(Vec::new()));
        let status = match (command, input) {
            (Command::Simple(simple), Some(input)) => self.fed(simple, input.as_deref()),
            (other, _) => self.run(other).0,
        };
        let output = std::mem::replace(&mut self.printed, before).flatten();
        (output, status)
    }

    /// Somebody may listen to this.
    fn print(&mut self, output: &Value) {
        match (&mut self.printed, output) {
            (Some(Some(printed)), Some(output)) => printed.extend_from_slice(output),
            (Some(printed), None) => *printed = None,
            _ => {}
        }
    }

    fn pipe(&mut self, commands: &[Command]) -> Truth {
        let (mut input, mut status) = (None, Truth::Yes);
        for command in commands {
            let output;
            (output, status) = self.heard(command, input.take());
            input = Some(output);
        }
        if let Some(output) = input {
            self.print(&output);
        }
        status
    }

    /// A simple command with what it reads from a pipe.
    fn fed(&mut self, simple: &Simple, input: Option<&[u8]>) -> Truth {
        let Ok(fields) = self.fields(&simple.words) else { return self.prepared(simple).0 };
        let own = match fields.split_first() {
            Some((Some(name), args)) if !is_shell(name) && !self.functions.contains_key(name) => (name, args),
            _ => return self.prepared(simple).0,
        };
        let answer = self.host.call(own.0, own.1, input);
        self.told(simple, answer)
    }

    /// A simple command: its assignments, its redirections, and its words.
    fn prepared(&mut self, simple: &Simple) -> (Truth, Flow) {
        let values: Vec<(Vec<u8>, Value)> =
            simple.assigns.iter().map(|(name, word)| (name.clone(), self.value(word))).collect();
        if self.declared(simple) {
            return (Truth::Yes, Flow::On);
        }
        let Ok(fields) = self.fields(&simple.words) else {
            let name = match simple.words.first().map(Vec::as_slice) {
                Some([Part::Text(name, Quotes::Out)]) => name.clone(),
                _ => Vec::new(),
            };
            let inert = self.host.is_inert(&name);
            let answer = if inert { Answer::unknown() } else { Answer::skipped(Why::Argument) };
            return (self.told(simple, answer), Flow::On);
        };
        let Some((name, args)) = fields.split_first() else {
            self.variables.extend(values);
            return (self.told(simple, Answer::done()), Flow::On);
        };
        let Some(name) = name else {
            return (self.told(simple, Answer::skipped(Why::Argument)), Flow::On);
        };
        let before = (!values.is_empty()).then(|| self.variables.clone());
        self.variables.extend(values);
        let made = self.called(simple, name, args);
        if let Some(before) = before {
            self.variables = before;
        }
        made
    }

    /// `local NAME=VALUE…` and `export NAME=VALUE…`: the values are not split, and may not be known.
    fn declared(&mut self, simple: &Simple) -> bool {
        let Some((first, rest)) = simple.words.split_first() else { return false };
        let [Part::Text(name, Quotes::Out)] = first.as_slice() else { return false };
        if !matches!(name.as_slice(), b"local" | b"export" | b"readonly") {
            return false;
        }
        for word in rest {
            let Some(Part::Text(text, quotes)) = word.first() else { continue };
            let Some(equals) = text.iter().position(|&byte| byte == b'=') else { continue };
            let (name, value) = text.split_at(equals);
            let value = value.get(1..).unwrap_or_default().to_vec();
            let mut word = word.clone();
            if let Some(first) = word.first_mut() {
                *first = Part::Text(value, *quotes);
            }
            let value = self.value(&word);
            self.variables.insert(name.to_vec(), value);
        }
        true
    }

    fn called(&mut self, simple: &Simple, name: &[u8], args: &[Value]) -> (Truth, Flow) {
        if let Some((answer, flow)) = self.builtin(name, args) {
            return (self.told(simple, answer), flow);
        }
        if let Some(body) = self.functions.get(name).cloned() {
            return self.function(&body, args);
        }
        let here = simple.redirects.iter().find(|redirect| redirect.kind == RedirectKind::Here);
        let input = here.and_then(|here| self.value(&here.target));
        let answer = self.host.call(name, args, input.as_deref());
        (self.told(simple, answer), Flow::On)
    }

    fn function(&mut self, body: &Command, args: &[Value]) -> (Truth, Flow) {
        if self.calls >= CALLS_MAX {
            return (Truth::Unknown, Flow::Exit);
        }
        self.calls += 1;
        let before = std::mem::replace(&mut self.args, args.to_vec());
        let (status, flow) = self.run(body);
        self.args = before;
        self.calls -= 1;
        match flow {
            Flow::Exit | Flow::Lost(_, true) => (status, flow),
            Flow::Lost(_, false) => (Truth::Unknown, Flow::On),
            Flow::Return => (self.last, Flow::On),
            _ => (status, Flow::On),
        }
    }

    /// A compound command with redirections: what it prints is not known, so only those that matter to nobody pass.
    fn redirected(&mut self, inner: &Command, redirects: &[Redirect]) -> (Truth, Flow) {
        let made = self.run(inner);
        for redirect in redirects {
            let target = self.value(&redirect.target);
            let writes = matches!(redirect.kind, RedirectKind::Write | RedirectKind::Append);
            if writes && target.as_deref().is_none_or(|target| !target.starts_with(b"/dev/")) {
                let shown = String::from_utf8_lossy(&target.unwrap_or_default()).into_owned();
                let command = format!("{{ … }} > {shown}");
                self.skipped.push(Skipped { command, why: Why::Argument });
            }
        }
        made
    }

    /// Sends what a command printed where its redirections say.
    fn redirected_answer(&mut self, answer: Answer, redirects: &[Redirect]) -> Answer {
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
                return Answer::skipped(Why::Argument);
            };
            let written = self.host.redirect(&target, &output, append);
            answer = Answer { status: answer.status, ..written };
        }
        answer
    }

    /// Sends what a command printed where it goes, and writes down a command that was not done.
    fn told(&mut self, simple: &Simple, answer: Answer) -> Truth {
        let answer = self.redirected_answer(answer, &simple.redirects);
        self.print(&answer.output);
        if let Some(why) = answer.skipped {
            let command = self.text(simple);
            self.skipped.push(Skipped { command, why });
        }
        answer.status
    }

    /// Writes down what a command might have done, and forgets the variables that it might have set.
    pub(super) fn doubt(&mut self, command: &Command, why: &str) {
        self.print(&None);
        match command {
            Command::Simple(simple) => {
                for (name, _) in &simple.assigns {
                    self.variables.insert(name.clone(), None);
                }
                let Some([Part::Text(name, _), ..]) = simple.words.first().map(Vec::as_slice) else { return };
                let writes = simple.redirects.iter().any(|redirect| {
                    matches!(redirect.kind, RedirectKind::Write | RedirectKind::Append)
                        && !matches!(redirect.target.as_slice(), [Part::Text(path, _)] if path.starts_with(b"/dev/"))
                });
                if let (b"db_set", Some([Part::Text(question, _)])) =
                    (name.as_slice(), simple.words.get(1).map(Vec::as_slice))
                {
                    self.host.call(name, &[Some(question.clone()), None], None);
                }
                if writes || !(is_builtin(name) || self.host.is_inert(name)) {
                    let command = self.text(simple);
                    self.skipped.push(Skipped { command, why: Why::Undecided(why.to_owned()) });
                }
            }
            Command::Function(..) => {}
            other => below(other).into_iter().for_each(|inner| self.doubt(inner, why)),
        }
    }

    /// The words of a command as they stand in the script, for people.
    fn text(&self, simple: &Simple) -> String {
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

    fn shown(&self, command: &Command) -> String {
        match command {
            Command::Simple(simple) => self.text(simple),
            Command::Not(inner) => format!("! {}", self.shown(inner)),
            Command::And(left, right) => format!("{} && {}", self.shown(left), self.shown(right)),
            Command::Or(left, right) => format!("{} || {}", self.shown(left), self.shown(right)),
            Command::Pipe(commands) => {
                commands.iter().map(|command| self.shown(command)).collect::<Vec<_>>().join(" | ")
            }
            _ => "a compound condition".to_owned(),
        }
    }
}
