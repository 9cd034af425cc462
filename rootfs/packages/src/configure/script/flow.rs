//! Questions about commands that need no following: whether one fails, may leave, or has no effect; and the commands of
//! the shell itself.

use super::host::{CommandEffect, Host, Truth, Value};
use super::interpreter::{Interpreter, ScriptFlow};
use super::syntax::{ScriptCommand, Simple, WordPart};

/// Commands of the shell that touch nothing but the script.
const BUILTINS: [&[u8]; 22] = [
    b":",
    b"break",
    b"continue",
    b"echo",
    b"exit",
    b"export",
    b"false",
    b"local",
    b"printf",
    b"read",
    b"readonly",
    b"return",
    b"set",
    b"shift",
    b"test",
    b"[",
    b"times",
    b"trap",
    b"true",
    b"type",
    b"umask",
    b"unset",
];

pub(super) fn is_builtin(name: &[u8]) -> bool {
    BUILTINS.contains(&name)
}

/// Whether the shell does a command itself; `echo` and the like are the host's.
pub(super) fn is_shell(name: &[u8]) -> bool {
    is_builtin(name) && !matches!(name, b"echo" | b"printf" | b"test" | b"[" | b"umask" | b"type")
}

fn literal(simple: &Simple, at: usize) -> Option<&[u8]> {
    match simple.words.get(at)?.as_slice() {
        [WordPart::Text(text, _)] => Some(text),
        _ => None,
    }
}

/// The commands that a compound one is made of.
pub(super) fn children(command: &ScriptCommand) -> Vec<&ScriptCommand> {
    match command {
        ScriptCommand::Simple(_) => Vec::new(),
        ScriptCommand::List(commands) | ScriptCommand::Pipe(commands) => commands.iter().collect(),
        ScriptCommand::Not(inner)
        | ScriptCommand::Background(inner)
        | ScriptCommand::Group(inner, _)
        | ScriptCommand::Subshell(inner, _) => vec![inner],
        ScriptCommand::And(left, right)
        | ScriptCommand::Or(left, right)
        | ScriptCommand::Loop(left, right) => {
            vec![left, right]
        }
        ScriptCommand::If { arms, otherwise } => {
            let arms = arms.iter().flat_map(|(condition, body)| [condition, body]);
            arms.chain(otherwise.as_deref()).collect()
        }
        ScriptCommand::Case { arms, .. } => arms.iter().map(|(_, body)| body).collect(),
        ScriptCommand::For { body, .. } => vec![body],
        ScriptCommand::Function(_, body) => vec![body],
    }
}

/// Whether it certainly ends the script in failure.
pub(super) fn fails(command: &ScriptCommand) -> bool {
    match command {
        ScriptCommand::Simple(simple) => {
            literal(simple, 0) == Some(b"exit") && literal(simple, 1).is_some_and(|code| code != b"0")
        }
        ScriptCommand::List(commands) => commands.iter().any(fails),
        ScriptCommand::Group(inner, _) => fails(inner),
        _ => false,
    }
}

/// Whether it may leave the function that it is in (`false`), or the whole script (`true`), other than in failure.
pub(super) fn may_leave(command: &ScriptCommand) -> Option<bool> {
    match command {
        _ if fails(command) => None,
        ScriptCommand::Simple(simple) => match literal(simple, 0)? {
            b"exit" | b"exec" => Some(true),
            b"return" | b"break" | b"continue" => Some(false),
            _ => None,
        },
        ScriptCommand::Subshell(..) | ScriptCommand::Function(..) => None,
        other => children(other).into_iter().filter_map(may_leave).max(),
    }
}

/// Whether it has no effect: a command after `||` that ignores a failure.
pub(super) fn is_harmless(command: &ScriptCommand) -> bool {
    match command {
        ScriptCommand::Simple(simple) => {
            simple.redirects.is_empty()
                && matches!(literal(simple, 0), Some(b"true" | b":" | b"echo" | b"printf" | b"false"))
        }
        ScriptCommand::List(commands) => commands.iter().all(is_harmless),
        ScriptCommand::Group(inner, redirects) => redirects.is_empty() && is_harmless(inner),
        _ => false,
    }
}

impl<H: Host> Interpreter<'_, H> {
    /// A command of the shell itself; `None` for every other.
    pub(super) fn builtin(&mut self, name: &[u8], args: &[Value]) -> Option<(CommandEffect, ScriptFlow)> {
        let done = (CommandEffect::done(), ScriptFlow::Next);
        Some(match name {
            b":" | b"true" | b"trap" | b"times" => done,
            b"false" => (CommandEffect::status(Truth::No), ScriptFlow::Next),
            b"exit" => (CommandEffect::status(self.code(args)), ScriptFlow::Exit),
            b"return" => {
                let status = self.code(args);
                self.last = status;
                (CommandEffect::status(status), ScriptFlow::Return)
            }
            b"break" => (CommandEffect::done(), ScriptFlow::Break),
            b"continue" => (CommandEffect::done(), ScriptFlow::Continue),
            b"shift" => {
                let count = args.first().cloned().flatten().and_then(|text| String::from_utf8(text).ok());
                let count: usize = count.and_then(|text| text.parse().ok()).unwrap_or(1);
                self.args.drain(..count.min(self.args.len()));
                done
            }
            b"set" => {
                if let Some(at) = args.iter().position(|arg| arg.as_deref() == Some(b"--")) {
                    self.args = args.get(at + 1..).unwrap_or_default().to_vec();
                }
                done
            }
            b"unset" => {
                args.iter().flatten().for_each(|name| drop(self.variables.remove(name)));
                done
            }
            b"read" => {
                args.iter().flatten().for_each(|name| drop(self.variables.insert(name.clone(), None)));
                (CommandEffect::unknown(), ScriptFlow::Next)
            }
            b"command"
                if args
                    .first()
                    .is_some_and(|arg| arg.as_deref().is_some_and(|arg| !arg.starts_with(b"-"))) =>
            {
                let (name, args) = args.split_first()?;
                (self.host.call(name.as_deref()?, args, None), ScriptFlow::Next)
            }
            b"db_get" => (self.debconf(args), ScriptFlow::Next),
            _ => return None,
        })
    }

    fn code(&self, args: &[Value]) -> Truth {
        match args.first() {
            None => self.last,
            Some(Some(code)) => Truth::of(code == b"0"),
            Some(None) => Truth::Unknown,
        }
    }

    /// `db_get`: the answer is left in `RET`.
    fn debconf(&mut self, args: &[Value]) -> CommandEffect {
        let answer = self.host.call(b"db_get", args, None);
        self.variables.insert(b"RET".to_vec(), answer.output.clone());
        CommandEffect { output: Some(Vec::new()), ..answer }
    }
}
