//! Reading relations from their text: `name`, `name >= version`, `(a or (b if c))`.

use super::{RpmCapability, RpmDependency, VersionComparison};
use crate::rpm::evr::Evr;

/// The longest text of a relation; the longest known ones have some hundred bytes.
const LONGEST: usize = 1 << 16;

/// The deepest nesting of parentheses; known ones have three.
const DEEPEST: usize = 32;

/// Why a text is not a relation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RpmRelationError {
    /// Too long.
    #[error("a relation of {0} bytes: the limit is {LONGEST}")]
    TooLong(usize),
    /// Too many parentheses in each other.
    #[error("`{0}` has more than {DEEPEST} parentheses in each other")]
    TooDeep(String),
    /// A name, a version or an operator is missing or is something else.
    #[error("`{text}` is not a relation: {expected} is missing at byte {at}")]
    Expected {
        /// The whole text.
        text: String,
        /// Offset in bytes.
        at: usize,
        /// What should be there.
        expected: &'static str,
    },
    /// Operators that may not follow each other.
    #[error(
        "`{text}` is not a relation: `{word}` cannot follow at byte {at}; put one of the two in parentheses"
    )]
    Chain {
        /// The whole text.
        text: String,
        /// Offset in bytes.
        at: usize,
        /// The operator.
        word: &'static str,
    },
    /// `with` and `without` are of one package: they combine capabilities, `or`, `with` and `without` only.
    #[error("`{0}`: `with` and `without` cannot combine `and`, `if` or `unless`")]
    NotOfOnePackage(String),
}

/// An operator of a boolean relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RichOperator {
    And,
    Or,
    If,
    Unless,
    With,
    Without,
    Else,
}

const OPERATORS: [(&str, RichOperator); 7] = [
    ("and", RichOperator::And),
    ("or", RichOperator::Or),
    ("if", RichOperator::If),
    ("unless", RichOperator::Unless),
    ("with", RichOperator::With),
    ("without", RichOperator::Without),
    ("else", RichOperator::Else),
];

const COMPARISONS: [(&str, VersionComparison); 8] = [
    ("<", VersionComparison::Less),
    ("<=", VersionComparison::LessOrEqual),
    ("=<", VersionComparison::LessOrEqual),
    ("=", VersionComparison::Equal),
    ("==", VersionComparison::Equal),
    (">=", VersionComparison::GreaterOrEqual),
    ("=>", VersionComparison::GreaterOrEqual),
    (">", VersionComparison::Greater),
];

impl VersionComparison {
    /// The comparison that a sign stands for.
    pub fn from_sign(sign: &str) -> Option<Self> {
        COMPARISONS.iter().find(|(known, _)| *known == sign).map(|(_, comparison)| *comparison)
    }
}

impl RpmCapability {
    /// Reads `name` or `name sign version`.
    pub fn parse(text: &str) -> Result<Self, RpmRelationError> {
        let mut reader = RelationReader::new(text)?;
        let capability = reader.capability(WordEnd::OfText)?;
        reader.end()?;
        Ok(capability)
    }
}

impl RpmDependency {
    /// Reads a relation, a boolean one where it begins with a parenthesis (rpm, `docs/man/rpm-richdeps.7`).
    pub fn parse(text: &str) -> Result<Self, RpmRelationError> {
        let mut reader = RelationReader::new(text)?;
        let dependency = if reader.rest().starts_with('(') {
            reader.boolean(1)?
        } else {
            Self::Capability(reader.capability(WordEnd::OfText)?)
        };
        reader.end()?;
        Ok(dependency)
    }
}

/// Where a word ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WordEnd {
    /// At white space.
    OfText,
    /// At white space, or at a closing parenthesis that the word has not opened.
    OfBoolean,
}

