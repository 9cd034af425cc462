//! Reads the grammar of the shell. Knows nothing of what commands do; runs nothing.
//!
//! Follows POSIX, Shell Command Language 2.2 to 2.10. What it does not know (arrays, `[[`, process substitution) is an
//! error, or an unknown command.

use super::syntax::{Quotes, ScriptCommand, ScriptWord, Simple, WordPart};

/// Deepest nesting of commands.
const DEPTH_MAX: usize = 32;

/// Most commands joined by `&&` and `||`.
const CHAIN_MAX: usize = 64;

/// Why a script could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the script could not be read: {reason}")]
pub(crate) struct SyntaxError {
    /// Counted from 1.
    pub(crate) line: usize,
    /// The expected syntax.
    pub(crate) reason: &'static str,
}

/// Reads a script.
pub(crate) fn parse(text: &[u8]) -> Result<ScriptCommand, SyntaxError> {
    let mut reader = ScriptReader::new(text);
    let command = reader.list(&[]).and_then(|command| {
        reader.blank();
        if reader.at < text.len() { Err("the end of the script") } else { Ok(command) }
    });
    command.map_err(|reason| {
        let before = text.get(..reader.at).unwrap_or(text);
        SyntaxError { line: before.split(|&byte| byte == b'\n').count(), reason }
    })
}

/// Reads a script that is nested at a depth in another; `None` if it cannot be read.
pub(super) fn at_depth(text: &[u8], depth: usize) -> Option<ScriptCommand> {
    let mut reader = ScriptReader { depth, ..ScriptReader::new(text) };
    reader.list(&[]).ok().filter(|_| reader.at >= text.len())
}

pub(super) type Read<T> = Result<T, &'static str>;

/// The state of the reader.
pub(super) struct ScriptReader<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
    /// Texts of `<<` that are read already: the newline before them, and where they end.
    pub(super) skip: Option<(usize, usize)>,
    pub(super) depth: usize,
}

const RESERVED: [&[u8]; 14] = [
    b"then", b"else", b"elif", b"fi", b"do", b"done", b"esac", b"}", b"if", b"case", b"for", b"while",
    b"until", b"{",
];

pub(super) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

impl<'a> ScriptReader<'a> {
    /// Stands at the start of a text.
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, skip: None, depth: 0 }
    }
}

