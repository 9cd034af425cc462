//! Patterns of `file_contexts`: translates the subset of PCRE2 that policies use into the syntax of `regex-syntax`, and
//! finds the literal prefixes by which rules are indexed. Knows neither contexts nor files.
//!
//! The subset: `( ) (?: ) | ? * + {n,m} [ ] [^ ] . ^ $`, classes of POSIX, `\d \w \s` and their negations, and a backslash
//! before punctuation. Everything else that PCRE2 gives a meaning (look-around, back-references, possessive quantifiers,
//! options, other escapes) is refused by name, never read as something else. Paths are bytes: `.` matches every byte, as
//! libselinux compiles with `PCRE2_DOTALL` and without `PCRE2_UTF`.

use std::fmt::Write as _;

use regex_automata::meta::Regex;
use regex_automata::{Anchored, Input};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{Hir, HirKind};

use super::error::RuleProblem;

/// Longest pattern that is read, in bytes: the longest path of Linux. The longest of Fedora's policy has 250.
const PATTERN_MAX: usize = 4096;

/// Largest compiled pattern, in bytes; the largest of known policies take a few KiB.
const COMPILED_MAX: usize = 1 << 20;

/// Most prefixes of a rule, and their greatest length in bytes.
const PREFIXES_MAX: usize = 16;
const PREFIX_LEN_MAX: usize = 64;

/// A pattern in the syntax of `regex-syntax`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PathPattern {
    /// The translated text.
    text: String,
    /// Whether it has no unescaped meta character: such rules have precedence over all others.
    pub(super) literal: bool,
}

/// What a pattern can match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PatternShape {
    /// One path only.
    Exact(Box<[u8]>),
    /// Paths that begin with one of these; one empty prefix where nothing is known.
    Prefixes(Vec<Box<[u8]>>),
}

impl PathPattern {
    /// Translates a pattern.
    pub(super) fn translate(pattern: &[u8]) -> Result<Self, RuleProblem> {
        if pattern.len() > PATTERN_MAX {
            return Err(RuleProblem::TooLong { len: pattern.len(), limit: PATTERN_MAX });
        }
        if !pattern.is_ascii() {
            return Err(RuleProblem::NotAscii);
        }
        let mut translator = Translator { rest: pattern, text: String::new(), literal: true };
        translator.run()?;
        Ok(Self { text: translator.text, literal: translator.literal })
    }

    /// What it can match.
    pub(super) fn shape(&self) -> Result<PatternShape, RuleProblem> {
        let hir = parse(&self.text)?;
        if let HirKind::Literal(literal) = hir.kind() {
            return Ok(PatternShape::Exact(literal.0.clone()));
        }
        let mut extractor = Extractor::new();
        extractor.limit_total(PREFIXES_MAX).limit_literal_len(PREFIX_LEN_MAX);
        let prefixes = extractor.extract(&hir);
        let prefixes = prefixes.literals().map(|literals| literals.iter().map(|one| one.as_bytes().into()));
        Ok(PatternShape::Prefixes(prefixes.map_or_else(|| vec![Box::default()], Iterator::collect)))
    }

    /// Compiles it to match whole paths.
    pub(super) fn compile(&self) -> Result<WholePathRegex, RuleProblem> {
        let hir = parse(&format!(r"\A(?:{})\z", self.text))?;
        let config = Regex::config()
            .utf8_empty(false)
            .nfa_size_limit(Some(COMPILED_MAX))
            .onepass_size_limit(Some(COMPILED_MAX))
            .hybrid_cache_capacity(COMPILED_MAX);
        let regex = Regex::builder().configure(config).build_from_hir(&hir);
        let problem =
            |error: regex_automata::meta::BuildError| RuleProblem::Pattern { reason: error.to_string() };
        Ok(WholePathRegex(regex.map_err(problem)?))
    }
}

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct WholePathRegex(Regex);

impl WholePathRegex {
    /// Whether it matches all of a path.
    pub(super) fn matches(&self, path: &[u8]) -> bool {
        self.0.is_match(Input::new(path).anchored(Anchored::Yes))
    }
}

fn parse(text: &str) -> Result<Hir, RuleProblem> {
    let mut parser = ParserBuilder::new().unicode(false).utf8(false).dot_matches_new_line(true).build();
    parser.parse(text).map_err(|error| {
        let reason = match error {
            regex_syntax::Error::Parse(error) => error.kind().to_string(),
            regex_syntax::Error::Translate(error) => error.kind().to_string(),
            other => other.to_string(),
        };
        RuleProblem::Pattern { reason }
    })
}

/// A translation in progress. Literal bytes other than letters, digits, `/` and `_` are written as `\xNN`, so that none has
/// a meaning that PCRE2 does not give it.
struct Translator<'a> {
    rest: &'a [u8],
    text: String,
    literal: bool,
}

