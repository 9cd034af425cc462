//! JSON of RFC 8259, strictly: no duplicate keys, whole numbers only where numbers are asked for, bounded depth.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

/// Nesting that is followed.
const DEPTH: usize = 64;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it is written.
    Number(String),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object.
    Object(BTreeMap<String, Json>),
}

/// Where a text stops being JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// Byte of the text.
    pub offset: usize,
    /// The reason.
    pub reason: &'static str,
}

impl Json {
    /// Parses a text.
    ///
    /// # Errors
    /// [`JsonError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        let text = core::str::from_utf8(bytes)
            .map_err(|error| JsonError { offset: error.valid_up_to(), reason: "it is not UTF-8" })?;
        let mut parser = Parser { text, at: 0 };
        let value = parser.value(0)?;
        parser.space();
        if parser.at < text.len() {
            return Err(parser.error("something is behind the value"));
        }
        Ok(value)
    }

    /// The member of an object.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.get(key),
            _ => None,
        }
    }

    /// A text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number that is not negative.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Number(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    /// The elements of a list.
    pub fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(all) => Some(all),
            _ => None,
        }
    }

    /// The members of an object.
    pub fn object(&self) -> Option<&BTreeMap<String, Self>> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn error(&self, reason: &'static str) -> JsonError {
        JsonError { offset: self.at, reason }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at = self.at.saturating_add(1);
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at = self.at.saturating_add(usize::from(found));
        found
    }

    fn keyword(&mut self, word: &str, value: Json) -> Result<Json, JsonError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(self.error("not a value"));
        }
        self.at = self.at.saturating_add(word.len());
        Ok(value)
    }

    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        if depth > DEPTH {
            return Err(self.error("nested too deeply"));
        }
        self.space();
        match self.peek() {
            Some(b'{') => self.members(depth),
            Some(b'[') => self.elements(depth),
            Some(b'"') => Ok(Json::Text(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.digits(),
            Some(b't') => self.keyword("true", Json::Bool(true)),
            Some(b'f') => self.keyword("false", Json::Bool(false)),
            _ => self.keyword("null", Json::Null),
        }
    }

    fn members(&mut self, depth: usize) -> Result<Json, JsonError> {
        let mut members = BTreeMap::new();
        self.take(b'{');
        self.space();
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.space();
            let key = self.string()?;
            self.space();
            if !self.take(b':') {
                return Err(self.error("a colon is missing"));
            }
            let value = self.value(depth.saturating_add(1))?;
            if members.insert(key, value).is_some() {
                return Err(self.error("a key is there twice"));
            }
            self.space();
            if self.take(b'}') {
                return Ok(Json::Object(members));
            }
            if !self.take(b',') {
                return Err(self.error("a comma or the end of the object is missing"));
            }
        }
    }

    fn elements(&mut self, depth: usize) -> Result<Json, JsonError> {
        let mut all = Vec::new();
        self.take(b'[');
        self.space();
        if self.take(b']') {
            return Ok(Json::List(all));
        }
        loop {
            all.push(self.value(depth.saturating_add(1))?);
            self.space();
            if self.take(b']') {
                return Ok(Json::List(all));
            }
            if !self.take(b',') {
                return Err(self.error("a comma or the end of the list is missing"));
            }
        }
    }

    fn run_of_digits(&mut self) -> usize {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at = self.at.saturating_add(1);
        }
        self.at.saturating_sub(from)
    }

    fn digits(&mut self) -> Result<Json, JsonError> {
        let from = self.at;
        self.take(b'-');
        let zero = self.peek() == Some(b'0');
        let count = self.run_of_digits();
        let mut good = count > 0 && (!zero || count == 1);
        if self.take(b'.') {
            good &= self.run_of_digits() > 0;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            good &= self.run_of_digits() > 0;
        }
        if !good {
            return Err(self.error("not a number"));
        }
        Ok(Json::Number(self.text.get(from..self.at).unwrap_or_default().into()))
    }

    fn string(&mut self) -> Result<String, JsonError> {
        if !self.take(b'"') {
            return Err(self.error("a text is missing"));
        }
        let mut out = String::new();
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let plain = rest.find(|one: char| one == '"' || one == '\\' || one < ' ').unwrap_or(rest.len());
            out.push_str(rest.get(..plain).unwrap_or_default());
            self.at = self.at.saturating_add(plain);
            if self.take(b'"') {
                return Ok(out);
            }
            if !self.take(b'\\') {
                return Err(self.error("a text does not end, or has a control character"));
            }
            out.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let byte = self.peek();
        self.at = self.at.saturating_add(1);
        Ok(match byte {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.error("an unknown escape")),
        })
    }

    fn unit(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at.checked_add(4)?)?;
        let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.at = self.at.saturating_add(4);
        u32::from_str_radix(digits, 16).ok().filter(|_| hexadecimal)
    }

    fn unicode(&mut self) -> Result<char, JsonError> {
        let wrong = self.error("an escape of no character");
        let first = self.unit().ok_or_else(|| wrong.clone())?;
        let scalar = if (0xd800..0xdc00).contains(&first) {
            let low = (self.take(b'\\') && self.take(b'u')).then(|| self.unit()).flatten();
            let low = low.filter(|low| (0xdc00..0xe000).contains(low)).ok_or_else(|| wrong.clone())?;
            0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00)
        } else {
            first
        };
        char::from_u32(scalar).ok_or(wrong)
    }
}

/// A text as JSON.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(2));
    out.push('"');
    for one in text.chars() {
        match one {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            one if one < ' ' || one == '\u{7f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(one));
            }
            one => out.push(one),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn values_are_read_and_written() {
        let text = r#" {"a": [1, -2.5e3, true, null, {}], "b\u00e9\ud83d\ude00\"": "x\n"} "#;
        let value = Json::parse(text.as_bytes()).unwrap();
        assert_eq!(value.get("a").and_then(Json::list).map(<[Json]>::len), Some(5));
        assert_eq!(value.get("bé😀\"").and_then(Json::text), Some("x\n"));
        assert_eq!(Json::parse(quoted("a\"\\\n\u{1}é").as_bytes()), Ok(Json::Text("a\"\\\n\u{1}é".into())));
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let deep = "[".repeat(100_000);
        let texts = vec![
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{\"a\":1,\"a\":2}",
            "01",
            "1.",
            "+1",
            "nul",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\n\"",
            "\"a",
            "1 2",
            "{a:1}",
            "'a'",
            "\"\\u+123\"",
            &deep,
        ];
        for text in texts {
            assert!(Json::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Json::parse(b"\"\xff\"").is_err());
    }
}
