//! Finds the rule for a path: an index of literal prefixes gives the few rules that could match, of which the one with the
//! highest precedence does. Patterns are compiled when they are first tried. Knows no tree.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};

use super::error::{RuleProblem, SelinuxError};
use super::pattern::{PatternShape, WholePathRegex};
use super::rules::{ContextRule, PolicyFile, RuleFileType, Substitutions, parse_rules, rule_error};

/// Numbers of rules by a path or a prefix of paths. Only looked up, never listed, so its order does not matter.
type RuleIndex = HashMap<Box<[u8]>, Vec<u32>>;

/// The rules of a policy, indexed.
#[derive(Debug)]
pub(super) struct LabelMatcher {
    /// By increasing precedence.
    rules: Vec<IndexedRule>,
    /// Rules that match one path only.
    exact: RuleIndex,
    /// The other rules, by each literal prefix that the paths that they match can have.
    by_prefix: RuleIndex,
    /// Lengths of all prefixes.
    lengths: BTreeSet<usize>,
    /// Substitutions of the distribution, then those of the administrator.
    substitutions: [Substitutions; 2],
    /// The files of the rules, for messages.
    files: Vec<PolicyFile>,
}

#[derive(Debug)]
struct IndexedRule {
    rule: ContextRule,
    regex: OnceCell<WholePathRegex>,
}

/// The rule for a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MatchedRule<'a> {
    /// Its precedence; a greater one has it.
    pub(super) precedence: u32,
    /// Its context; `None` for `<<none>>`.
    pub(super) context: Option<&'a [u8]>,
}

impl LabelMatcher {
    /// Parses and indexes the rules of files in their order, and takes the substitutions of the distribution and of the
    /// administrator.
    pub(super) fn new(
        files: Vec<PolicyFile>,
        substitutions: [Substitutions; 2],
    ) -> Result<Self, SelinuxError> {
        let mut rules = Vec::new();
        let (mut exact, mut by_prefix) = (RuleIndex::new(), RuleIndex::new());
        let mut lengths = BTreeSet::new();
        for (number, rule) in (0..).zip(parse_rules(&files)?) {
            match rule.pattern.shape().map_err(|problem| rule_error(&files, rule.source, problem))? {
                PatternShape::Exact(path) => exact.entry(path).or_default().push(number),
                PatternShape::Prefixes(prefixes) => {
                    for prefix in prefixes {
                        lengths.insert(prefix.len());
                        by_prefix.entry(prefix).or_default().push(number);
                    }
                }
            }
            rules.push(IndexedRule { rule, regex: OnceCell::new() });
        }
        Ok(Self { rules, exact, by_prefix, lengths, substitutions, files })
    }

    /// The rule for an absolute path without a final `/`; `None` where none matches.
    pub(super) fn find(
        &self,
        path: &[u8],
        file_type: RuleFileType,
    ) -> Result<Option<MatchedRule<'_>>, SelinuxError> {
        let mut path = path.to_vec();
        self.substitutions.iter().for_each(|file| file.apply(&mut path));
        let fits = |number: &u32| self.rule_for(*number, file_type);
        let exact =
            self.exact.get(&*path).into_iter().flatten().rev().copied().find(|number| fits(number).is_some());
        for number in self.candidates(&path) {
            if exact.is_some_and(|exact| exact > number) {
                break;
            }
            let Some(indexed) = fits(&number) else { continue };
            if self.regex(indexed)?.matches(&path) {
                return Ok(self.matched(number));
            }
        }
        Ok(exact.and_then(|number| self.matched(number)))
    }

    /// The rules whose patterns could match a path, by decreasing precedence.
    fn candidates(&self, path: &[u8]) -> Vec<u32> {
        let prefixes = self.lengths.range(..=path.len()).filter_map(|len| path.get(..*len));
        let mut numbers: Vec<u32> =
            prefixes.filter_map(|prefix| self.by_prefix.get(prefix)).flatten().copied().collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        numbers.dedup();
        numbers
    }

    /// A rule, if it is for files of the type.
    fn rule_for(&self, number: u32, file_type: RuleFileType) -> Option<&IndexedRule> {
        let indexed = self.rules.get(number as usize)?;
        indexed.rule.file_type.is_none_or(|only| only == file_type).then_some(indexed)
    }

    fn matched(&self, precedence: u32) -> Option<MatchedRule<'_>> {
        let indexed = self.rules.get(precedence as usize)?;
        Some(MatchedRule { precedence, context: indexed.rule.context.as_deref() })
    }

    fn regex<'a>(&self, indexed: &'a IndexedRule) -> Result<&'a WholePathRegex, SelinuxError> {
        if let Some(regex) = indexed.regex.get() {
            return Ok(regex);
        }
        let failed = |problem: RuleProblem| rule_error(&self.files, indexed.rule.source, problem);
        let regex = indexed.rule.pattern.compile().map_err(failed)?;
        Ok(indexed.regex.get_or_init(|| regex))
    }
}
