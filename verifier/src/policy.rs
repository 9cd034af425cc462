//! Policies: who may sign, and how many of them have to, for images of which names. The text is a subset of TOML 1.0:
//! comments, `[[signer]]` and `[[rule]]`, keys with texts, whole numbers and lists of texts.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::bytes::shown;
use crate::sshsig::PublicKey;

/// The longest policy, and the longest name or pattern.
const LEN_MAX: usize = 1 << 20;
const NAME_MAX: usize = 128;

/// Who may sign what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    signers: Vec<PolicySigner>,
    rules: Vec<PolicyRule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct PolicySigner {
    name: String,
    keys: Vec<PublicKey>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct PolicyRule {
    names: Vec<String>,
    signers: Vec<String>,
    threshold: usize,
}

/// What a policy says of the keys that signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Signers of the rule that signed.
    pub signers: Vec<String>,
    /// How many have to; `None` where no rule is for the name.
    pub threshold: Option<usize>,
}

impl Verdict {
    /// Whether enough of them signed.
    pub fn is_enough(&self) -> bool {
        self.threshold.is_some_and(|threshold| self.signers.len() >= threshold)
    }
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// What is wrong, with the line where that is known.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > LEN_MAX {
            return Err("the policy is longer than 1 MiB".to_string());
        }
        let text = core::str::from_utf8(bytes).map_err(|_| "the policy is not UTF-8")?;
        let tables = Toml { text, at: 0, line: 1 }.tables()?;
        let mut policy = Self { signers: Vec::new(), rules: Vec::new() };
        for table in &tables {
            let line = |reason: String| format!("line {}: {reason}", table.line);
            match table.name {
                TableName::Signer => policy.signers.push(signer(table).map_err(line)?),
                TableName::Rule => policy.rules.push(rule(table).map_err(line)?),
            }
        }
        policy.check()?;
        Ok(policy)
    }

    fn check(&self) -> Result<(), String> {
        if self.signers.is_empty() || self.rules.is_empty() {
            return Err("the policy has no signer or no rule".to_string());
        }
        for (index, signer) in self.signers.iter().enumerate() {
            let others = self.signers.iter().take(index);
            if others.clone().any(|other| other.name == signer.name) {
                return Err(format!("two signers have the name {}", signer.name));
            }
            // One person with a key under two names could count as two.
            let mut keys = others.flat_map(|other| &other.keys).collect::<Vec<_>>();
            for key in &signer.keys {
                if keys.contains(&key) {
                    return Err(format!("the key {} of {} is there twice", key.fingerprint(), signer.name));
                }
                keys.push(key);
            }
        }
        for rule in &self.rules {
            for (index, name) in rule.signers.iter().enumerate() {
                if !self.signers.iter().any(|signer| signer.name == *name) {
                    return Err(format!("there is no signer {}", shown(name)));
                }
                if rule.signers.iter().take(index).any(|other| other == name) {
                    return Err(format!("a rule names {} twice", shown(name)));
                }
            }
            if rule.threshold == 0 || rule.threshold > rule.signers.len() {
                return Err(format!(
                    "a threshold of {} cannot be asked of {}",
                    rule.threshold,
                    rule.signers.len()
                ));
            }
        }
        Ok(())
    }

    /// What the first rule for a name says of keys whose signatures are verified.
    pub fn decide(&self, name: &str, keys: &[PublicKey]) -> Verdict {
        let rule = self.rules.iter().find(|rule| rule.names.iter().any(|pattern| matches(pattern, name)));
        let Some(rule) = rule else { return Verdict { signers: Vec::new(), threshold: None } };
        let signed = |signer: &&PolicySigner| signer.keys.iter().any(|key| keys.contains(key));
        let signers = self.signers.iter().filter(|signer| rule.signers.contains(&signer.name)).filter(signed);
        Verdict {
            signers: signers.map(|signer| signer.name.clone()).collect(),
            threshold: Some(rule.threshold),
        }
    }

    /// All keys of all signers.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.signers.iter().flat_map(|signer| &signer.keys)
    }
}

