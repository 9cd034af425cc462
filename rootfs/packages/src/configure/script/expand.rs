//! Word expansion: fields, values and patterns, as far as they are known.
//!
//! Follows POSIX, Shell Command Language 2.6. `IFS` is taken to be as it was at the start.

use super::host::{Host, Value};
use super::interpreter::{FIELDS_MAX, Interpreter, VALUE_MAX};
use super::syntax::{Quotes, ScriptWord, WordPart};
use amiforge_rootfs::wildcard;

/// Bytes of a field with the same bytes as a pattern.
#[derive(Debug, Clone, Default)]
struct FieldBytes {
    text: Vec<u8>,
    pattern: Vec<u8>,
    /// Whether an unquoted `*`, `?` or `[` is in it.
    wild: bool,
    /// Whether a part of it is not known.
    unknown: bool,
    /// Whether it counts even when it is empty.
    snapshot: bool,
}

impl FieldBytes {
    fn add(&mut self, bytes: &[u8], quotes: Quotes) {
        self.text.extend_from_slice(bytes);
        if quotes == Quotes::In {
            self.snapshot = true;
            self.pattern.extend(wildcard::escaped(bytes));
        } else {
            self.wild |= bytes.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['));
            self.pattern.extend_from_slice(bytes);
        }
    }
}

/// Comparisons of bytes that one pattern may take.
pub(super) const COMPARISONS_MAX: usize = 1 << 28;

/// The number of fields of a word is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Uncounted;

impl<H: Host> Interpreter<'_, H> {
    /// The fields of words, patterns replaced by the paths that they match.
    pub(super) fn fields(&mut self, words: &[ScriptWord]) -> Result<Vec<Value>, Uncounted> {
        let mut values = Vec::new();
        for word in words {
            for field in self.fields_of(word)? {
                if values.len() >= FIELDS_MAX {
                    return Err(Uncounted);
                }
                if field.unknown {
                    values.push(None);
                } else if field.wild && field.text != b"[" {
                    let paths = self.host.glob(&field.pattern);
                    if paths.is_empty() {
                        values.push(Some(field.text));
                    } else {
                        values.extend(paths.into_iter().map(Some));
                    }
                } else {
                    values.push(Some(field.text));
                }
            }
        }
        Ok(values)
    }

    /// The value of a word that is not split: of an assignment, a `case`, a redirection.
    pub(super) fn value(&mut self, word: &ScriptWord) -> Value {
        self.joined(word).map(|field| field.text)
    }

    /// A word as a pattern in which quoted parts match literally.
    pub(super) fn pattern(&mut self, word: &ScriptWord) -> Value {
        self.joined(word).map(|field| field.pattern)
    }

    fn joined(&mut self, word: &ScriptWord) -> Option<FieldBytes> {
        let mut field = FieldBytes::default();
        for part in word {
            match part {
                WordPart::Text(bytes, quotes) => field.add(bytes, *quotes),
                WordPart::Variable { name, operator, quotes } => {
                    field.add(&self.variable(name, operator.as_ref())?, *quotes);
                }
                WordPart::Output(command, quotes) => field.add(&self.output(command)?, *quotes),
                WordPart::Unknown => return None,
            }
            if field.text.len() > VALUE_MAX {
                return None;
            }
        }
        self.charge(field.text.len()).then_some(field)
    }

    fn fields_of(&mut self, word: &ScriptWord) -> Result<Vec<FieldBytes>, Uncounted> {
        let (mut done, mut field) = (Vec::new(), FieldBytes::default());
        for part in word {
            if field.text.len() > VALUE_MAX {
                (field.unknown, field.text, field.pattern) = (true, Vec::new(), Vec::new());
            }
            let (value, quotes) = match part {
                WordPart::Text(bytes, quotes) => {
                    field.add(bytes, *quotes);
                    continue;
                }
                WordPart::Variable { name, operator: None, .. } if matches!(&name[..], b"@" | b"*") => {
                    // Without arguments even `"$@"` is no field.
                    field.snapshot &= !(self.args.is_empty() && field.text.is_empty());
                    if !self.charge(self.args.iter().flatten().map(Vec::len).sum()) {
                        return Err(Uncounted);
                    }
                    let mut args = self.args.clone().into_iter().peekable();
                    while let Some(arg) = args.next() {
                        match arg {
                            Some(arg) => field.add(&arg, Quotes::In),
                            None => field.unknown = true,
                        }
                        if args.peek().is_some() {
                            done.push(std::mem::take(&mut field));
                        }
                    }
                    continue;
                }
                WordPart::Variable { name, operator, quotes } => {
                    (self.variable(name, operator.as_ref()), *quotes)
                }
                WordPart::Output(command, quotes) => (self.output(command), *quotes),
                WordPart::Unknown => (None, Quotes::In),
            };
            match (value, quotes) {
                (Some(value), Quotes::In) => field.add(&value, Quotes::In),
                (Some(value), Quotes::Out) => split(&value, &mut field, &mut done),
                (None, Quotes::In) => {
                    field.unknown = true;
                    field.snapshot = true;
                }
                (None, Quotes::Out) => return Err(Uncounted),
            }
        }
        done.push(field);
        for field in &mut done {
            if field.text.len() > VALUE_MAX {
                (field.unknown, field.text, field.pattern) = (true, Vec::new(), Vec::new());
            }
        }
        if !self.charge(done.iter().map(|field| field.text.len()).sum()) {
            return Err(Uncounted);
        }
        done.retain(|field| field.snapshot || field.unknown || !field.text.is_empty());
        Ok(done)
    }

