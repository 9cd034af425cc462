//! Patterns for names: `*` for any characters, `?` for one, everything else for itself.

/// Whether a pattern matches a whole name. Linear in memory, and at most the product of both lengths in time.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut from) = (0, 0);
    // Where the last `*` was, and up to where of the name it reaches.
    let mut star: Option<(usize, usize)> = None;
    while from < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(one) if *one == '?' || *one == name[from] => (at, from) = (at + 1, from + 1),
            _ => match star {
                Some((begin, reached)) => {
                    star = Some((begin, reached + 1));
                    (at, from) = (begin + 1, reached + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|one| *one == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("web", "web", true),
            ("web", "web-1", false),
            ("web-*", "web-1", true),
            ("web-*", "web-", true),
            ("web-*", "aweb-1", false),
            ("*", "", true),
            ("*a*b", "xaybzb", true),
            ("*a*b", "xaybz", false),
            ("?", "é", true),
            ("?", "", false),
            ("a?c", "abc", true),
            ("[ab]", "a", false),
            ("**a", "ba", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        assert!(!matches(&"*a".repeat(100), &"a".repeat(99)));
    }
}
