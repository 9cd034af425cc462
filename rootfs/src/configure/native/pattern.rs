//! Patterns of the shell: `*`, `?`, sets, and a backslash before what means itself. Knows no paths.
//!
//! Follows POSIX, Shell Command Language 2.13.1 and 2.13.2.

/// Whether the whole text matches. A `*` that fails later is retried only from the last one.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(from) {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, from));
            at += 1;
        } else if let Some(next) = one(pattern, at, byte) {
            at = next;
            from += 1;
        } else if let Some((star_at, star_from)) = star {
            star = Some((star_at, star_from + 1));
            at = star_at + 1;
            from = star_from + 1;
        } else {
            return false;
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|&byte| byte == b'*'))
}

/// The text with a backslash before every byte that a pattern would not take as itself.
pub(super) fn escaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out
}

/// Matches one byte with the pattern at `at`: where the pattern goes on.
fn one(pattern: &[u8], at: usize, byte: u8) -> Option<usize> {
    match *pattern.get(at)? {
        b'?' => Some(at + 1),
        b'\\' => (*pattern.get(at + 1)? == byte).then_some(at + 2),
        b'[' => match set(pattern, at, byte) {
            Some((true, next)) => Some(next),
            Some((false, _)) => None,
            None => (byte == b'[').then_some(at + 1),
        },
        letter => (letter == byte).then_some(at + 1),
    }
}

/// Whether the set that starts at `at` has the byte, and where it ends; `None` if it does not end.
fn set(pattern: &[u8], at: usize, byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(at + 1)?, b'!' | b'^');
    let start = at + 1 + usize::from(negated);
    let end = start + 1 + pattern.get(start + 1..)?.iter().position(|&byte| byte == b']')?;
    let members = pattern.get(start..end)?;
    let (mut found, mut index) = (false, 0);
    while let Some(&low) = members.get(index) {
        let high = members.get(index + 2).filter(|_| members.get(index + 1) == Some(&b'-'));
        found |= (low..=*high.unwrap_or(&low)).contains(&byte);
        index += if high.is_some() { 3 } else { 1 };
    }
    Some((found != negated, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_the_shell() {
        for (pattern, text, expected) in [
            ("configure", "configure", true),
            ("abort-*", "abort-upgrade", true),
            ("*.d", "conf.d", true),
            ("a?c", "abc", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
        assert!(matches(&escaped(b"a[*]?\\"), b"a[*]?\\"));
    }
}
