//! The filters of Describe operations: names with values that may contain wildcards. Knows no resource.
//!
//! `*` matches any characters, `?` matches one, and a backslash escapes either. The values of a filter are
//! alternatives; all filters have to match. Matching is case-sensitive.

use super::errors::Ec2Error;
use super::params::Params;
use crate::state::tags::Tags;

/// The maximum number of values in a filter.
const MAX_VALUES: usize = 200;

/// A filter of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestFilter {
    name: String,
    values: Vec<String>,
}

/// The value of a resource's field for a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FieldValue {
    /// The resource has no such filter.
    Unknown,
    /// The values of the field; empty if the resource has none.
    Values(Vec<String>),
}

impl FieldValue {
    /// A single value.
    pub(crate) fn one(value: impl std::fmt::Display) -> Self {
        Self::Values(vec![value.to_string()])
    }

    /// An optional value.
    pub(crate) fn maybe(value: Option<impl ToString>) -> Self {
        Self::Values(value.map(|value| value.to_string()).into_iter().collect())
    }

    /// Several values.
    pub(crate) fn many<T: std::fmt::Display>(values: impl IntoIterator<Item = T>) -> Self {
        Self::Values(values.into_iter().map(|value| value.to_string()).collect())
    }
}

/// Parses the filters of a request. `known` tests whether the operation supports a filter name.
pub(crate) fn read(
    params: &Params<'_>,
    known: impl Fn(&str) -> bool,
) -> Result<Vec<RequestFilter>, Ec2Error> {
    read_list(params, "Filter", known)
}

/// The same for a list of another name.
pub(crate) fn read_list(
    params: &Params<'_>,
    list: &str,
    known: impl Fn(&str) -> bool,
) -> Result<Vec<RequestFilter>, Ec2Error> {
    let read = |entry: Params<'_>| {
        let name = entry.required("Name")?.to_owned();
        let values: Vec<String> = entry.text_list("Value").into_iter().map(str::to_owned).collect();
        if !known(&name) {
            return Err(Ec2Error::new("InvalidParameterValue", format!("The filter '{name}' is invalid")));
        }
        if values.is_empty() {
            return Err(Ec2Error::new("InvalidParameterValue", format!("The filter '{name}' has no values")));
        }
        if values.len() > MAX_VALUES {
            let message =
                format!("The maximum number of filter values specified on a single call is {MAX_VALUES}");
            return Err(Ec2Error::new("FilterLimitExceeded", message));
        }
        Ok(RequestFilter { name, values })
    };
    params.list(list).into_iter().map(read).collect()
}

/// Whether all filters match a resource.
pub(crate) fn all_match(filters: &[RequestFilter], field: impl Fn(&str) -> FieldValue) -> bool {
    filters.iter().all(|filter| match field(&filter.name) {
        FieldValue::Unknown => false,
        FieldValue::Values(values) => {
            filter.values.iter().any(|pattern| values.iter().any(|value| wildcard(pattern, value)))
        }
    })
}

/// The values of all filters with a name.
pub(crate) fn values<'a>(filters: &'a [RequestFilter], name: &str) -> impl Iterator<Item = &'a str> {
    let named = filters.iter().filter(move |filter| filter.name == name);
    named.flat_map(|filter| filter.values.iter().map(String::as_str))
}

/// The field for the filters `tag:KEY` and `tag-key`.
pub(crate) fn tag_field(name: &str, tags: &Tags) -> FieldValue {
    match name.strip_prefix("tag:") {
        Some(key) => FieldValue::maybe(tags.get(key)),
        None if name == "tag-key" => FieldValue::many(tags.keys()),
        None => FieldValue::Unknown,
    }
}

/// Whether a name is a filter on tags.
pub(crate) fn is_tag_filter(name: &str) -> bool {
    name == "tag-key" || name.strip_prefix("tag:").is_some_and(|key| !key.is_empty())
}

/// Whether a value matches a pattern with wildcards.
pub(crate) fn wildcard(pattern: &str, value: &str) -> bool {
    let pattern = parts(pattern);
    let value: Vec<char> = value.chars().collect();
    // Greedy matching with one backtracking point: only the last `*` ever has to match more.
    let (mut at, mut position) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while position < value.len() {
        match pattern.get(at) {
            Some(FilterPart::Many) => {
                star = Some((at, position));
                at += 1;
            }
            Some(part) if part.takes(value[position]) => {
                at += 1;
                position += 1;
            }
            _ => {
                let Some((back, from)) = star else { return false };
                star = Some((back, from + 1));
                at = back + 1;
                position = from + 1;
            }
        }
    }
    pattern[at..].iter().all(|part| *part == FilterPart::Many)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FilterPart {
    Char(char),
    One,
    Many,
}

impl FilterPart {
    fn takes(self, character: char) -> bool {
        match self {
            Self::Char(expected) => expected == character,
            Self::One => true,
            Self::Many => false,
        }
    }
}

fn parts(pattern: &str) -> Vec<FilterPart> {
    let mut parts = Vec::new();
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        parts.push(match character {
            '*' => FilterPart::Many,
            '?' => FilterPart::One,
            '\\' => match characters.next_if(|next| matches!(next, '*' | '?' | '\\')) {
                Some(literal) => FilterPart::Char(literal),
                None => FilterPart::Char('\\'),
            },
            other => FilterPart::Char(other),
        });
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_a_shell_would() {
        for (pattern, value, matches) in [
            ("web-*", "web-2026.11", true),
            ("web-*", "web", false),
            ("*", "", true),
            ("**", "", true),
            ("?", "", false),
            ("w?b", "web", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*ab", "aab", true),
            ("*aab", "aaab", true),
            ("a*b?", "ab", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("a\\?", "ab", false),
            ("\\\\", "\\", true),
            ("Web", "web", false),
            ("é?", "éé", true),
        ] {
            assert_eq!(wildcard(pattern, value), matches, "{pattern} {value}");
        }
    }

    /// The same match by exhaustive search.
    fn matches_exhaustively(pattern: &[FilterPart], value: &[char]) -> bool {
        match (pattern.split_first(), value.split_first()) {
            (None, left) => left.is_none(),
            (Some((FilterPart::Many, rest)), _) => {
                (0..=value.len()).any(|skip| matches_exhaustively(rest, &value[skip..]))
            }
            (Some((part, rest)), Some((first, value))) => {
                part.takes(*first) && matches_exhaustively(rest, value)
            }
            (Some(_), None) => false,
        }
    }

    proptest::proptest! {
        #[test]
        fn wildcards_match_as_an_exhaustive_search_does(pattern in "[ab*?\\\\]{0,8}", value in "[ab*]{0,8}") {
            let characters: Vec<char> = value.chars().collect();
            proptest::prop_assert_eq!(wildcard(&pattern, &value), matches_exhaustively(&parts(&pattern), &characters));
        }
    }

    #[test]
    fn all_filters_and_any_value() {
        let filter = |name: &str, values: &[&str]| RequestFilter {
            name: name.into(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        let tags = Tags::from([("a".to_owned(), "1".to_owned())]);
        let field = |name: &str| tag_field(name, &tags);
        assert!(all_match(&[filter("tag:a", &["0", "1"]), filter("tag-key", &["a"])], field));
        assert!(!all_match(&[filter("tag:a", &["1"]), filter("tag-key", &["b"])], field));
        assert!(!all_match(&[filter("tag:b", &["*"])], field));
    }
}