struct RelationReader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> RelationReader<'t> {
    fn new(text: &'t str) -> Result<Self, RpmRelationError> {
        if text.len() > LONGEST {
            return Err(RpmRelationError::TooLong(text.len()));
        }
        let mut reader = Self { text, at: 0 };
        reader.skip_blanks();
        Ok(reader)
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn expected(&self, expected: &'static str) -> RpmRelationError {
        RpmRelationError::Expected { text: self.text.to_owned(), at: self.at, expected }
    }

    fn end(&self) -> Result<(), RpmRelationError> {
        if self.rest().is_empty() { Ok(()) } else { Err(self.expected("the end")) }
    }

    /// The next word, and the blanks after it skipped; parentheses in it are balanced.
    fn word(&mut self, end: WordEnd) -> &'t str {
        let rest = self.rest();
        let mut open = 0_usize;
        let stops = |(_, letter): &(usize, char)| match letter {
            '(' => {
                open = open.saturating_add(1);
                false
            }
            ')' if open > 0 => {
                open -= 1;
                false
            }
            ')' => end == WordEnd::OfBoolean,
            letter => letter.is_whitespace(),
        };
        let length = rest.char_indices().find(stops).map_or(rest.len(), |(at, _)| at);
        self.at += length;
        self.skip_blanks();
        rest.get(..length).unwrap_or_default()
    }

    fn capability(&mut self, end: WordEnd) -> Result<RpmCapability, RpmRelationError> {
        let name = self.word(end);
        if name.starts_with(['<', '=', '>']) || !is_whole(name, end) {
            return Err(self.expected("a name"));
        }
        let before = self.at;
        let sign = self.word(end);
        let Some(comparison) = VersionComparison::from_sign(sign) else {
            self.at = before;
            return Ok(RpmCapability { name: name.to_owned(), versions: None });
        };
        let version = self.word(end);
        let evr = Evr::parse(version);
        if evr.version.is_empty() || evr.version.contains(':') || !is_whole(version, end) {
            return Err(self.expected("a version"));
        }
        Ok(RpmCapability { name: name.to_owned(), versions: Some((comparison, evr)) })
    }

    /// From the opening parenthesis to the blanks behind the closing one.
    fn boolean(&mut self, depth: usize) -> Result<RpmDependency, RpmRelationError> {
        if depth > DEEPEST {
            return Err(RpmRelationError::TooDeep(self.text.to_owned()));
        }
        self.at += 1;
        self.skip_blanks();
        let mut operands = vec![self.operand(depth)?];
        let mut operators = Vec::new();
        while !self.rest().starts_with(')') {
            operators.push(self.operator(&operators)?);
            operands.push(self.operand(depth)?);
        }
        self.at += 1;
        self.skip_blanks();
        self.combine(operands, &operators)
    }

    fn operand(&mut self, depth: usize) -> Result<RpmDependency, RpmRelationError> {
        if self.rest().starts_with('(') {
            return self.boolean(depth + 1);
        }
        Ok(RpmDependency::Capability(self.capability(WordEnd::OfBoolean)?))
    }

    /// The next operator, if it may follow those before it.
    fn operator(&mut self, before: &[RichOperator]) -> Result<RichOperator, RpmRelationError> {
        let at = self.at;
        let word = self.word(WordEnd::OfBoolean);
        let Some((word, operator)) = OPERATORS.iter().find(|(known, _)| *known == word) else {
            self.at = at;
            return Err(self.expected("an operator or a closing parenthesis"));
        };
        let fits = match (before, operator) {
            ([], operator) => *operator != RichOperator::Else,
            ([RichOperator::If | RichOperator::Unless], RichOperator::Else) => true,
            ([.., last], RichOperator::And | RichOperator::Or | RichOperator::With) => last == operator,
            _ => false,
        };
        if fits {
            Ok(*operator)
        } else {
            Err(RpmRelationError::Chain { text: self.text.to_owned(), at, word })
        }
    }

    fn combine(
        &self,
        operands: Vec<RpmDependency>,
        operators: &[RichOperator],
    ) -> Result<RpmDependency, RpmRelationError> {
        let one_package = matches!(operators.first(), Some(RichOperator::With | RichOperator::Without));
        if one_package && !operands.iter().all(is_of_one_package) {
            return Err(RpmRelationError::NotOfOnePackage(self.text.to_owned()));
        }
        if one_package && operands.len() > DEEPEST {
            return Err(RpmRelationError::TooDeep(self.text.to_owned()));
        }
        let mut rest = operands.into_iter();
        let missing = || self.expected("an operand");
        let first = rest.next().ok_or_else(missing)?;
        Ok(match operators.first() {
            None => first,
            Some(RichOperator::And) => RpmDependency::And(std::iter::once(first).chain(rest).collect()),
            Some(RichOperator::Or) => RpmDependency::Or(std::iter::once(first).chain(rest).collect()),
            Some(RichOperator::With) => {
                rest.fold(first, |one, other| RpmDependency::With(Box::new(one), Box::new(other)))
            }
            Some(RichOperator::Without) => {
                RpmDependency::Without(Box::new(first), Box::new(rest.next().ok_or_else(missing)?))
            }
            Some(operator) => {
                let then = Box::new(first);
                let condition = Box::new(rest.next().ok_or_else(missing)?);
                let otherwise = rest.next().map(Box::new);
                if *operator == RichOperator::If {
                    RpmDependency::If { then, condition, otherwise }
                } else {
                    RpmDependency::Unless { then, condition, otherwise }
                }
            }
        })
    }
}

