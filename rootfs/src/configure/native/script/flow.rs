//! Questions about commands that need no following: whether one fails, leaves, or means nothing; and the commands of
//! the shell itself.

use super::follow::{Flow, Follower};
use super::host::{Answer, Host, Truth, Value};
use super::syntax::{Command, Part, Simple};

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
        [Part::Text(text, _)] => Some(text),
        _ => None,
    }
}

/// The commands that a compound one is made of.
pub(super) fn below(command: &Command) -> Vec<&Command> {
    match command {
        Command::Simple(_) => Vec::new(),
        Command::List(commands) | Command::Pipe(commands) => commands.iter().collect(),
        Command::Not(inner)
        | Command::Background(inner)
        | Command::Group(inner, _)
        | Command::Subshell(inner, _) => vec![inner],
        Command::And(left, right) | Command::Or(left, right) | Command::Loop(left, right) => {
            vec![left, right]
        }
        Command::If { arms, otherwise } => {
            let arms = arms.iter().flat_map(|(condition, body)| [condition, body]);
            arms.chain(otherwise.as_deref()).collect()
        }
        Command::Case { arms, .. } => arms.iter().map(|(_, body)| body).collect(),
        Command::For { body, .. } => vec![body],
        Command::Function(_, body) => vec![body],
    }
}

/// Whether it certainly ends the script in failure.
pub(super) fn fails(command: &Command) -> bool {
    match command {
        Command::Simple(simple) => {
            literal(simple, 0) == Some(b"exit") && literal(simple, 1).is_some_and(|code| code != b"0")
        }
        Command::List(commands) => commands.iter().any(fails),
        Command::Group(inner, _) => fails(inner),
        _ => false,
    }
}

/// Whether it may leave the function that it is in (`false`), or the whole script (`true`), other than in failure.
pub(super) fn leaves(command: &Command) -> Option<bool> {
    match command {
        _ if fails(command) => None,
        Command::Simple(simple) => match literal(simple, 0)? {
            b"exit" | b"exec" => Some(true),
            b"return" | b"break" | b"continue" => Some(false),
            _ => None,
        },
        Command::Subshell(..) | Command::Function(..) => None,
        other => below(other).into_iter().filter_map(leaves).max(),
    }
}

/// Whether it does nothing: what stands behind `||` so that a failure does not matter.
pub(super) fn is_harmless(command: &Command) -> bool {
    match command {
        Command::Simple(simple) => {
            simple.redirects.is_empty()
                && matches!(literal(simple, 0), Some(b"true" | b":" | b"echo" | b"printf" | b"false"))
        }
        Command::List(commands) => commands.iter().all(is_harmless),
        Command::Group(inner, redirects) => redirects.is_empty() && is_harmless(inner),
        _ => false,
    }
}

impl<H: Host> Follower<'_, H> {
    /// A command of the shell itself; `None` for every other.
    pub(super) fn builtin(&mut self, name: &[u8], args: &[Value]) -> Option<(Answer, Flow)> {
        let done = (Answer::done(), Flow::On);
        Some(match name {
            b":" | b"true" | b"trap" | b"times" => done,
            b"false" => (Answer::status(Truth::No), Flow::On),
            b"exit" => (Answer::status(self.code(args)), Flow::Exit),
            b"return" => {
                let status = self.code(args);
                self.last = status;
                (Answer::status(status), Flow::Return)
            }
            b"break" => (Answer::done(), Flow::Break),
            b"continue" => (Answer::done(), Flow::Continue),
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
                (Answer::unknown(), Flow::On)
            }
            b"command"
                if args
                    .first()
                    .is_some_and(|arg| arg.as_deref().is_some_and(|arg| !arg.starts_with(b"-"))) =>
            {
                let (name, args) = args.split_first()?;
                (self.host.call(name.as_deref()?, args, None), Flow::On)
            }
            b"db_get" => (self.debconf(args), Flow::On),
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
    fn debconf(&mut self, args: &[Value]) -> Answer {
        let answer = self.host.call(b"db_get", args, None);
        self.variables.insert(b"RET".to_vec(), answer.output.clone());
        Answer { output: Some(Vec::new()), ..answer }
    }
}
