//! Policies: who may sign, and how many of them have to, for images of which names.
//!
//! A text in TOML. Signers have names and keys; rules are tried in their order, and the first whose names match decides. A
//! name that no rule matches is refused: a policy that forgets an image protects it.

mod allowed;
mod decision;
mod glob;
mod parse;

use std::collections::BTreeSet;

use crate::keys::PublicKey;

pub use decision::PolicyDecision;
pub use parse::{PolicyError, PolicyProblem};

/// The most bytes of a policy.
pub const LEN_MAX: usize = 1 << 20;

/// What always has to be signed.
pub const BUNDLE: &str = "bundle";

/// What a rule may require besides the bundle.
pub const REQUIREMENTS: [&str; 5] = ["provenance", "sbom-spdx", "sbom-cyclonedx", "measurements", "vex"];

/// Who may sign what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningPolicy {
    signers: Vec<Signer>,
    rules: Vec<PolicyRule>,
}

/// Someone who signs: a person or a service, with any of these keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The name, of letters, digits and `. _ @ + -`.
    pub name: String,
    /// The keys.
    pub keys: Vec<PublicKey>,
}

/// Whose signatures images of some names need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRule {
    /// Patterns for the names of images: `*` for any characters, `?` for one.
    pub names: Vec<String>,
    /// Names of those who may sign.
    pub signers: Vec<String>,
    /// How many of them have to.
    pub threshold: usize,
    /// The attestations that have to be signed by as many, besides the bundle: words of [`REQUIREMENTS`], each once.
    pub require: Vec<String>,
}

impl SigningPolicy {
    /// Parses a policy.
    ///
    /// # Errors
    /// [`PolicyError`], with the line.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        parse::parse(text)
    }

    /// The signers, in their order.
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// The rules, in their order.
    pub fn rules(&self) -> &[PolicyRule] {
        &self.rules
    }

    /// Whose key this is.
    pub fn signer_of(&self, key: &PublicKey) -> Option<&Signer> {
        self.signers.iter().find(|signer| signer.keys.contains(key))
    }

    /// The rule that decides about images of a name: the first that matches.
    pub fn rule_for(&self, name: &str) -> Option<&PolicyRule> {
        let fits = |rule: &&PolicyRule| rule.names.iter().any(|pattern| glob::matches(pattern, name));
        self.rules.iter().find(fits)
    }

    /// Decides about an image of a name that was signed with these keys. The signatures must have been verified.
    pub fn decide(&self, name: &str, signed_with: &[PublicKey]) -> PolicyDecision {
        let mut decision = PolicyDecision { name: name.to_owned(), ..PolicyDecision::default() };
        let rule = self.rule_for(name);
        let mut signed = BTreeSet::new();
        for key in signed_with {
            match (self.signer_of(key), rule) {
                (None, _) => decision.unknown.push(key.fingerprint()),
                (Some(signer), Some(rule)) if rule.signers.contains(&signer.name) => {
                    signed.insert(signer.name.clone());
                }
                (Some(signer), _) => decision.not_asked.push(signer.name.clone()),
            }
        }
        decision.not_asked.sort();
        decision.not_asked.dedup();
        decision.unknown.sort();
        decision.unknown.dedup();
        if let Some(rule) = rule {
            decision.threshold = Some(rule.threshold);
            decision.missing = rule.threshold.saturating_sub(signed.len());
            let absent = rule.signers.iter().filter(|name| !signed.contains(*name));
            decision.absent = absent.cloned().collect();
        }
        decision.signed = signed.into_iter().collect();
        decision
    }
}

#[cfg(test)]
mod tests;
