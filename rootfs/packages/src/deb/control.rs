//! Control files of Debian: paragraphs of fields (deb-control(5), deb822(5)). Knows nothing of what fields mean.
//!
//! [`Stanza`] borrows from the text, because an archive's index has sixty thousand of them; [`Paragraph`] owns its
//! fields and can be changed and written. A value keeps its bytes, continuation lines with their first blank, so
//! that what is written again is what was read.

use std::fmt;

/// Why a text is not a control file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// Bytes that are no text.
    #[error("line {line} is not UTF-8")]
    NotText {
        /// Line, the first being 1.
        line: usize,
    },
    /// A line that continues a value before any field has begun.
    #[error("line {line} begins with a blank, but continues no field")]
    NoField {
        /// Line, the first being 1.
        line: usize,
    },
    /// A line that is no `Name: value`.
    #[error("line {line} is no field: `{text}` has no name and colon")]
    NotAField {
        /// Line, the first being 1.
        line: usize,
        /// Its beginning.
        text: String,
    },
    /// Not as many paragraphs as there have to be.
    #[error("{found} paragraphs where there must be one")]
    NotOne {
        /// Their number.
        found: usize,
    },
}

/// A paragraph that borrows from the text it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stanza<'a> {
    fields: Vec<(&'a str, &'a str)>,
    line: usize,
}

impl<'a> Stanza<'a> {
    /// The value of a field, whatever the case of its name: without the blank after the colon and the last newline.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// Every field in order: name as written, and value.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a str)> + '_ {
        self.fields.iter().copied()
    }

    /// The line of the text that it begins in, the first being 1.
    pub fn line(&self) -> usize {
        self.line
    }
}

/// The stanzas of a text, one after the other; ends at the first mistake.
#[derive(Debug, Clone)]
pub struct Stanzas<'a> {
    rest: &'a str,
    line: usize,
    failed: bool,
}

/// Reads a text of stanzas.
pub fn stanzas(text: &str) -> Stanzas<'_> {
    Stanzas { rest: text, line: 1, failed: false }
}

/// Bytes as text, or the line that is none.
pub fn text(bytes: &[u8]) -> Result<&str, ControlError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        ControlError::NotText { line: good.split(|byte| *byte == b'\n').count() }
    })
}

/// The text without the lines that begin with `#`: configuration may have comments, an archive's files have none.
pub fn without_comments(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.starts_with('#')).collect()
}

impl<'a> Stanzas<'a> {
    /// The next line without its newline, and the text from its start on.
    fn peek(&self) -> Option<&'a str> {
        (!self.rest.is_empty()).then(|| self.rest.split_once('\n').map_or(self.rest, |(line, _)| line))
    }

    fn step(&mut self) {
        self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        self.line = self.line.saturating_add(1);
    }

    /// A field whose first line is `line`, with all the lines that continue it.
    fn field(&mut self, line: &'a str) -> Result<(&'a str, &'a str), ControlError> {
        let not_a_field =
            |at| ControlError::NotAField { line: at, text: line.chars().take(40).collect::<String>() };
        let (name, _) = line.split_once(':').ok_or_else(|| not_a_field(self.line))?;
        if name.is_empty() || name.contains([' ', '\t']) {
            return Err(not_a_field(self.line));
        }
        let whole = self.rest;
        self.step();
        while self.peek().is_some_and(|next| next.starts_with([' ', '\t']) && !is_blank(next)) {
            self.step();
        }
        let used = whole.len().saturating_sub(self.rest.len());
        let field = whole.get(..used).unwrap_or(whole);
        let value = field.get(name.len().saturating_add(1)..).unwrap_or_default();
        Ok((name, value.trim_start_matches([' ', '\t']).trim_end()))
    }

    fn stanza(&mut self) -> Result<Option<Stanza<'a>>, ControlError> {
        while self.peek().is_some_and(is_blank) {
            self.step();
        }
        let start = self.line;
        let mut fields = Vec::with_capacity(24);
        while let Some(line) = self.peek().filter(|line| !is_blank(line)) {
            if line.starts_with([' ', '\t']) {
                return Err(ControlError::NoField { line: self.line });
            }
            fields.push(self.field(line)?);
        }
        Ok((!fields.is_empty()).then_some(Stanza { fields, line: start }))
    }
}

