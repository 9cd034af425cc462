//! What is found in the bytes of a file: a table of literals with a strict check behind each ([`tokens`], [`checks`]), and
//! for texts that no package brought also passwords in addresses, on command lines and in settings ([`soft`]).
//!
//! Knows bytes only: no path, no tree.

mod addresses;
pub(crate) mod alphabet;
mod checks;
mod placeholder;
mod prefilter;
mod soft;
mod tokens;

use std::fmt::Write as _;
use std::ops::Range;

use amiforge_formats::private_key::TEXT_MARKERS;

pub(crate) use addresses::password_in_address;
pub(crate) use placeholder::is_placeholder;

use crate::rule::{self, LeakRule, RuleFilter};
use prefilter::{Literal, Prefilter};
use tokens::TokenRule;

/// Something in a range of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hit {
    /// The rule.
    pub(crate) rule: LeakRule,
    /// The bytes of the secret.
    pub(crate) secret: Range<usize>,
}

/// Which rules look at a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentCoverage {
    /// The strict ones: what no other bytes than a credential have.
    Strict,
    /// All of them, for texts that no package brought.
    Full,
}

/// Finds secrets in bytes.
#[derive(Debug)]
pub struct ContentFinder {
    prefilter: Prefilter,
    tokens: Vec<&'static TokenRule>,
    filter: RuleFilter,
}

/// Numbers of literals below are of the markers of private keys, above of tokens.
const TOKENS_FROM: u16 = TEXT_MARKERS.len() as u16;

impl ContentFinder {
    /// Prepares the rules of a filter.
    pub fn new(filter: &RuleFilter) -> Self {
        let tokens: Vec<_> = tokens::all().filter(|token| filter.includes(token.rule.id)).collect();
        let markers = TEXT_MARKERS.iter().enumerate().map(|(number, marker)| Literal {
            bytes: marker.bytes,
            follows: alphabet::Alphabet::Word,
            number: number as u16,
        });
        let literals = tokens.iter().enumerate().flat_map(|(number, token)| {
            let number = TOKENS_FROM + number as u16;
            token.literals.iter().map(move |bytes| Literal { bytes, follows: token.follows(), number })
        });
        let literals: Vec<_> = markers.chain(literals).collect();
        Self { prefilter: Prefilter::new(&literals), tokens, filter: filter.clone() }
    }

    /// What is in `bytes`, by the offset where it begins. Never panics, whatever the bytes are.
    pub(crate) fn find(&self, bytes: &[u8], coverage: ContentCoverage) -> Vec<Hit> {
        let mut hits = Vec::new();
        self.prefilter.search(bytes, &mut |number, at| hits.extend(self.check(bytes, number, at)));
        if coverage == ContentCoverage::Full {
            hits.extend(soft::find(bytes).into_iter().filter(|hit| self.filter.includes(hit.rule.id)));
        }
        // Of two findings about the same bytes the more exact one counts, which is the one of a token.
        hits.sort_by_key(|hit| hit.secret.start);
        hits.dedup_by(|later, kept| later.rule.id == kept.rule.id && later.secret == kept.secret);
        let strict: Vec<Range<usize>> =
            hits.iter().filter(|hit| !soft::is_soft(hit.rule.id)).map(|hit| hit.secret.clone()).collect();
        hits.retain(|hit| {
            !soft::is_soft(hit.rule.id)
                || !strict.iter().any(|one| one.start < hit.secret.end && hit.secret.start < one.end)
        });
        hits
    }

    /// The number of hits in `bytes`: what a fuzz target and a benchmark call.
    pub fn count(&self, bytes: &[u8], coverage: ContentCoverage) -> usize {
        self.find(bytes, coverage).len()
    }

    fn check(&self, bytes: &[u8], number: u16, at: usize) -> Option<Hit> {
        let Some(token) = number.checked_sub(TOKENS_FROM) else {
            let marker = TEXT_MARKERS.get(usize::from(number))?;
            let rule = rule::of_key(marker.identify(bytes, at)?);
            let secret = at..at + marker.bytes.len();
            return self.filter.includes(rule.id).then_some(Hit { rule, secret });
        };
        let token = self.tokens.get(usize::from(token))?;
        let secret = token.check(bytes, at)?;
        Some(Hit { rule: token.rule, secret })
    }
}

/// The rules of all tables.
pub(crate) fn rules() -> impl Iterator<Item = LeakRule> {
    tokens::all().map(|token| token.rule).chain(soft::RULES)
}

/// The tables as a text, for the version of the rules.
pub(crate) fn table_text() -> String {
    let mut text = String::new();
    for token in tokens::all() {
        for literal in token.literals {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}\0{}\0{:?}", token.rule.id, literal.escape_ascii(), token.shape);
        }
    }
    text
}

#[cfg(test)]
mod tests;
