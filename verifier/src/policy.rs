//! Policies: who may sign, and how many of them have to, for images of which names. The text is a subset of TOML 1.0:
//! comments, `[[signer]]` and `[[rule]]`, keys with texts, whole numbers and lists of texts.

mod toml;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::bytes::shown;
use crate::sshsig::PublicKey;
use toml::{Table, TableName, Toml, TomlValue};

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
        let tables = Toml::new(text).tables()?;
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
                reached.splice(index + 1..=index + 1, [true]);
            }
        }
    };
    reached.splice(0..=0, [true]);
    skip(&mut reached);
    for letter in name.chars() {
        let mut next = alloc::vec![false; pattern.len() + 1];
        for (index, one) in pattern.iter().enumerate() {
            if reached.get(index) != Some(&true) {
                continue;
            }
            match one {
                '*' => _ = next.splice(index..=index, [true]),
                one if *one == '?' || *one == letter => _ = next.splice(index + 1..=index + 1, [true]),
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