    /// The value of a variable with its operator applied.
    fn variable(&mut self, name: &[u8], operator: Option<&(&'static str, ScriptWord)>) -> Value {
        let value = self.plain(name);
        let Some((operator, word)) = operator else { return value.map(Option::unwrap_or_default) };
        let set = |colon: bool, value: &Option<Vec<u8>>| match value {
            Some(value) => !colon || !value.is_empty(),
            None => false,
        };
        let value = value?;
        let colon = operator.starts_with(':');
        match *operator {
            ":-" | "-" if !set(colon, &value) => self.value(word),
            ":=" | "=" if !set(colon, &value) => {
                let value = self.value(word);
                self.variables.insert(name.to_vec(), value.clone());
                value
            }
            ":+" | "+" => {
                if set(colon, &value) {
                    self.value(word)
                } else {
                    Some(Vec::new())
                }
            }
            "len" => Some(value.unwrap_or_default().len().to_string().into_bytes()),
            "%" | "%%" | "#" | "##" => {
                let (pattern, value) = (self.pattern(word)?, value.unwrap_or_default());
                // It is compared at each byte, which takes up to the product of the lengths.
                let comparisons = value.len().saturating_mul(value.len()).saturating_mul(pattern.len());
                if comparisons > COMPARISONS_MAX || !self.charge(comparisons / 64) {
                    return None;
                }
                Some(stripped(&value, &pattern, operator))
            }
            _ => Some(value.unwrap_or_default()),
        }
    }

    /// The value of a variable: not known, not set, or bytes.
    #[expect(clippy::option_option, reason = "not known and not set are two things")]
    fn plain(&self, name: &[u8]) -> Option<Option<Vec<u8>>> {
        match name {
            b"@" | b"*" => {
                let args: Option<Vec<Vec<u8>>> = self.args.iter().cloned().collect();
                Some(Some(args?.join(&b' ')))
            }
            b"#" => Some(Some(self.args.len().to_string().into_bytes())),
            b"0" => Some(Some(b"postinst".to_vec())),
            b"?" => match self.last {
                super::host::Truth::Yes => Some(Some(b"0".to_vec())),
                _ => None,
            },
            b"$" | b"!" | b"-" => None,
            digits if digits.iter().all(u8::is_ascii_digit) => {
                let number: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
                match self.args.get(number.checked_sub(1)?) {
                    Some(value) => value.clone().map(Some),
                    None => Some(None),
                }
            }
            name => match self.variables.get(name) {
                Some(Some(value)) => Some(Some(value.clone())),
                Some(None) => None,
                None => Some(None),
            },
        }
    }
}

/// Splits at spaces, tabs and newlines.
fn split(value: &[u8], field: &mut FieldBytes, done: &mut Vec<FieldBytes>) {
    for (number, part) in value.split(|byte| matches!(byte, b' ' | b'\t' | b'\n')).enumerate() {
        if number > 0 && (field.snapshot || field.unknown || !field.text.is_empty()) {
            done.push(std::mem::take(field));
        }
        field.add(part, Quotes::Out);
    }
}

/// Removes what a pattern matches at the end (`%`) or start (`#`), the shortest, or the longest where it is doubled.
fn stripped(value: &[u8], pattern: &[u8], operator: &str) -> Vec<u8> {
    let len = value.len();
    let mut cuts: Vec<usize> = (0..=len).collect();
    // Shortest at the end first; longest at the start for `##`.
    if matches!(operator, "%" | "##") {
        cuts.reverse();
    }
    for cut in cuts {
        let (head, tail) = value.split_at(cut);
        let (rest, gone) = if operator.starts_with('%') { (head, tail) } else { (tail, head) };
        if wildcard::matches(pattern, gone) {
            return rest.to_vec();
        }
    }
    value.to_vec()
}
