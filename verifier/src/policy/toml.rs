//! The subset of TOML 1.0 that policies are written in: comments, arrays of tables, and keys with texts, whole numbers and
//! lists of texts. Everything else is refused.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

#[derive(Debug, Clone, Copy)]
pub(super) enum TableName {
    Signer,
    Rule,
}

pub(super) enum TomlValue {
    Text(String),
    Number(usize),
    Texts(Vec<String>),
}

pub(super) struct Table {
    pub(super) name: TableName,
    pub(super) line: usize,
    pub(super) keys: Vec<(String, TomlValue)>,
}

impl Table {
    pub(super) fn get(&self, key: &str) -> Option<&TomlValue> {
        self.keys.iter().find(|(own, _)| own == key).map(|(_, value)| value)
    }
}

pub(super) struct Toml<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Toml<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, line: 1 }
    }

    fn error(&self, reason: &str) -> String {
        format!("line {}: {reason}", self.line)
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let one = self.peek()?;
        self.at += one.len_utf8();
        self.line += usize::from(one == '\n');
        Some(one)
    }

    fn take(&mut self, one: char) -> bool {
        let found = self.peek() == Some(one);
        if found {
            self.next();
        }
        found
    }

    /// Skips spaces, and also comments and ends of lines where a value may go on behind them.
    fn skip(&mut self, lines: bool) -> Result<(), String> {
        while let Some(one) = self.peek() {
            match one {
                ' ' | '\t' => {}
                '\n' if lines => {}
                '\r' if lines && self.text.get(self.at..).is_some_and(|rest| rest.starts_with("\r\n")) => {}
                '#' if lines => {
                    self.comment()?;
                    continue;
                }
                _ => break,
            }
            self.next();
        }
        Ok(())
    }

    fn comment(&mut self) -> Result<(), String> {
        while let Some(one) = self.peek().filter(|one| *one != '\n') {
            let end = one == '\r' && self.text.get(self.at..).is_some_and(|rest| rest.starts_with("\r\n"));
            if (one < ' ' && one != '\t' || one == '\u{7f}') && !end {
                return Err(self.error("a comment has a control character"));
            }
            self.next();
        }
        Ok(())
    }

    fn end_of_line(&mut self) -> Result<(), String> {
        self.skip(false)?;
        if self.peek() == Some('#') {
            self.comment()?;
        }
        self.take('\r');
        if self.peek().is_none() || self.take('\n') {
            Ok(())
        } else {
            Err(self.error("something is behind the value"))
        }
    }

    pub(super) fn tables(mut self) -> Result<Vec<Table>, String> {
        let mut all: Vec<Table> = Vec::new();
        loop {
            self.skip(true)?;
            let Some(one) = self.peek() else { return Ok(all) };
            if one == '[' {
                let line = self.line;
                let name = self.header()?;
                all.push(Table { name, line, keys: Vec::new() });
                continue;
            }
            let key = self.key()?;
            self.skip(false)?;
            if !self.take('=') {
                return Err(self.error("an equals sign is missing"));
            }
            self.skip(false)?;
            let value = self.value()?;
            self.end_of_line()?;
            let reason = self.error("the key is there twice, or before the first table");
            match all.last_mut() {
                Some(table) if table.get(&key).is_none() => table.keys.push((key, value)),
                _ => return Err(reason),
            }
        }
    }

    fn header(&mut self) -> Result<TableName, String> {
        let wrong = self.error("only [[signer]] and [[rule]] are known");
        if !(self.take('[') && self.take('[')) {
            return Err(wrong);
        }
        self.skip(false)?;
        let name = match self.key()?.as_str() {
            "signer" => TableName::Signer,
            "rule" => TableName::Rule,
            _ => return Err(wrong),
        };
        self.skip(false)?;
        if !(self.take(']') && self.take(']')) {
            return Err(wrong);
        }
        self.end_of_line()?;
        Ok(name)
    }

    fn key(&mut self) -> Result<String, String> {
        if let Some(quote @ ('"' | '\'')) = self.peek() {
            return self.string(quote);
        }
        let mut key = String::new();
        while let Some(one) = self.peek().filter(|one| one.is_ascii_alphanumeric() || "-_".contains(*one)) {
            key.push(one);
            self.next();
        }
        if key.is_empty() {
            Err(self.error("a key is missing"))
        } else {
            Ok(key)
        }
    }

    fn value(&mut self) -> Result<TomlValue, String> {
        match self.peek() {
            Some(quote @ ('"' | '\'')) => Ok(TomlValue::Text(self.string(quote)?)),
            Some('0'..='9') => self.number(),
            Some('[') => self.list(),
            _ => Err(self.error("a text, a whole number or a list of texts is missing")),
        }
    }

    fn number(&mut self) -> Result<TomlValue, String> {
        let mut digits = String::new();
        while let Some(one) = self.peek().filter(char::is_ascii_digit) {
            digits.push(one);
            self.next();
        }
        let number = digits.parse().ok().filter(|_| digits.len() == 1 || !digits.starts_with('0'));
        number.map(TomlValue::Number).ok_or_else(|| self.error("a whole number is malformed"))
    }

    fn list(&mut self) -> Result<TomlValue, String> {
        let mut all = Vec::new();
        self.take('[');
        loop {
            self.skip(true)?;
            if self.take(']') {
                return Ok(TomlValue::Texts(all));
            }
            match self.peek() {
                Some(quote @ ('"' | '\'')) => all.push(self.string(quote)?),
                _ => return Err(self.error("a text of a list is missing")),
            }
            self.skip(true)?;
            if !self.take(',') && self.peek() != Some(']') {
                return Err(self.error("a comma or the end of the list is missing"));
            }
        }
    }

    fn string(&mut self, quote: char) -> Result<String, String> {
        let mut out = String::new();
        self.take(quote);
        loop {
            match self.next() {
                Some(one) if one == quote => return Ok(out),
                Some('\\') if quote == '"' => out.push(self.escape()?),
                Some(one) if (one >= ' ' || one == '\t') && one != '\u{7f}' => out.push(one),
                _ => return Err(self.error("a text does not end in its line")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let len = match self.next() {
            Some('"') => return Ok('"'),
            Some('\\') => return Ok('\\'),
            Some('b') => return Ok('\u{8}'),
            Some('f') => return Ok('\u{c}'),
            Some('n') => return Ok('\n'),
            Some('r') => return Ok('\r'),
            Some('t') => return Ok('\t'),
            Some('u') => 4,
            Some('U') => 8,
            _ => return Err(self.error("an unknown escape")),
        };
        let mut value = 0_u32;
        for _ in 0..len {
            let digit = self.next().and_then(|one| one.to_digit(16));
            value = value << 4 | digit.ok_or_else(|| self.error("an escape of no character"))?;
        }
        char::from_u32(value).ok_or_else(|| self.error("an escape of no character"))
    }
}