impl ScriptReader<'_> {
    /// The commands of `$(`, up to its parenthesis and behind it.
    pub(super) fn commands_until_parenthesis(&mut self) -> Read<ScriptCommand> {
        let body = self.list(&[])?;
        if self.eat(b")") { Ok(body) } else { Err("`)` of `$(`") }
    }

    /// One level down; the caller comes up again by itself.
    pub(super) fn deeper(&mut self) -> Read<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err("fewer commands in one another") } else { Ok(()) }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub(super) fn looking_at(&self, text: &[u8]) -> bool {
        self.text.get(self.at..).is_some_and(|rest| rest.starts_with(text))
    }

    pub(super) fn eat(&mut self, text: &[u8]) -> bool {
        let found = self.looking_at(text);
        self.at += if found { text.len() } else { 0 };
        found
    }

    /// Passes over spaces, continued lines and a comment, not over the end of the line.
    pub(super) fn space(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                Some(b'\\') if self.looking_at(b"\\\n") => self.at += 2,
                Some(b'#') => {
                    while self.peek().is_some_and(|byte| byte != b'\n') {
                        self.at += 1;
                    }
                }
                _ => break,
            }
        }
    }

    /// Passes over spaces, comments and ends of lines.
    pub(super) fn blank(&mut self) {
        loop {
            self.space();
            if self.peek() != Some(b'\n') {
                break;
            }
            self.newline();
        }
    }

    /// Passes over the end of a line and the texts that begin there.
    fn newline(&mut self) {
        self.at = match self.skip.take() {
            Some((at, end)) if at == self.at => end,
            other => {
                self.skip = other;
                self.at + 1
            }
        };
    }

    /// The reserved word at this position, if it is one of these.
    pub(super) fn at_word(&self, words: &[&'static [u8]]) -> Option<&'static [u8]> {
        words.iter().copied().find(|word| {
            let after = self.text.get(self.at + word.len()).copied();
            self.looking_at(word)
                && after.is_none_or(|byte| {
                    matches!(byte, b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b')' | b'(')
                })
        })
    }

    pub(super) fn keyword(&mut self, word: &'static [u8], reason: &'static str) -> Read<()> {
        self.blank();
        if self.at_word(&[word]).is_none() {
            return Err(reason);
        }
        self.at += word.len();
        Ok(())
    }

    /// Commands up to one of the reserved words (which is not consumed), a `)`, a `;;` or the end.
    pub(super) fn list(&mut self, ends: &[&'static [u8]]) -> Read<ScriptCommand> {
        self.deeper()?;
        let mut commands = Vec::new();
        loop {
            self.blank();
            let over = self.peek().is_none_or(|byte| byte == b')') || self.looking_at(b";;");
            if over || self.at_word(ends).is_some() {
                break;
            }
            let start = self.at;
            let mut command = self.and_or()?;
            self.space();
            if self.peek() == Some(b'&') && !self.looking_at(b"&&") {
                self.at += 1;
                command = ScriptCommand::Background(Box::new(command));
            } else if self.peek() == Some(b';') && !self.looking_at(b";;") {
                self.at += 1;
            }
            if self.at == start {
                return Err("a command");
            }
            commands.push(command);
        }
        self.depth -= 1;
        Ok(if commands.len() == 1 { commands.remove(0) } else { ScriptCommand::List(commands) })
    }

    fn and_or(&mut self) -> Read<ScriptCommand> {
        let mut left = self.pipeline()?;
        for _ in 0..CHAIN_MAX {
            self.space();
            let and = self.eat(b"&&");
            if !and && !self.eat(b"||") {
                return Ok(left);
            }
            self.blank();
            let right = Box::new(self.pipeline()?);
            left = if and {
                ScriptCommand::And(Box::new(left), right)
            } else {
                ScriptCommand::Or(Box::new(left), right)
            };
        }
        Err("fewer commands joined by `&&` and `||`")
    }

    fn pipeline(&mut self) -> Read<ScriptCommand> {
        self.space();
        if self.at_word(&[b"!"]).is_some() {
            self.at += 1;
            self.deeper()?;
            let inner = self.pipeline()?;
            self.depth -= 1;
            return Ok(ScriptCommand::Not(Box::new(inner)));
        }
        let mut commands = vec![self.command()?];
        loop {
            self.space();
            if self.peek() != Some(b'|') || self.looking_at(b"||") {
                break;
            }
            self.at += 1;
            self.blank();
            commands.push(self.command()?);
        }
        Ok(if commands.len() == 1 { commands.remove(0) } else { ScriptCommand::Pipe(commands) })
    }

    pub(super) fn command(&mut self) -> Read<ScriptCommand> {
        self.space();
        if self.peek() == Some(b'(') {
            self.at += 1;
            let body = Box::new(self.list(&[])?);
            if !self.eat(b")") {
                return Err("`)`");
            }
            return Ok(ScriptCommand::Subshell(body, self.redirects()?));
        }
        let compound = match self.at_word(&RESERVED) {
            Some(b"if") => self.conditional()?,
            Some(b"case") => self.case()?,
            Some(b"for") => self.iteration()?,
            Some(word @ (b"while" | b"until")) => {
                self.at += word.len();
                let condition = self.list(&[b"do"])?;
                ScriptCommand::Loop(Box::new(condition), Box::new(self.body()?))
            }
            Some(b"{") => {
                self.at += 1;
                let body = self.list(&[b"}"])?;
                self.keyword(b"}", "`}`")?;
                return Ok(ScriptCommand::Group(Box::new(body), self.redirects()?));
            }
            Some(_) => return Err("a command instead of this reserved word"),
            None => return self.simple(),
        };
        let redirects = self.redirects()?;
        Ok(if redirects.is_empty() { compound } else { ScriptCommand::Group(Box::new(compound), redirects) })
    }

    /// A simple command, or the definition of a function.
    fn simple(&mut self) -> Read<ScriptCommand> {
        let start = self.at;
        let mut simple = Simple::default();
        loop {
            self.space();
            if let Some(redirect) = self.redirect()? {
                simple.redirects.push(redirect);
                continue;
            }
            if simple.words.is_empty()
                && let Some((name, value)) = self.assignment()?
            {
                simple.assigns.push((name, value));
                continue;
            }
            match self.word()? {
                Some(word) => simple.words.push(word),
                None => break,
            }
            if simple.words.len() == 1 && simple.assigns.is_empty() && simple.redirects.is_empty() {
                self.space();
                if self.peek() == Some(b'(')
                    && let Some([WordPart::Text(name, Quotes::Out)]) = simple.words.first().map(Vec::as_slice)
                {
                    let name = name.clone();
                    self.at += 1;
                    self.space();
                    if !self.eat(b")") {
                        return Err("`)` of a function");
                    }
                    self.blank();
                    self.deeper()?;
                    let body = self.command()?;
                    self.depth -= 1;
                    return Ok(ScriptCommand::Function(name, std::rc::Rc::new(body)));
                }
            }
        }
        if self.at == start {
            return Err("a command");
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        simple.at = start..start + text.trim_ascii_end().len();
        Ok(ScriptCommand::Simple(simple))
    }

    /// `NAME=VALUE`, if that is next.
    fn assignment(&mut self) -> Read<Option<(Vec<u8>, ScriptWord)>> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let len = rest.iter().take_while(|&&byte| is_name(byte)).count();
        let named = rest.first().is_some_and(|byte| !byte.is_ascii_digit()) && len > 0;
        if !named || rest.get(len) != Some(&b'=') {
            return Ok(None);
        }
        let name = rest.get(..len).unwrap_or_default().to_vec();
        self.at += len + 1;
        Ok(Some((name, self.word()?.unwrap_or_default())))
    }
}