fn is_blank(line: &str) -> bool {
    line.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

impl<'a> Iterator for Stanzas<'a> {
    type Item = Result<Stanza<'a>, ControlError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let stanza = self.stanza().transpose();
        self.failed = matches!(stanza, Some(Err(_)));
        stanza
    }
}

/// A paragraph that owns its fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paragraph {
    fields: Vec<(String, String)>,
}

impl Paragraph {
    /// The only paragraph of `bytes`, such as the `control` file of a package.
    pub fn read(bytes: &[u8]) -> Result<Self, ControlError> {
        let mut all = Self::read_all(bytes)?;
        match (all.pop(), all.len()) {
            (Some(one), 0) => Ok(one),
            (last, before) => {
                Err(ControlError::NotOne { found: before.saturating_add(usize::from(last.is_some())) })
            }
        }
    }

    /// Every paragraph of `bytes`.
    pub fn read_all(bytes: &[u8]) -> Result<Vec<Self>, ControlError> {
        stanzas(text(bytes)?).map(|stanza| stanza.map(|stanza| Self::from(&stanza))).collect()
    }

    /// The value of a field, whatever the case of its name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Every field in order: name as written, and value.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Sets a field: replaces one of that name, else appends it.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.fields.iter_mut().find(|(field, _)| field.eq_ignore_ascii_case(name)) {
            Some(field) => value.clone_into(&mut field.1),
            None => self.fields.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Removes a field and gives its value.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        let at = self.fields.iter().position(|(field, _)| field.eq_ignore_ascii_case(name))?;
        Some(self.fields.remove(at).1)
    }
}

impl From<&Stanza<'_>> for Paragraph {
    fn from(stanza: &Stanza<'_>) -> Self {
        Self { fields: stanza.fields().map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
    }
}

impl fmt::Display for Paragraph {
    /// One line for each field and each continuation, no empty line at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fields.iter().try_for_each(|(name, value)| match value.as_str() {
            value if value.is_empty() || value.starts_with('\n') => writeln!(f, "{name}:{value}"),
            value => writeln!(f, "{name}: {value}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str =
        "Package: a\nDescription: short\n long\n .\n more\n\n\nPackage:b\nConffiles:\n /etc/a 00\n";

    #[test]
    fn fields_are_found_whatever_their_case_and_written_as_they_were() {
        let all = Paragraph::read_all(TWO.as_bytes()).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].get("package"), Some("a"));
        assert_eq!(all[0].get("DESCRIPTION"), Some("short\n long\n .\n more"));
        assert_eq!(all[1].get("Conffiles"), Some("\n /etc/a 00"));
        assert_eq!(all[0].to_string(), "Package: a\nDescription: short\n long\n .\n more\n");
        assert_eq!(all[1].to_string(), "Package: b\nConffiles:\n /etc/a 00\n");
    }

    #[test]
    fn a_changed_field_keeps_its_place() {
        let mut one = Paragraph::read(b"A: 1\nB: 2\n").unwrap();
        one.set("a", "3");
        one.set("C", "");
        assert_eq!(one.to_string(), "A: 3\nB: 2\nC:\n");
        assert_eq!(one.remove("b").as_deref(), Some("2"));
        assert_eq!(one.remove("b"), None);
    }

    #[test]
    fn mistakes_name_their_line() {
        let error = |bytes: &[u8]| Paragraph::read(bytes).unwrap_err();
        assert_eq!(error(b"A: 1\nB: \xff\n"), ControlError::NotText { line: 2 });
        assert_eq!(error(b"\n B: 1\n"), ControlError::NoField { line: 2 });
        assert_eq!(error(b"A: 1\nwords\n"), ControlError::NotAField { line: 2, text: "words".to_owned() });
        assert_eq!(error(b""), ControlError::NotOne { found: 0 });
        assert_eq!(error(b"A: 1\n\nB: 1\n"), ControlError::NotOne { found: 2 });
    }

    #[test]
    fn comments_are_left_out_only_on_request() {
        let text = "Types: deb\n# why\nURIs: x\n";
        assert!(Paragraph::read(text.as_bytes()).is_err());
        let read = Paragraph::read(without_comments(text).as_bytes()).unwrap();
        assert_eq!(read.get("uris"), Some("x"));
    }
}