impl Translator<'_> {
    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn run(&mut self) -> Result<(), RuleProblem> {
        while let Some(byte) = self.next() {
            match byte {
                b'\\' => self.escape()?,
                b'[' => {
                    self.literal = false;
                    self.class()?;
                }
                b'(' => {
                    self.literal = false;
                    self.group()?;
                }
                b'?' | b'*' | b'+' => {
                    self.literal = false;
                    self.quantifier(&[byte])?;
                }
                b'{' => {
                    self.literal = false;
                    match counted(self.rest) {
                        Some(len) => {
                            let (count, rest) = self.rest.split_at(len);
                            self.rest = rest;
                            self.quantifier(&[b"{", count].concat())?;
                        }
                        // PCRE2 takes a brace that begins no quantifier for itself.
                        None => self.literal_byte(byte),
                    }
                }
                b'.' | b'^' | b'$' | b'|' => {
                    self.literal = false;
                    self.text.push(char::from(byte));
                }
                b')' => self.text.push(')'),
                _ => self.literal_byte(byte),
            }
        }
        Ok(())
    }

    fn literal_byte(&mut self, byte: u8) {
        if byte.is_ascii_alphanumeric() || byte == b'/' || byte == b'_' {
            self.text.push(char::from(byte));
        } else {
            let _ = write!(self.text, "\\x{byte:02x}");
        }
    }

    /// A quantifier, and the `?` that makes it lazy: the same paths match.
    fn quantifier(&mut self, text: &[u8]) -> Result<(), RuleProblem> {
        self.text.push_str(&String::from_utf8_lossy(text));
        match self.rest.first() {
            Some(b'+') => return unsupported("a possessive quantifier"),
            Some(b'?') => {
                self.next();
                self.text.push('?');
            }
            _ => {}
        }
        match self.rest.first() {
            Some(b'?' | b'*' | b'+') => unsupported("a quantifier of a quantifier"),
            _ => Ok(()),
        }
    }

    fn group(&mut self) -> Result<(), RuleProblem> {
        self.text.push('(');
        match self.rest {
            [b'?', b':', rest @ ..] => {
                self.rest = rest;
                self.text.push_str("?:");
            }
            [b'?', b'=' | b'!', ..] | [b'?', b'<', b'=' | b'!', ..] => return unsupported("a look-around"),
            [b'?', ..] => return unsupported("a group with options or a name"),
            [b'*', ..] => return unsupported("a control verb"),
            _ => {}
        }
        Ok(())
    }

    /// What follows a backslash outside of a class.
    fn escape(&mut self) -> Result<(), RuleProblem> {
        match self.next() {
            Some(byte @ (b'd' | b'D' | b'w' | b'W' | b's' | b'S')) => {
                self.text.push('\\');
                self.text.push(char::from(byte));
            }
            Some(byte @ b'1'..=b'9') => {
                return unsupported(&format!("the back-reference `\\{}`", char::from(byte)));
            }
            Some(byte) if byte.is_ascii_alphanumeric() => {
                return unsupported(&format!("the escape `\\{}`", char::from(byte)));
            }
            Some(byte) => self.literal_byte(byte),
            None => return unsupported("a backslash at its end"),
        }
        Ok(())
    }

    /// A class after its `[`.
    fn class(&mut self) -> Result<(), RuleProblem> {
        self.text.push('[');
        if self.rest.first() == Some(&b'^') {
            self.next();
            self.text.push('^');
        }
        let mut first = true;
        while let Some(byte) = self.next() {
            match byte {
                // The first `]` is a member.
                b']' if !first => {
                    self.text.push(']');
                    return Ok(());
                }
                b'\\' => self.escape()?,
                b'[' if matches!(self.rest.first(), Some(b':' | b'.' | b'=')) => self.posix_class()?,
                b'-' if !first && self.rest.first() != Some(&b']') => self.text.push('-'),
                _ => self.literal_byte(byte),
            }
            first = false;
        }
        unsupported("a class without its `]`")
    }

    /// A class of POSIX such as `[:alpha:]`, after its first `[`.
    fn posix_class(&mut self) -> Result<(), RuleProblem> {
        let end = self.rest.windows(2).position(|two| two == b":]");
        let Some(name) =
            end.and_then(|end| self.rest.get(1..end)).filter(|_| self.rest.first() == Some(&b':'))
        else {
            return unsupported("a collating element");
        };
        if name.is_empty() || !name.iter().all(u8::is_ascii_lowercase) {
            return unsupported("a class of POSIX that does not exist");
        }
        let _ = write!(self.text, "[:{}:]", String::from_utf8_lossy(name));
        self.rest = self.rest.get(name.len() + 3..).unwrap_or_default();
        Ok(())
    }
}

