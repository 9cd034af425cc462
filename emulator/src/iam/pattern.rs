//! Patterns with the wildcards `*` (any text) and `?` (one character), and patterns of ARNs.

/// The number of parts of an ARN that are separated by colons; the last one may contain colons.
const ARN_PARTS: usize = 6;

/// Whether a text matches a pattern. Case-sensitive.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut in_text) = (0, 0);
    // The last `*`, and the place in the text up to which it has matched.
    let mut star: Option<(usize, usize)> = None;
    while in_text < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, in_text));
                at += 1;
            }
            Some(&one) if one == '?' || one == text[in_text] => {
                at += 1;
                in_text += 1;
            }
            _ => match &mut star {
                Some((before, matched)) => {
                    *matched += 1;
                    (at, in_text) = (*before + 1, *matched);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&one| one == '*')
}

/// Whether an ARN matches a pattern: each part is compared separately, so that a wildcard does not match a
/// colon (IAM User Guide, "Amazon Resource Name (ARN) condition operators"). `*` alone matches everything.
pub(super) fn matches_arn(pattern: &str, arn: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let mut parts = (pattern.splitn(ARN_PARTS, ':'), arn.splitn(ARN_PARTS, ':'));
    loop {
        match (parts.0.next(), parts.1.next()) {
            (None, None) => return true,
            (Some(pattern), Some(part)) if matches(pattern, part) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_any_text_and_one_character() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcb", false),
            ("a?c", "ac", false),
            ("a?c", "aéc", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*ab", "aab", true),
            ("kms:ReEncrypt*", "kms:ReEncryptFrom", true),
            ("abc", "abcd", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_wildcard_of_an_arn_does_not_reach_over_a_colon() {
        let image = "arn:aws:ec2:eu-west-1::image/ami-1";
        for (pattern, expected) in [
            ("*", true),
            ("arn:aws:ec2:eu-west-1::image/*", true),
            ("arn:aws:ec2:*::image/*", true),
            ("arn:*", false),
            ("arn:aws:ec2:*", false),
            ("arn:aws:ec2:eu-west-1:*:image/ami-?", true),
            ("arn:aws:ec2:eu-west-1:123456789012:image/*", false),
        ] {
            assert_eq!(matches_arn(pattern, image), expected, "{pattern}");
        }
        assert!(!matches_arn("arn:aws:ec2:eu-west-1::image/*", "*"));
    }

    proptest::proptest! {
        #[test]
        fn a_text_matches_itself_and_stars_between_its_parts(a in "[a-c?]{0,6}", b in "[a-c]{0,6}") {
            let text = format!("{a}{b}");
            assert!(matches(&text, &text) && matches(&format!("{a}*{b}"), &text) && matches("*", &text));
        }
    }
}
