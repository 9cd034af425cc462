//! The table of tokens: literals, the form of what follows, and where the facts are from. Facts about forms are from the
//! vendors' documentation; where it gives no length, from gitleaks' rules (MIT licence), from which no expression or
//! sentence is taken over.

mod platforms;
mod services;

use std::ops::Range;

use super::alphabet::Alphabet;
use super::checks;
use super::placeholder::is_random;
use crate::finding::Severity;
use crate::rule::Rule;

/// A kind of token.
#[derive(Debug)]
pub(crate) struct TokenRule {
    /// The rule.
    pub(crate) rule: Rule,
    /// What each token begins with, or what is beside it.
    pub(crate) literals: &'static [&'static [u8]],
    /// What a token looks like after or around a literal.
    pub(crate) shape: Shape,
}

/// The form of a token.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// After the literal follow `min` to `max` letters, of which as many differ as in what was drawn.
    Tail {
        /// The letters.
        alphabet: Alphabet,
        /// The least number of them.
        min: usize,
        /// The largest.
        max: usize,
    },
    /// A check of its own.
    Code(Code),
}

/// The checks of tokens whose form is more than a run of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    AwsKeyId,
    AwsSecret,
    AwsSession,
    SlackWebhook,
    DiscordWebhook,
    TeamsWebhook,
    AzureAccountKey,
    AzureSharedKey,
    AzureSas,
    OpenAiMark,
    TerraformCloud,
    TerraformVariable,
    OpenVpnKey,
    Jwt,
    AssignedValue,
    EnvironmentValue,
}

/// Where the forms of GitHub's tokens are described.
const GITHUB: &str = "GitHub documentation, \"About authentication to GitHub\": formats of tokens";

/// What to do about a token.
const REMEDY: &str = "revoke it where it was issued, remove it here, and give it to the machine when it starts (a role of the \
                      instance, a parameter store, cloud-init)";

/// A row of the table.
const fn token(
    id: &'static str,
    what: &'static str,
    literals: &'static [&'static [u8]],
    shape: Shape,
    source: &'static str,
) -> TokenRule {
    let rule = Rule { id, severity: Severity::Error, what, remedy: REMEDY, source };
    TokenRule { rule, literals, shape }
}

/// The rows of both tables.
static TABLES: [&[TokenRule]; 2] = [&platforms::ROWS, &services::ROWS];

/// All rows.
pub(crate) fn all() -> impl Iterator<Item = &'static TokenRule> {
    TABLES.iter().flat_map(|rows| rows.iter())
}

impl TokenRule {
    /// The letters that can follow a literal.
    pub(crate) fn follows(&self) -> Alphabet {
        match self.shape {
            Shape::Tail { alphabet, .. } => alphabet,
            Shape::Code(Code::AwsKeyId) => Alphabet::Base32,
            Shape::Code(_) => Alphabet::Base64,
        }
    }

    /// The range of the secret whose literal is at the offset `at`, if the rest has the form.
    pub(crate) fn check(&self, bytes: &[u8], at: usize) -> Option<Range<usize>> {
        let rest = bytes.get(at..)?;
        let literal =
            self.literals.iter().filter(|literal| rest.starts_with(literal)).max_by_key(|one| one.len())?;
        match self.shape {
            Shape::Tail { alphabet, min, max } => {
                let count =
                    alphabet.run(rest.get(literal.len()..)?.get(..=max).unwrap_or(&rest[literal.len()..]));
                let token = rest.get(literal.len()..literal.len() + count)?;
                let valid = (min..=max).contains(&count) && starts_word(bytes, at) && is_random(token);
                valid.then_some(at..at + literal.len() + count)
            }
            Shape::Code(code) => checks::check(code, bytes, at, literal.len()),
        }
    }
}

/// Whether no letter or digit is before an offset: a token in the middle of base64 is none.
pub(crate) fn starts_word(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|at| bytes.get(at));
    before
        .is_none_or(|byte| !(byte.is_ascii_alphanumeric() || b"_-+/.".contains(byte)) || is_escape(bytes, at))
}

/// Whether the letter before an offset is that of an escape such as `\n`, as JSON has it.
fn is_escape(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(2).and_then(|from| bytes.get(from..at));
    matches!(before, Some([b'\\', b'n' | b'r' | b't']))
}