/// Whether a word can be written again so that it is read as the same: in a boolean relation, its parentheses must be balanced.
fn is_whole(word: &str, end: WordEnd) -> bool {
    let balanced = word.matches('(').count() == word.matches(')').count();
    !word.is_empty() && !word.contains(char::is_control) && (balanced || end == WordEnd::OfText)
}

fn is_of_one_package(dependency: &RpmDependency) -> bool {
    match dependency {
        RpmDependency::Capability(_) | RpmDependency::With(..) | RpmDependency::Without(..) => true,
        RpmDependency::Or(all) => all.iter().all(is_of_one_package),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_as_it_was() {
        for text in [
            "bash",
            "glibc >= 2.34-1",
            "libc.so.6(GLIBC_2.34)(64bit)",
            "font(:lang=en)",
            "/usr/bin/python3",
            "(a or b)",
            "(a and b and (c or d))",
            "(libc.so.6(GLIBC_2.34)(64bit) >= 1:2-3 if (b or c = 4) else d)",
            "(a unless b)",
            "(a unless b else c)",
            "((a >= 1 with a < 2) or (b without c))",
            "(glibc and (langpacks-core-zh or langpacks-core-zh_CN))",
        ] {
            assert_eq!(RpmDependency::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(RpmDependency::parse(" ( a   =>  0:1 ) ").unwrap().to_string(), "a >= 1");
        assert_eq!(RpmDependency::parse("(a with b with c)").unwrap().to_string(), "((a with b) with c)");
    }

    #[test]
    fn what_is_no_relation_is_refused_with_the_place() {
        let message = |text: &str| RpmDependency::parse(text).unwrap_err().to_string();
        assert_eq!(message(""), "`` is not a relation: a name is missing at byte 0");
        assert!(message("a >=").contains("a version is missing"));
        assert!(message("a b").contains("the end is missing at byte 2"));
        assert!(message("(a or b").contains("an operator or a closing parenthesis is missing at byte 7"));
        assert!(message("(a or b(( )").contains("a name is missing"));
        assert!(message("(a or b and c)").contains("`and` cannot follow at byte 8"));
        assert!(message("(a if b if c)").contains("`if` cannot follow"));
        assert!(message("(a else b)").contains("`else` cannot follow"));
        assert!(message("(a with (b and c))").contains("cannot combine"));
        assert!(message(&"(".repeat(50_000)).contains("parentheses in each other"));
        assert!(message(&format!("({}a)", "a with ".repeat(9000))).contains("parentheses in each other"));
        assert!(message(&"a".repeat(70_000)).contains("the limit is 65536"));
    }

    #[test]
    fn versions_meet_where_their_ranges_do() {
        let answers = |offered: &str, wanted: &str| {
            RpmCapability::parse(offered).unwrap().answers(&RpmCapability::parse(wanted).unwrap())
        };
        for (offered, wanted, meets) in [
            ("a", "a >= 3", true),
            ("a = 1", "a", true),
            ("a = 1", "b", false),
            ("a = 1-2", "a = 1", true),
            ("a = 1-2", "a = 1-3", false),
            ("a = 1-2", "a > 1", false),
            ("a = 1", "a >= 1-5", true),
            ("a = 1:1-1", "a < 2", false),
            ("a < 3", "a < 1", true),
            ("a < 3", "a >= 3", false),
            ("a <= 3", "a >= 3", true),
            ("a >= 3", "a = 2", false),
        ] {
            assert_eq!(answers(offered, wanted), meets, "{offered}; {wanted}");
        }
    }

    proptest::proptest! {
        #[test]
        fn anything_is_read_or_refused(text in "[ ()abcdefinorstuwl=<>0-9.:-]{0,60}") {
            if let Ok(read) = RpmDependency::parse(&text) {
                let again = RpmDependency::parse(&read.to_string()).map(|again| again.to_string());
                proptest::prop_assert_eq!(again, Ok(read.to_string()));
            }
        }
    }
}
