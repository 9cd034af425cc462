//! The registry of rules. The tables are in [`crate::content`] and [`crate::structure`]; nothing else lists rules.

use std::fmt::Write as _;

use amiforge_formats::digest::Digest;
use amiforge_formats::private_key::KeyKind;

use crate::rule::{BELOW_TREE, LeakRule, RuleFilter, of_key};
use crate::{content, structure};

/// Counts up when the code of a check changes what it finds; changes of the tables are seen by themselves.
const REVISION: u32 = 1;

/// Every rule, sorted by its name.
pub fn rules() -> Vec<LeakRule> {
    let keys = KeyKind::ALL.into_iter().map(of_key);
    let mut all: Vec<LeakRule> =
        keys.chain(content::rules()).chain(structure::rules()).chain([BELOW_TREE]).collect();
    all.sort_unstable_by_key(|rule| rule.id);
    all.dedup_by_key(|rule| rule.id);
    all
}

/// A digest of everything that decides what is found: a result is only good for the rules that it was made with.
pub fn rules_version() -> Digest {
    let mut text = format!("{REVISION}\n");
    for LeakRule { id, severity, what, .. } in rules() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{id}\0{}\0{what}", severity.word());
    }
    text.push_str(&content::table_text());
    text.push_str(&structure::table_text());
    Digest::of(text.as_bytes())
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
