//! What was checked, what was not, and what differs.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use crate::json;
use crate::source::ReadFailure;

/// Differences that are kept; further ones are counted.
const KEPT: usize = 1000;

/// A difference: what, where, and both values where there are two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The file of the bundle or the partition.
    pub part: String,
    /// Byte of the part where it is, counted from the beginning of the image for partitions.
    pub offset: Option<u64>,
    /// What is wrong.
    pub problem: String,
    /// The value that it should have.
    pub expected: Option<String>,
    /// The value that it has.
    pub actual: Option<String>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.part)?;
        if let Some(offset) = self.offset {
            write!(f, " at byte {offset}")?;
        }
        write!(f, ": {}", self.problem)?;
        match (&self.expected, &self.actual) {
            (Some(expected), Some(actual)) => write!(f, ": expected {expected}, it is {actual}"),
            (None, Some(actual)) => write!(f, ": it is {actual}"),
            (Some(expected), None) => write!(f, ": expected {expected}"),
            (None, None) => Ok(()),
        }
    }
}

/// Something that was not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unchecked {
    /// The file or the partition.
    pub part: String,
    /// Why.
    pub reason: String,
    /// Whether the bundle cannot be called good because of it: it claims something that could not be checked.
    pub required: bool,
}

/// What came of all checks.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Name of the image in the manifest.
    pub image: Option<String>,
    /// What was checked, in words.
    pub checked: Vec<String>,
    /// What was not.
    pub unchecked: Vec<Unchecked>,
    /// The differences, at most a thousand.
    pub mismatches: Vec<Mismatch>,
    /// How many more there are.
    pub further: u64,
    /// Who signed, as far as a signature is good: names of the policy, or fingerprints of keys.
    pub signers: Vec<String>,
}

/// What the report amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything that is claimed was checked and is so.
    Good,
    /// Something that is claimed could not be checked.
    NotChecked,
    /// Something differs.
    Differs,
}

impl Outcome {
    /// The exit code of the program.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::NotChecked => 1,
            Self::Differs => 3,
        }
    }

    /// As one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::NotChecked => "not-checked",
            Self::Differs => "different",
        }
    }
}

impl Report {
    /// What the report amounts to.
    pub fn outcome(&self) -> Outcome {
        if !self.mismatches.is_empty() || self.further > 0 {
            Outcome::Differs
        } else if self.unchecked.iter().any(|one| one.required) {
            Outcome::NotChecked
        } else {
            Outcome::Good
        }
    }

    /// Where the checks of one part write to, with `base` added to the offsets that they give.
    pub fn part(&mut self, name: &str, base: u64) -> Log<'_> {
        Log { report: self, part: name.to_string(), base }
    }

    pub(crate) fn did(&mut self, what: impl Into<String>) {
        self.checked.push(what.into());
    }

    pub(crate) fn skipped(&mut self, part: &str, reason: impl Into<String>) {
        self.unchecked.push(Unchecked { part: part.to_string(), reason: reason.into(), required: false });
    }

    pub(crate) fn failed(&mut self, part: &str, reason: impl Into<String>) {
        self.unchecked.push(Unchecked { part: part.to_string(), reason: reason.into(), required: true });
    }

    fn add(&mut self, mismatch: Mismatch) {
        if self.mismatches.len() < KEPT {
            self.mismatches.push(mismatch);
        } else {
            self.further = self.further.saturating_add(1);
        }
    }

    /// Takes what another report has, behind what this one has.
    pub(crate) fn append(&mut self, other: Self) {
        self.image = self.image.take().or(other.image);
        self.checked.extend(other.checked);
        self.unchecked.extend(other.unchecked);
        self.signers.extend(other.signers);
        self.further = self.further.saturating_add(other.further);
        other.mismatches.into_iter().for_each(|mismatch| self.add(mismatch));
    }

    /// The report as JSON, ending in a line break: `outcome`, `image`, `signers`, `checked`, `not_checked` (`part`,
    /// `reason`, `required`), `differences` (`part`, `offset`, `problem`, `expected`, `actual`) and `further`.
    pub fn to_json(&self) -> String {
        let texts = |all: &[String]| all.iter().map(|text| json::quoted(text)).collect::<Vec<_>>().join(",");
        let optional =
            |text: &Option<String>| text.as_ref().map_or_else(|| "null".into(), |text| json::quoted(text));
        let unchecked = self.unchecked.iter().map(|one| {
            let (part, reason) = (json::quoted(&one.part), json::quoted(&one.reason));
            format!("{{\"part\":{part},\"reason\":{reason},\"required\":{}}}", one.required)
        });
        let mismatches = self.mismatches.iter().map(|one| {
            format!(
                "{{\"part\":{},\"offset\":{},\"problem\":{},\"expected\":{},\"actual\":{}}}",
                json::quoted(&one.part),
                one.offset.map_or_else(|| "null".into(), |offset| offset.to_string()),
                json::quoted(&one.problem),
                optional(&one.expected),
                optional(&one.actual)
            )
        });
        format!(
            "{{\"outcome\":\"{}\",\"image\":{},\"signers\":[{}],\"checked\":[{}],\"not_checked\":[{}],\
             \"differences\":[{}],\"further\":{}}}\n",
            self.outcome().word(),
            optional(&self.image),
            texts(&self.signers),
            texts(&self.checked),
            unchecked.collect::<Vec<_>>().join(","),
            mismatches.collect::<Vec<_>>().join(","),
            self.further
        )
    }
}

/// Where the checks of one part write what they find.
#[derive(Debug)]
pub struct Log<'a> {
    report: &'a mut Report,
    part: String,
    base: u64,
}

impl Log<'_> {
    /// Something is wrong; the offset is within the part.
    pub fn wrong(&mut self, offset: impl Into<Option<u64>>, problem: impl Into<String>) {
        let offset = offset.into().map(|offset: u64| self.base.saturating_add(offset));
        let part = self.part.clone();
        self.report.add(Mismatch { part, offset, problem: problem.into(), expected: None, actual: None });
    }

    /// A value is compared with what it should be.
    #[expect(clippy::needless_pass_by_value, reason = "most values are numbers and new texts")]
    pub fn equal<T: fmt::Display + PartialEq>(
        &mut self,
        offset: impl Into<Option<u64>>,
        problem: &str,
        expected: T,
        actual: T,
    ) -> bool {
        let same = expected == actual;
        if !same {
            self.report.add(Mismatch {
                part: self.part.clone(),
                offset: offset.into().map(|offset: u64| self.base.saturating_add(offset)),
                problem: problem.to_string(),
                expected: Some(expected.to_string()),
                actual: Some(actual.to_string()),
            });
        }
        same
    }

    /// Something of the part is beyond this program, so the part is not known to be good.
    pub fn unknown(&mut self, reason: impl Into<String>) {
        let part = self.part.clone();
        self.report.failed(&part, reason);
    }

    /// A number of bytes could not be read.
    pub fn unread(&mut self, failure: &ReadFailure) {
        let at = self.base.saturating_add(failure.offset);
        self.unknown(format!("byte {at} cannot be read: {}", failure.reason));
    }
}
