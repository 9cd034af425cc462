//! Patterns of the shell: `*`, `?`, sets, and a backslash before what means itself. Knows no paths.
//!
//! Follows POSIX, Shell Command Language 2.13.1 and 2.13.2, and `fnmatch(3)`.

/// Whether the whole text matches.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    Pattern { bytes: pattern, escapes: true }.matches(text)
}

/// Whether the whole text matches a pattern in which a backslash is a letter like any other (`FNM_NOESCAPE`).
pub fn matches_without_escapes(pattern: &[u8], text: &[u8]) -> bool {
    Pattern { bytes: pattern, escapes: false }.matches(text)
}

/// The text with a backslash before every byte that a pattern would not take as itself.
pub fn escaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out
}

struct Pattern<'a> {
    bytes: &'a [u8],
    escapes: bool,
}

impl Pattern<'_> {
    /// A `*` that fails later is retried only from the last one, which is enough and keeps the time at the product of
    /// the lengths.
    fn matches(&self, text: &[u8]) -> bool {
        let (mut at, mut from) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while let Some(&byte) = text.get(from) {
            if self.bytes.get(at) == Some(&b'*') {
                star = Some((at, from));
                at += 1;
            } else if let Some(next) = self.one(at, byte) {
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
        self.bytes.get(at..).is_some_and(|rest| rest.iter().all(|&byte| byte == b'*'))
    }

    /// Matches one byte with the pattern at `at`: where the pattern goes on.
    fn one(&self, at: usize, byte: u8) -> Option<usize> {
        match *self.bytes.get(at)? {
            b'?' => Some(at + 1),
            b'\\' if self.escapes => (*self.bytes.get(at + 1)? == byte).then_some(at + 2),
            b'[' => match set(self.bytes, at, byte) {
                Some((true, next)) => Some(next),
                Some((false, _)) => None,
                // Without its end it is a bracket like any other letter.
                None => (byte == b'[').then_some(at + 1),
            },
            letter => (letter == byte).then_some(at + 1),
        }
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
            ("a", "ab", false),
            ("a?", "a", false),
            ("*b", "abc", false),
            ("", "a", false),
            ("a*b*c", "acb", false),
            ("a*c*", "abcbd", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcdef", false),
            ("1.22.*", "1.22.1-9", true),
            ("?", "", false),
            ("[^a-c]x", "dx", true),
            ("[]]x", "]x", true),
            ("[a", "[a", true),
            ("****************b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
        assert!(matches_without_escapes(b"\\*", b"\\anything"));
        assert!(matches(&escaped(b"a[*]?\\"), b"a[*]?\\"));
    }
}
