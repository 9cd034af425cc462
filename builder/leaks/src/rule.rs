//! A rule: what it is called, what it finds, what to do, and where its facts are from; those of private keys and of what is below
//! the tree, and which rules are asked for. [`crate::registry`] lists all of them.

use std::collections::BTreeSet;

use amiforge_formats::private_key::KeyKind;

use crate::finding::LeakSeverity;

/// A rule, as tables and SARIF state it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeakRule {
    /// Its name, in kebab case: what `--rules`, `[[allow]]` and `--allow-leaks` take.
    pub id: &'static str,
    /// How grave a finding is.
    pub severity: LeakSeverity,
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
pub(crate) fn of_key(kind: KeyKind) -> LeakRule {
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
    LeakRule { id: kind.name(), severity: LeakSeverity::Error, what, remedy: KEY_REMEDY, source }
}

/// Bytes of an unreadable partition and what is below a file system, which belong to no table.
pub(crate) const BELOW_TREE: LeakRule = LeakRule {
    id: "below-tree",
    severity: LeakSeverity::Error,
    what: "bytes that no file has, where there should be none",
    remedy: "write the image anew from its files (`amiforge build` leaves such space empty); a deleted file can be read \
             from there",
    source: "the formats of the file systems and of the partition table",
};

/// The rules that are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleFilter {
    /// Their names; all rules where there are none.
    pub(crate) ids: BTreeSet<String>,
}

impl RuleFilter {
    /// Whether findings of a rule are asked for.
    pub fn includes(&self, id: &str) -> bool {
        self.ids.is_empty() || self.ids.contains(id)
    }

    /// Whether every rule is asked for.
    pub fn is_all(&self) -> bool {
        self.ids.is_empty()
    }
}