/// The length of what makes a `{` a quantifier: `n}`, `n,}` or `n,m}`.
fn counted(rest: &[u8]) -> Option<usize> {
    let end = rest.iter().position(|&byte| byte == b'}')?;
    let inside = rest.get(..end)?;
    let digits = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
    let (least, most) = match inside.iter().position(|&byte| byte == b',') {
        Some(at) => (inside.get(..at)?, inside.get(at + 1..)?),
        None => (inside, b"".as_slice()),
    };
    (!least.is_empty() && digits(least) && digits(most)).then_some(end + 1)
}

fn unsupported<T>(what: &str) -> Result<T, RuleProblem> {
    Err(RuleProblem::Unsupported { what: what.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        PathPattern::translate(pattern.as_bytes()).unwrap().compile().unwrap().matches(path.as_bytes())
    }

    #[test]
    fn patterns_match_whole_paths_as_in_pcre() {
        for (pattern, path, expected) in [
            ("/etc(/.*)?", "/etc", true),
            ("/etc(/.*)?", "/etcetera", false),
            ("/a|/b", "/b", true),
            ("/a|/b", "/ab", false),
            ("/usr/(s)?bin/x", "/usr/sbin/x", true),
            (r"/lost\+found", "/lost+found", true),
            (r"/a\<b\&\~", "/a<b&~", true),
            ("/[^/]+/[a-z0-9_.-]", "/x/-", true),
            // None of these has a meaning in PCRE2: sets of a class are no sets there.
            ("/[a&&b]", "/&", true),
            ("/[[a]", "/[", true),
            ("/[a~~b]", "/~", true),
            ("/[]a]x", "/]x", true),
            ("/[[:digit:]a]", "/7", true),
            ("/x{2}", "/xx", true),
            ("/x{a}", "/x{a}", true),
            ("/a.*?b", "/a/b", true),
            ("/.", "/\n", true),
            (r"/\d\W", "/7-", true),
            ("/a #b", "/a #b", true),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} on {path}");
        }
        assert!(PathPattern::translate(b"/.").unwrap().compile().unwrap().matches(b"/\xff"));
    }

    #[test]
    fn literals_are_those_without_meta_characters() {
        for (pattern, literal) in [
            (r"/a\.b", true),
            ("/a.b", false),
            ("/a", true),
            ("/a{", false),
            ("/a(b)", false),
            ("/a]b", true),
        ] {
            assert_eq!(PathPattern::translate(pattern.as_bytes()).unwrap().literal, literal, "{pattern}");
        }
    }

    #[test]
    fn rules_are_indexed_by_every_prefix_that_a_path_can_have() {
        let shape = |text: &str| PathPattern::translate(text.as_bytes()).unwrap().shape().unwrap();
        let prefixes = |all: &[&str]| {
            PatternShape::Prefixes(all.iter().map(|text| Box::from(text.as_bytes())).collect())
        };
        assert_eq!(shape(r"/a\.b"), PatternShape::Exact(b"/a.b".as_slice().into()));
        assert_eq!(shape("/usr/(s)?bin/x.*"), prefixes(&["/usr/sbin/x", "/usr/bin/x"]));
        assert_eq!(shape("/.*"), prefixes(&["/"]));
        assert_eq!(shape(".*"), prefixes(&[""]));
    }

    #[test]
    fn what_is_outside_of_the_subset_is_refused_by_name() {
        for (pattern, expected) in [
            ("/(?=a)b", "a look-around"),
            ("/(?<!a)b", "a look-around"),
            (r"/(a)\1", r"the back-reference `\1`"),
            ("/(?i)a", "a group with options or a name"),
            ("/(?<n>a)", "a group with options or a name"),
            ("/(*ACCEPT)", "a control verb"),
            ("/a++", "a possessive quantifier"),
            ("/a{2}+", "a possessive quantifier"),
            ("/a**", "a quantifier of a quantifier"),
            (r"/\Qa\E", r"the escape `\Q`"),
            (r"/\bx", r"the escape `\b`"),
            ("/[[=a=]]", "a collating element"),
            ("/[a", "a class without its `]`"),
            ("/a\\", "a backslash at its end"),
        ] {
            let problem = PathPattern::translate(pattern.as_bytes()).unwrap_err();
            assert_eq!(problem, RuleProblem::Unsupported { what: expected.to_owned() }, "{pattern}");
        }
        let broken =
            |text: &[u8]| PathPattern::translate(text).and_then(|pattern| pattern.shape()).unwrap_err();
        assert!(matches!(broken(b"/(a"), RuleProblem::Pattern { .. }));
        assert!(matches!(broken(b"/[z-a]"), RuleProblem::Pattern { .. }));
        assert_eq!(broken("/ä".as_bytes()), RuleProblem::NotAscii);
        assert!(matches!(broken(&[b'a'; PATTERN_MAX + 1]), RuleProblem::TooLong { .. }));
        let large = PathPattern::translate(b"/((a{1000}){1000}){1000}").unwrap();
        assert!(matches!(large.compile(), Err(RuleProblem::Pattern { .. })));
    }
}