/// Whether a pattern matches a whole name: `*` for any characters, `?` for one.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    // Which beginnings of the pattern match what was read of the name.
    let mut reached = alloc::vec![false; pattern.len() + 1];
    let skip = |reached: &mut Vec<bool>| {
        for (index, one) in pattern.iter().enumerate() {
            if *one == '*' && reached.get(index) == Some(&true) {
                reached.splice(index + 1..index + 2, [true]);
            }
        }
    };
    reached.splice(0..1, [true]);
    skip(&mut reached);
    for letter in name.chars() {
        let mut next = alloc::vec![false; pattern.len() + 1];
        for (index, one) in pattern.iter().enumerate() {
            if reached.get(index) != Some(&true) {
                continue;
            }
            match one {
                '*' => _ = next.splice(index..index + 1, [true]),
                one if *one == '?' || *one == letter => _ = next.splice(index + 1..index + 2, [true]),
                _ => {}
            }
        }
        reached = next;
        skip(&mut reached);
    }
    reached.last() == Some(&true)
}

fn signer(table: &Table) -> Result<PolicySigner, String> {
    only(table, &["name", "keys"])?;
    let Some(TomlValue::Text(name)) = table.get("name") else {
        return Err("the signer has no name".to_string());
    };
    let plain = |one: char| one.is_ascii_alphanumeric() || "._@+-".contains(one);
    if !(1..=NAME_MAX).contains(&name.len())
        || !name.chars().all(plain)
        || !name.starts_with(|one: char| one.is_ascii_alphanumeric())
    {
        return Err(format!("{} is no name of a signer", shown(name)));
    }
    let keys = texts(table, "keys")?.iter().map(|line| PublicKey::parse(line));
    let keys = keys.collect::<Result<Vec<_>, _>>().map_err(|reason| format!("a key of {name}: {reason}"))?;
    Ok(PolicySigner { name: name.clone(), keys })
}

fn rule(table: &Table) -> Result<PolicyRule, String> {
    only(table, &["names", "signers", "threshold"])?;
    let names = texts(table, "names")?.to_vec();
    if names.iter().any(|name| !(1..=NAME_MAX).contains(&name.len())) {
        return Err("a pattern is empty or too long".to_string());
    }
    let threshold = match table.get("threshold") {
        None => 1,
        Some(TomlValue::Number(number)) => *number,
        Some(_) => return Err("`threshold` is no whole number".to_string()),
    };
    Ok(PolicyRule { names, signers: texts(table, "signers")?.to_vec(), threshold })
}

/// A list with something in it.
fn texts<'a>(table: &'a Table, key: &str) -> Result<&'a [String], String> {
    match table.get(key) {
        Some(TomlValue::Texts(texts)) if !texts.is_empty() => Ok(texts),
        _ => Err(format!("`{key}` is no list of texts, or an empty one")),
    }
}

fn only(table: &Table, keys: &[&str]) -> Result<(), String> {
    match table.keys.iter().find(|(key, _)| !keys.contains(&key.as_str())) {
        Some((key, _)) => Err(format!("the key `{}` is unknown", shown(key))),
        None => Ok(()),
    }
}

#[derive(Debug, Clone, Copy)]
enum TableName {
    Signer,
    Rule,
}

enum TomlValue {
    Text(String),
    Number(usize),
    Texts(Vec<String>),
}

struct Table {
    name: TableName,
    line: usize,
    keys: Vec<(String, TomlValue)>,
}

impl Table {
    fn get(&self, key: &str) -> Option<&TomlValue> {
        self.keys.iter().find(|(own, _)| own == key).map(|(_, value)| value)
    }
}

struct Toml<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl Toml<'_> {
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

    fn tables(mut self) -> Result<Vec<Table>, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("web", "web", true),
            ("web-*", "web-", true),
            ("web-*", "aweb-1", false),
            ("*", "", true),
            ("?", "", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("**?", "é", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
