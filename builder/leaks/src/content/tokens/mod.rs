//! The table of tokens: literals, the form of what follows, and where the facts are from. Facts about forms are from the
//! vendors' documentation; where it gives no length, from gitleaks' rules (MIT licence), from which no expression or
//! sentence is taken over.

mod platforms;
mod services;

use std::ops::Range;

use super::alphabet::{Alphabet, starts_word};
use super::checks::{self, Code};
use super::placeholder::is_random;
use crate::finding::LeakSeverity;
use crate::rule::LeakRule;

/// A kind of token.
#[derive(Debug)]
pub(crate) struct TokenRule {
    /// The rule.
    pub(crate) rule: LeakRule,
    /// What each token begins with, or what is beside it.
    pub(crate) literals: &'static [&'static [u8]],
    /// What a token looks like after or around a literal.
    pub(crate) shape: TokenShape,
}

/// The form of a token.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TokenShape {
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
    shape: TokenShape,
    source: &'static str,
) -> TokenRule {
    let rule = LeakRule { id, severity: LeakSeverity::Error, what, remedy: REMEDY, source };
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
            TokenShape::Tail { alphabet, .. } => alphabet,
            TokenShape::Code(Code::AwsKeyId) => Alphabet::Base32,
            TokenShape::Code(_) => Alphabet::Base64,
        }
    }

    /// The range of the secret whose literal is at the offset `at`, if the rest has the form.
    pub(crate) fn check(&self, bytes: &[u8], at: usize) -> Option<Range<usize>> {
        let rest = bytes.get(at..)?;
        let literal =
            self.literals.iter().filter(|literal| rest.starts_with(literal)).max_by_key(|one| one.len())?;
        match self.shape {
            TokenShape::Tail { alphabet, min, max } => {
                let count =
                    alphabet.run(rest.get(literal.len()..)?.get(..=max).unwrap_or(&rest[literal.len()..]));
                let token = rest.get(literal.len()..literal.len() + count)?;
                let valid = (min..=max).contains(&count) && starts_word(bytes, at) && is_random(token);
                valid.then_some(at..at + literal.len() + count)
            }
            TokenShape::Code(code) => checks::check(code, bytes, at, literal.len()),
        }
    }
}
