//! Basic regular expressions as grep(1) takes them, without groups and repetition counts: enough for the questions
//! that scripts ask.
//!
//! Follows POSIX, Base Definitions 9.3.

/// The set of bytes that match.
#[derive(Debug, Clone, PartialEq, Eq)]
enum One {
    Any,
    Byte(u8),
    Set(Vec<(u8, u8)>, Negated),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Negated {
    Yes,
    No,
}

/// An expression that is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expression {
    /// A set of bytes, and whether it may repeat.
    parts: Vec<(One, bool)>,
    start: bool,
    end: bool,
}

impl Expression {
    /// Reads an expression; `None` for one with groups, counts or classes. `whole` is grep's `-x`.
    pub(crate) fn read(text: &str, whole: bool) -> Option<Self> {
        let (start, rest) = text.strip_prefix('^').map_or((whole, text), |rest| (true, rest));
        let (end, rest) = match rest.strip_suffix('$') {
            Some(rest) if !rest.ends_with('\\') => (true, rest),
            _ => (whole, rest),
        };
        let (mut parts, mut bytes): (Vec<(One, bool)>, _) = (Vec::new(), rest.bytes().peekable());
        while let Some(byte) = bytes.next() {
            let one = match byte {
                b'.' => One::Any,
                b'*' if !parts.is_empty() => {
                    parts.last_mut()?.1 = true;
                    continue;
                }
                b'\\' => One::Byte(bytes.next().filter(|next| b".*[]^$/\\-".contains(next))?),
                b'[' => set(&mut bytes)?,
                byte => One::Byte(byte),
            };
            parts.push((one, false));
        }
        Some(Self { parts, start, end })
    }

    /// Whether a line has a match.
    pub(crate) fn is_in(&self, line: &str) -> bool {
        let line = line.as_bytes();
        let mut starts = if self.start { 0..=0 } else { 0..=line.len() };
        starts.any(|at| {
            // Every offset at which the parts so far may end.
            let mut places = vec![false; line.len() + 1];
            places[at] = true;
            for (one, many) in &self.parts {
                let mut next = vec![false; line.len() + 1];
                for from in 0..=line.len() {
                    let here = places[from] || (*many && next[from]);
                    next[from] |= *many && places[from];
                    if here && line.get(from).is_some_and(|&byte| one.is(byte)) {
                        next[from + 1] = true;
                    }
                }
                places = next;
            }
            if self.end { places[line.len()] } else { places.contains(&true) }
        })
    }
}

impl One {
    fn is(&self, byte: u8) -> bool {
        match self {
            Self::Any => true,
            Self::Byte(own) => *own == byte,
            Self::Set(ranges, negated) => {
                let found = ranges.iter().any(|(low, high)| (*low..=*high).contains(&byte));
                found != (*negated == Negated::Yes)
            }
        }
    }
}

/// A set behind its bracket.
fn set(bytes: &mut std::iter::Peekable<std::str::Bytes<'_>>) -> Option<One> {
    let negated = if bytes.next_if_eq(&b'^').is_some() { Negated::Yes } else { Negated::No };
    let (mut ranges, mut first) = (Vec::new(), true);
    loop {
        let low = bytes.next()?;
        match (low, bytes.peek()) {
            (b']', _) if !first => return Some(One::Set(ranges, negated)),
            (b'[', Some(b':')) => {
                let name: Vec<u8> = bytes.by_ref().skip(1).take_while(|byte| *byte != b':').collect();
                bytes.next_if_eq(&b']')?;
                match name.as_slice() {
                    b"space" => ranges.extend([(b' ', b' '), (9, 13)]),
                    b"digit" => ranges.push((b'0', b'9')),
                    b"alpha" => ranges.extend([(b'a', b'z'), (b'A', b'Z')]),
                    b"alnum" => ranges.extend([(b'a', b'z'), (b'A', b'Z'), (b'0', b'9')]),
                    _ => return None,
                }
            }
            (low, Some(b'-')) => {
                bytes.next();
                match bytes.next()? {
                    b']' => {
                        ranges.extend([(low, low), (b'-', b'-')]);
                        return Some(One::Set(ranges, negated));
                    }
                    high => ranges.push((low, high)),
                }
            }
            (low, _) => ranges.push((low, low)),
        }
        first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_match_as_in_grep() {
        for (text, line, expected) in [
            ("^shadow:[^:]*:42", "shadow:x:42:", Some(true)),
            ("^shadow:[^:]*:42", "shadow:x:43:", Some(false)),
            ("a.*c$", "xabbc", Some(true)),
            ("a.*c$", "abcd", Some(false)),
            ("^[# ]*de_DE *$", "# de_DE ", Some(true)),
            ("[[:space:]]b", "a\tb", Some(true)),
            ("b*", "", Some(true)),
            ("a\\.b", "aXb", Some(false)),
            ("\\(a\\)", "a", None),
            ("[a", "a", None),
        ] {
            let found = Expression::read(text, false).map(|expression| expression.is_in(line));
            assert_eq!(found, expected, "{text} {line}");
        }
    }
}
