//! The names in a boolean dependency, as the indexes of the database list them: sorted, each once, with a `!` before those
//! whose absence would fulfil it.
//!
//! rpm, `docs/man/rpm-dependencies.7`: `(A and B)`, `(A or B)`, `(A if B else C)`, `(A unless B else C)`, `(A with B)`,
//! `(A without B)`, nested.

use std::collections::BTreeSet;
use std::mem;

/// Levels of parentheses that are followed.
const DEPTH: u32 = 64;

/// Names with whether their absence counts; those that do not count so come first.
type RichNames = BTreeSet<(bool, Vec<u8>)>;

/// The names in a dependency that begins with `(`; none where it does not parse.
pub(super) fn names(text: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = RichReader { rest: text, names: RichNames::new() };
    if reader.group(false, DEPTH).is_none() || !reader.rest.is_empty() {
        return Vec::new();
    }
    let mark = |(absent, name): (bool, Vec<u8>)| if absent { [b"!", &name[..]].concat() } else { name };
    reader.names.into_iter().map(mark).collect()
}

struct RichReader<'a> {
    rest: &'a [u8],
    names: RichNames,
}

impl<'a> RichReader<'a> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn take(&mut self, byte: u8) -> bool {
        let after = self.rest.strip_prefix(&[byte]);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// A word: parentheses in it are closed in it.
    fn word(&mut self) -> Option<&'a [u8]> {
        let mut open = 0_u32;
        let end = self.rest.iter().position(|byte| match byte {
            b'(' => {
                open += 1;
                false
            }
            b')' if open == 0 => true,
            b')' => {
                open -= 1;
                false
            }
            byte => byte.is_ascii_whitespace() || *byte == b',',
        });
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        self.skip_blanks();
        Some(word).filter(|word| !word.is_empty())
    }

    /// `(OPERAND {OPERATOR OPERAND})`.
    fn group(&mut self, absent: bool, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        if !self.take(b'(') {
            return None;
        }
        self.skip_blanks();
        self.operand(absent, depth)?;
        while !self.take(b')') {
            match self.word()? {
                b"and" | b"or" | b"with" | b"without" => self.operand(absent, depth)?,
                b"if" | b"unless" => self.condition(absent, depth)?,
                _ => return None,
            }
        }
        self.skip_blanks();
        Some(())
    }

    /// What follows `if` or `unless`: the absence of a condition fulfils what it conditions, and what its `else` has needs it
    /// as it is too.
    fn condition(&mut self, absent: bool, depth: u32) -> Option<()> {
        let before = mem::take(&mut self.names);
        self.operand(!absent, depth)?;
        let condition = mem::replace(&mut self.names, before);
        if !self.rest.starts_with(b")") {
            if self.word()? != b"else" {
                return None;
            }
            self.names.extend(condition.iter().map(|(absent, name)| (!absent, name.clone())));
            self.operand(absent, depth)?;
        }
        self.names.extend(condition);
        Some(())
    }

    /// A group, or a name with the versions that it is of.
    fn operand(&mut self, absent: bool, depth: u32) -> Option<()> {
        if self.rest.starts_with(b"(") {
            return self.group(absent, depth);
        }
        let name = self.word()?;
        if !name.starts_with(b"rpmlib(") {
            self.names.insert((absent, name.to_vec()));
        }
        if self.rest.starts_with(b"<") || self.rest.starts_with(b">") || self.rest.starts_with(b"=") {
            self.word()?;
            self.word()?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_those_of_conditions_marked() {
        let listed = |text: &str| {
            let names = names(text.as_bytes()).into_iter().map(|name| String::from_utf8(name).unwrap());
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(listed("(b and a)"), "a b");
        assert_eq!(listed("(b or a >= 1:2-3 or b)"), "a b");
        assert_eq!(listed("(pkg(x) if lib.so.6()(64bit))"), "pkg(x) !lib.so.6()(64bit)");
        assert_eq!(listed("(a if b else c)"), "a b c !b");
        assert_eq!(listed("(a unless (b or c = 1))"), "a !b !c");
        assert_eq!(listed("((a and b) or (c with d < 2))"), "a b c d");
        assert_eq!(listed("(a and rpmlib(X) <= 1)"), "a");
        for wrong in ["(a and b", "(a nor b)", "()", "(a and )", "(a) b", &"(".repeat(100)] {
            assert_eq!(listed(wrong), "", "{wrong}");
        }
    }
}
