//! Reads words: quotes, variables, outputs of commands. Does not expand them.
//!
//! Follows POSIX, Shell Command Language 2.2 (quoting) and 2.6 (expansions).

use super::parse::{Read, ScriptReader, is_name};
use super::syntax::{Quotes, ScriptWord, WordPart};

/// The text of a `<<` without quotes: as between double quotes, but that `"` means itself.
pub(super) fn here(text: &[u8]) -> Read<ScriptWord> {
    let mut reader = ScriptReader::new(text);
    let mut word = ScriptWord::new();
    while reader.peek().is_some() {
        reader.quoted_part(&mut word, b"\\$`")?;
    }
    Ok(word)
}

/// Adds bytes to a word.
fn push(word: &mut ScriptWord, bytes: &[u8], quotes: Quotes) {
    match word.last_mut() {
        Some(WordPart::Text(text, kind)) if *kind == quotes => text.extend_from_slice(bytes),
        _ => word.push(WordPart::Text(bytes.to_vec(), quotes)),
    }
}

/// Longer ones first.
const OPERATORS: [&str; 12] = [":-", ":+", ":=", ":?", "%%", "##", "-", "+", "=", "?", "%", "#"];

impl ScriptReader<'_> {
    /// The word at this position, if there is one.
    pub(super) fn word(&mut self) -> Read<Option<ScriptWord>> {
        let (start, mut word) = (self.at, ScriptWord::new());
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' => break,
                b'\'' => {
                    let rest = self.text.get(self.at + 1..).unwrap_or_default();
                    let len = rest.iter().position(|&byte| byte == b'\'').ok_or("the closing `'`")?;
                    push(&mut word, rest.get(..len).unwrap_or_default(), Quotes::In);
                    self.at += len + 2;
                }
                b'"' => self.double_quoted(&mut word)?,
                b'\\' => {
                    match self.text.get(self.at + 1) {
                        Some(b'\n') => {}
                        Some(byte) => push(&mut word, &[*byte], Quotes::In),
                        None => return Err("what the backslash is for"),
                    }
                    self.at += 2;
                }
                b'$' | b'`' => self.expansion(&mut word, Quotes::Out)?,
                _ => {
                    push(&mut word, &[byte], Quotes::Out);
                    self.at += 1;
                }
            }
        }
        Ok((self.at > start).then_some(word))
    }

    fn double_quoted(&mut self, word: &mut ScriptWord) -> Read<()> {
        self.at += 1;
        push(word, b"", Quotes::In);
        while !self.eat(b"\"") {
            if self.peek().is_none() {
                return Err("the closing `\"`");
            }
            self.quoted_part(word, b"\\$`\"")?;
        }
        Ok(())
    }

    /// One byte or expansion between quotes; `special` are the bytes that a backslash makes plain.
    pub(super) fn quoted_part(&mut self, word: &mut ScriptWord, special: &[u8]) -> Read<()> {
        match (self.peek(), self.text.get(self.at + 1)) {
            (Some(b'$' | b'`'), _) => return self.expansion(word, Quotes::In),
            (Some(b'\\'), Some(b'\n')) => self.at += 2,
            (Some(b'\\'), Some(byte)) if special.contains(byte) => {
                push(word, &[*byte], Quotes::In);
                self.at += 2;
            }
            (Some(byte), _) => {
                push(word, &[byte], Quotes::In);
                self.at += 1;
            }
            (None, _) => return Err("more text"),
        }
        Ok(())
    }

    fn expansion(&mut self, word: &mut ScriptWord, quotes: Quotes) -> Read<()> {
        if self.peek() == Some(b'`') {
            return self.backquoted(word, quotes);
        }
        self.at += 1;
        if self.eat(b"((") {
            return self.arithmetic(word);
        }
        if self.eat(b"(") {
            let body = self.commands_until_parenthesis()?;
            word.push(WordPart::Output(Box::new(body), quotes));
            return Ok(());
        }
        if self.eat(b"{") {
            return self.braced(word, quotes);
        }
        let start = self.at;
        match self.peek() {
            Some(byte) if byte.is_ascii_alphabetic() || byte == b'_' => {
                while self.peek().is_some_and(is_name) {
                    self.at += 1;
                }
            }
            Some(b'0'..=b'9' | b'@' | b'*' | b'#' | b'?' | b'$' | b'!' | b'-') => self.at += 1,
            _ => {
                push(word, b"$", quotes);
                return Ok(());
            }
        }
        let name = self.text.get(start..self.at).unwrap_or_default().to_vec();
        word.push(WordPart::Variable { name, operator: None, quotes });
        Ok(())
    }

    fn arithmetic(&mut self, word: &mut ScriptWord) -> Read<()> {
        let mut open = 2usize;
        while open > 0 {
            match self.peek().ok_or("`))`")? {
                b'(' => open += 1,
                b')' => open -= 1,
                _ => {}
            }
            self.at += 1;
        }
        word.push(WordPart::Unknown);
        Ok(())
    }

    fn backquoted(&mut self, word: &mut ScriptWord, quotes: Quotes) -> Read<()> {
        self.at += 1;
        let mut inner = Vec::new();
        loop {
            match (self.peek().ok_or("the closing backquote")?, self.text.get(self.at + 1)) {
                (b'`', _) => break,
                (b'\\', Some(byte @ (b'\\' | b'$' | b'`'))) => {
                    inner.push(*byte);
                    self.at += 1;
                }
                (byte, _) => inner.push(byte),
            }
            self.at += 1;
        }
        self.at += 1;
        self.deeper()?;
        let body = super::parse::at_depth(&inner, self.depth);
        self.depth -= 1;
        word.push(body.map_or(WordPart::Unknown, |body| WordPart::Output(Box::new(body), quotes)));
        Ok(())
    }

    /// `${…}` behind the brace.
    fn braced(&mut self, word: &mut ScriptWord, quotes: Quotes) -> Read<()> {
        self.deeper()?;
        let length = self.looking_at(b"#") && !self.looking_at(b"#}");
        self.at += usize::from(length);
        let start = self.at;
        if self.peek().is_some_and(is_name) {
            while self.peek().is_some_and(is_name) {
                self.at += 1;
            }
        } else {
            self.at += 1;
        }
        let name = self.text.get(start..self.at).unwrap_or_default().to_vec();
        let operator = OPERATORS.into_iter().find(|operator| self.looking_at(operator.as_bytes()));
        let operator = match operator {
            _ if length => Some(("len", ScriptWord::new())),
            Some(operator) => {
                self.at += operator.len();
                Some((operator, self.until_brace(quotes)?))
            }
            None => None,
        };
        if !self.eat(b"}") {
            return Err("`}` of a variable");
        }
        word.push(WordPart::Variable { name, operator, quotes });
        self.depth -= 1;
        Ok(())
    }

    /// The word of an operator, up to the brace.
    fn until_brace(&mut self, quotes: Quotes) -> Read<ScriptWord> {
        let mut word = ScriptWord::new();
        loop {
            match self.peek().ok_or("`}` of a variable")? {
                b'}' => return Ok(word),
                b'"' => self.double_quoted(&mut word)?,
                b'\'' if quotes == Quotes::Out => {
                    let rest = self.text.get(self.at + 1..).unwrap_or_default();
                    let len = rest.iter().position(|&byte| byte == b'\'').ok_or("the closing `'`")?;
                    push(&mut word, rest.get(..len).unwrap_or_default(), Quotes::In);
                    self.at += len + 2;
                }
                b'$' | b'`' => self.expansion(&mut word, quotes)?,
                b'\\' => {
                    let byte = *self.text.get(self.at + 1).ok_or("what the backslash is for")?;
                    push(&mut word, &[byte], Quotes::In);
                    self.at += 2;
                }
                byte => {
                    push(&mut word, &[byte], Quotes::Out);
                    self.at += 1;
                }
            }
        }
    }
}
