//! The syntax tree of a shell script. Independent of the meaning of commands.

use std::ops::Range;
use std::rc::Rc;

/// A command, simple or compound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ScriptCommand {
    /// Assignments, a name with arguments, redirections.
    Simple(Simple),
    /// One after the other.
    List(Vec<ScriptCommand>),
    /// Joined by `|`.
    Pipe(Vec<ScriptCommand>),
    /// `! COMMAND`
    Not(Box<ScriptCommand>),
    /// `A && B`
    And(Box<ScriptCommand>, Box<ScriptCommand>),
    /// `A || B`
    Or(Box<ScriptCommand>, Box<ScriptCommand>),
    /// `COMMAND &`
    Background(Box<ScriptCommand>),
    /// `if`: conditions with what follows, and `else`.
    If {
        /// Conditions and what is done where they hold.
        arms: Vec<(ScriptCommand, ScriptCommand)>,
        /// The `else` branch.
        otherwise: Option<Box<ScriptCommand>>,
    },
    /// `case`
    Case {
        /// The word to match.
        word: ScriptWord,
        /// Patterns and what is done.
        arms: Vec<(Vec<ScriptWord>, ScriptCommand)>,
    },
    /// `for`
    For {
        /// The variable.
        name: Vec<u8>,
        /// Its values; the arguments of the script if none are given.
        words: Option<Vec<ScriptWord>>,
        /// The body.
        body: Box<ScriptCommand>,
    },
    /// `while` or `until`: condition and body.
    Loop(Box<ScriptCommand>, Box<ScriptCommand>),
    /// `NAME() BODY`
    Function(Vec<u8>, Rc<ScriptCommand>),
    /// `{ … }` with redirections.
    Group(Box<ScriptCommand>, Vec<Redirect>),
    /// `( … )` with redirections.
    Subshell(Box<ScriptCommand>, Vec<Redirect>),
}

/// A simple command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Simple {
    /// Variables set for it, or for the script where it has no words.
    pub(crate) assigns: Vec<(Vec<u8>, ScriptWord)>,
    /// Name and arguments.
    pub(crate) words: Vec<ScriptWord>,
    /// Redirections.
    pub(crate) redirects: Vec<Redirect>,
    /// Its position in the script.
    pub(crate) at: Range<usize>,
}

/// A redirection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redirect {
    /// Which descriptor; that of the operator if not given.
    pub(crate) descriptor: Option<u32>,
    /// Its kind.
    pub(crate) kind: RedirectKind,
    /// The file, descriptor or text.
    pub(crate) target: ScriptWord,
}

/// Kinds of redirection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RedirectKind {
    /// `<`
    Read,
    /// `>`, `>|`
    Write,
    /// `>>`
    Append,
    /// `<&`, `>&`, `<>`
    Other,
    /// `<<`, `<<-`: the target is the text.
    Here,
}

/// A word: adjacent parts.
pub(crate) type ScriptWord = Vec<WordPart>;

/// Whether a part is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quotes {
    /// It does: one field, no patterns.
    In,
    /// It does not: split at spaces, patterns count.
    Out,
}

/// A part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WordPart {
    /// Literal bytes.
    Text(Vec<u8>, Quotes),
    /// `$NAME`, `${NAME…}`: the rest of the braces is an operator with a word.
    Variable {
        /// Its name; a digit, `@`, `*`, `#`, `?`, `$` or `!` for the special ones.
        name: Vec<u8>,
        /// `:-`, `-`, `:+`, `+`, `:=`, `=`, `:?`, `?`, `%`, `%%`, `#`, `##`, or `len` for `${#NAME}`, with its word.
        operator: Option<(&'static str, ScriptWord)>,
        /// Whether it is quoted.
        quotes: Quotes,
    },
    /// `$(…)` or backquotes.
    Output(Box<ScriptCommand>, Quotes),
    /// Something that is not followed, such as `$((…))`.
    Unknown,
}
