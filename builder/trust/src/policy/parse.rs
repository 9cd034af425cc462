//! The text of a policy, and what can be wrong in it.

use std::collections::BTreeMap;
use std::ops::Range;

use amiforge_formats::tree::Printable;
use serde::Deserialize;
use toml::Spanned;

use super::{BUNDLE, LEN_MAX, PolicyRule, REQUIREMENTS, Signer, SigningPolicy};
use crate::keys::{PublicKey, SshKeyError};

/// The longest name and the longest pattern, in bytes.
const NAME_MAX: usize = 128;

/// Why a text is no policy, and in which line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the policy cannot be used")]
pub struct PolicyError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub source: PolicyProblem,
}

/// What is wrong in a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyProblem {
    /// It is too long.
    #[error("the policy has {len} bytes, and {LEN_MAX} are the most")]
    TooLong {
        /// Its length.
        len: usize,
    },
    /// The text is no TOML, or has other keys.
    #[error("{message}")]
    Syntax {
        /// What the parser says, printable.
        message: String,
    },
    /// There is no signer, or no rule.
    #[error("the policy has no `[[{table}]]`")]
    Empty {
        /// What it lacks.
        table: &'static str,
    },
    /// A name that cannot be one.
    #[error(
        "the name `{name}` of a signer is not 1 to {NAME_MAX} letters, digits and `. _ @ + -`, a letter or digit first"
    )]
    Name {
        /// The name, printable.
        name: String,
    },
    /// Two signers of a name.
    #[error("two signers have the name `{name}`")]
    Twice {
        /// The name.
        name: String,
    },
    /// A signer without a key.
    #[error("the signer `{name}` has no key")]
    NoKey {
        /// The signer.
        name: String,
    },
    /// A key that cannot be read.
    #[error("a key of the signer `{name}` cannot be used")]
    Key {
        /// The signer.
        name: String,
        /// Why.
        source: SshKeyError,
    },
    /// A key of two signers, by which one person could count as two; or twice of one.
    #[error("the signer `{name}` has the key {fingerprint} of the signer `{other}`")]
    SharedKey {
        /// The signer.
        name: String,
        /// The other one.
        other: String,
        /// The key.
        fingerprint: String,
    },
    /// A rule without names.
    #[error("the rule has no names")]
    NoNames,
    /// A pattern that cannot match.
    #[error("the pattern `{pattern}` is empty or longer than {NAME_MAX} bytes")]
    Pattern {
        /// The pattern, printable.
        pattern: String,
    },
    /// A signer that there is none of.
    #[error("there is no signer `{name}`")]
    NoSigner {
        /// The name, printable.
        name: String,
    },
    /// A signer twice in a rule.
    #[error("the rule names the signer `{name}` twice")]
    SignerTwice {
        /// The name.
        name: String,
    },
    /// Something required that no bundle has.
    #[error("`{word}` cannot be required: {BUNDLE} (always is), {}", REQUIREMENTS.join(", "))]
    Requirement {
        /// The word, printable.
        word: String,
    },
    /// A rule that cannot be met, or that asks for nothing.
    #[error(
        "the threshold is {threshold}, and the rule has {signers} signers: 1 to {signers} can be asked for"
    )]
    Threshold {
        /// The threshold.
        threshold: i64,
        /// Signers of the rule.
        signers: usize,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyText {
    #[serde(default)]
    signer: Vec<SignerText>,
    #[serde(default)]
    rule: Vec<Spanned<RuleText>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignerText {
    name: Spanned<String>,
    keys: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    names: Vec<Spanned<String>>,
    signers: Vec<Spanned<String>>,
    threshold: Option<Spanned<i64>>,
    #[serde(default)]
    require: Vec<Spanned<String>>,
}

/// Parses a policy.
pub(super) fn parse(text: &str) -> Result<SigningPolicy, PolicyError> {
    let at = |at: Range<usize>, source| PolicyError { line: line_at(text, at.start), source };
    if text.len() > LEN_MAX {
        return Err(at(0..0, PolicyProblem::TooLong { len: text.len() }));
    }
    let parsed: PolicyText = toml::from_str(text).map_err(|error| {
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        let message = Printable(message.as_bytes()).to_string();
        at(error.span().unwrap_or(0..0), PolicyProblem::Syntax { message })
    })?;
    for (table, empty) in [("signer", parsed.signer.is_empty()), ("rule", parsed.rule.is_empty())] {
        if empty {
            return Err(at(0..0, PolicyProblem::Empty { table }));
        }
    }
    let signers = signers(parsed.signer).map_err(|(span, problem)| at(span, problem))?;
    let rules = parsed.rule.into_iter().map(|one| rule(one, &signers));
    let rules = rules.collect::<Result<_, _>>().map_err(|(span, problem)| at(span, problem))?;
    Ok(SigningPolicy { signers, rules })
}

type Problem = (Range<usize>, PolicyProblem);

fn signers(texts: Vec<SignerText>) -> Result<Vec<Signer>, Problem> {
    let mut signers: Vec<Signer> = Vec::new();
    let mut owners: BTreeMap<Vec<u8>, String> = BTreeMap::new();
    for SignerText { name, keys } in texts {
        let (span, name) = (name.span(), name.into_inner());
        if !is_name(&name) {
            return Err((span, PolicyProblem::Name { name: Printable(name.as_bytes()).to_string() }));
        }
        if signers.iter().any(|signer| signer.name == name) {
            return Err((span, PolicyProblem::Twice { name }));
        }
        if keys.is_empty() {
            return Err((span, PolicyProblem::NoKey { name }));
        }
        let mut own = Vec::new();
        for line in keys {
            let span = line.span();
            let key = PublicKey::parse_openssh(line.get_ref());
            let key =
                key.map_err(|source| (span.clone(), PolicyProblem::Key { name: name.clone(), source }))?;
            if let Some(other) = owners.insert(key.blob().to_vec(), name.clone()) {
                let fingerprint = key.fingerprint();
                return Err((span, PolicyProblem::SharedKey { name, other, fingerprint }));
            }
            own.push(key);
        }
        signers.push(Signer { name, keys: own });
    }
    Ok(signers)
}

fn rule(text: Spanned<RuleText>, known: &[Signer]) -> Result<PolicyRule, Problem> {
    let span = text.span();
    let RuleText { names, signers: asked, threshold, require } = text.into_inner();
    if names.is_empty() {
        return Err((span, PolicyProblem::NoNames));
    }
    let mut patterns = Vec::new();
    for name in names {
        let (span, pattern) = (name.span(), name.into_inner());
        if pattern.is_empty() || pattern.len() > NAME_MAX {
            let pattern = Printable(pattern.as_bytes()).to_string();
            return Err((span, PolicyProblem::Pattern { pattern }));
        }
        patterns.push(pattern);
    }
    let mut signers: Vec<String> = Vec::new();
    for name in asked {
        let (span, name) = (name.span(), name.into_inner());
        if !known.iter().any(|signer| signer.name == name) {
            return Err((span, PolicyProblem::NoSigner { name: Printable(name.as_bytes()).to_string() }));
        }
        if signers.contains(&name) {
            return Err((span, PolicyProblem::SignerTwice { name }));
        }
        signers.push(name);
    }
    let (span, threshold) = threshold.map_or((span, 1), |one| (one.span(), one.into_inner()));
    let count = usize::try_from(threshold).ok().filter(|count| (1..=signers.len()).contains(count));
    let threshold = count.ok_or((span, PolicyProblem::Threshold { threshold, signers: signers.len() }))?;
    Ok(PolicyRule { names: patterns, signers, threshold, require: requirements(require)? })
}

/// What a rule requires besides the bundle, each once.
fn requirements(words: Vec<Spanned<String>>) -> Result<Vec<String>, Problem> {
    let mut required: Vec<String> = Vec::new();
    for word in words {
        let (span, word) = (word.span(), word.into_inner());
        if word == BUNDLE || required.contains(&word) {
            continue;
        }
        if !REQUIREMENTS.contains(&word.as_str()) {
            let word = Printable(word.as_bytes()).to_string();
            return Err((span, PolicyProblem::Requirement { word }));
        }
        required.push(word);
    }
    Ok(required)
}

/// Whether a text may be the name of a signer. Such a name is a principal of ssh-keygen without marks that it would
/// read as a pattern, and no option of a command.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._@+-".contains(&byte);
    name.len() <= NAME_MAX
        && name.bytes().all(plain)
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
}

/// The number of a line, from the offset of a byte in it.
fn line_at(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}
