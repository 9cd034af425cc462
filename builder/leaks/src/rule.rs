//! The registry of rules: what each is called, what it finds, what to do, and where its facts are from. The tables are in
//! [`crate::content`] and [`crate::structure`]; nothing else lists rules.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use amiforge_formats::digest::Digest;
use amiforge_formats::private_key::KeyKind;

use crate::finding::Severity;
use crate::{content, structure};

/// Counts up when the code of a check changes what it finds; changes of the tables are seen by themselves.
const REVISION: u32 = 1;

/// A rule, as tables and SARIF state it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its name, in kebab case: what `--rules`, `[[allow]]` and `--allow-leaks` take.
    pub id: &'static str,
    /// How grave a finding is.
    pub severity: Severity,
    /// What it finds, with its article: "a token of GitHub".
    pub what: &'static str,
    /// What to do about a finding.
    pub remedy: &'static str,
    /// Where the facts behind it are from.
    pub source: &'static str,
}

/// The remedy for a private key.
const KEY_REMEDY: &str = "remove it, or have it made at the first boot: every machine of the image would have the same key, and everybody \
     who can launch it can read it";

/// The rule for a kind of private keys; its name is that of the kind in manifests.
pub(crate) fn of_key(kind: KeyKind) -> Rule {
    let what = match kind {
        KeyKind::Plain => "a private key",
        KeyKind::Encrypted => "an encrypted private key",
        KeyKind::OpenSsh => "an OpenSSH private key",
        KeyKind::OpenPgp => "an OpenPGP secret key",
        KeyKind::Putty => "a PuTTY private key",
        KeyKind::Jwk => "a JSON Web Key with its private part",
        KeyKind::Pkcs12 => "a PKCS#12 store with a key",
        KeyKind::JavaKeyStore => "a Java key store with a key",
        KeyKind::Keytab => "a Kerberos keytab",
        KeyKind::WireGuard => "a WireGuard private key",
        KeyKind::Tsig => "the secret of a TSIG key",
        _ => "a key",
    };
    let source = "the structure of the format (RFC 7468, 5958, 8017, 5915, 7292, 9580, 7517, and the programs' own formats)";
    Rule { id: kind.name(), severity: Severity::Error, what, remedy: KEY_REMEDY, source }
}

/// Bytes of an unreadable partition and what is below a file system, which belong to no table.
pub(crate) const BELOW_TREE: Rule = Rule {
    id: "below-tree",
    severity: Severity::Error,
    what: "bytes that no file has, where there should be none",
    remedy: "write the image anew from its files (`amiforge build` leaves such space empty); a deleted file can be read \
             from there",
    source: "the formats of the file systems and of the partition table",
};

/// Every rule, sorted by its name.
pub fn rules() -> Vec<Rule> {
    let keys = KeyKind::ALL.into_iter().map(of_key);
    let mut all: Vec<Rule> =
        keys.chain(content::rules()).chain(structure::rules()).chain([BELOW_TREE]).collect();
    all.sort_unstable_by_key(|rule| rule.id);
    all.dedup_by_key(|rule| rule.id);
    all
}

/// A digest of everything that decides what is found: a result is only good for the rules that it was made with.
pub fn rules_version() -> Digest {
    let mut text = format!("{REVISION}\n");
    for Rule { id, severity, what, .. } in rules() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{id}\0{}\0{what}", severity.word());
    }
    text.push_str(&content::table_text());
    text.push_str(&structure::table_text());
    Digest::of(text.as_bytes())
}

/// The rules that are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleFilter {
    /// Their names; all rules where there are none.
    ids: BTreeSet<String>,
}

/// A name that no rule has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no rule is `{0}`")]
pub struct UnknownRule(pub String);

impl RuleFilter {
    /// A filter of these names.
    ///
    /// # Errors
    /// The first name that no rule has.
    pub fn new<'a>(ids: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownRule> {
        let known = rules();
        let ids = ids.into_iter().map(|id| {
            let rule = known.iter().find(|rule| rule.id == id);
            rule.map(|rule| rule.id.to_owned()).ok_or_else(|| UnknownRule(id.to_owned()))
        });
        Ok(Self { ids: ids.collect::<Result<_, _>>()? })
    }

    /// Whether findings of a rule are asked for.
    pub fn includes(&self, id: &str) -> bool {
        self.ids.is_empty() || self.ids.contains(id)
    }

    /// Whether every rule is asked for.
    pub fn is_all(&self) -> bool {
        self.ids.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case_and_every_rule_says_what_to_do_and_where_its_facts_are_from() {
        let all = rules();
        assert!(all.len() > 100, "{} rules", all.len());
        for rule in all {
            let kebab = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            assert!(rule.id.bytes().all(kebab), "{}", rule.id);
            assert!(
                !rule.what.is_empty() && !rule.remedy.is_empty() && !rule.source.is_empty(),
                "{}",
                rule.id
            );
        }
    }

    #[test]
    fn a_filter_takes_known_names_only() {
        let filter = RuleFilter::new(["private-key", "github-token"]).unwrap();
        assert!(filter.includes("private-key") && !filter.includes("aws-access-key"));
        assert_eq!(RuleFilter::new(["nothing"]).unwrap_err(), UnknownRule("nothing".to_owned()));
        assert!(RuleFilter::default().includes("private-key"));
    }
}
