//! The result of a comparison: differences, each with its location, grouped as text and complete as JSON.

use std::fmt::{self, Write as _};

use serde::Serialize;

/// Ranges that a difference of bytes lists; further ones are only counted.
pub(crate) const RANGES_MAX: usize = 1000;

/// A difference, or something that follows from one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where, from the outside in: partition, file system, structure or path.
    #[serde(rename = "place")]
    pub location: Vec<String>,
    /// The field, or the compared property.
    pub what: String,
    /// How it differs.
    pub change: DiffChange,
}

/// How something differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiffChange {
    /// It has another value.
    Value {
        /// In the first.
        a: String,
        /// In the second.
        b: String,
    },
    /// Only the first has it.
    OnlyA(String),
    /// Only the second has it.
    OnlyB(String),
    /// Its bytes differ.
    Bytes(ByteChange),
    /// A text.
    Note(String),
}

/// Where bytes differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ByteChange {
    /// Bytes that differ.
    pub bytes: u64,
    /// Runs of such bytes.
    pub runs: u64,
    /// The first of the runs, in the order of the comparison.
    pub ranges: Vec<Range>,
    /// The first bytes of the first run in the first, in hexadecimal.
    pub a: String,
    /// The same in the second.
    pub b: String,
}

/// A run of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Range {
    /// First byte.
    pub at: u64,
    /// Length in bytes.
    pub len: u64,
}

/// The outcome of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiffReport {
    /// How the user named the first.
    pub a: String,
    /// How the user named the second.
    pub b: String,
    /// Whether every byte is equal, and the manifests too where both have one.
    pub equal: bool,
    /// The differences.
    pub differences: Vec<Difference>,
    /// Consequences of those: free counts, bitmaps, checksums, locations.
    pub follows: Vec<Difference>,
    /// Bytes that were read of each image to compare them.
    pub compared: u64,
}

impl DiffReport {
    /// The differences as text, at most `most` in each group.
    pub fn text(&self, most: usize) -> String {
        let mut text = String::new();
        if self.equal {
            // Writing to a String cannot fail, here and below.
            let _ = writeln!(text, "equal");
            return text;
        }
        sections(&mut text, &self.differences, most);
        if !self.follows.is_empty() {
            let _ = writeln!(text, "\nand what follows from that");
            let shown = if self.differences.is_empty() { most } else { most.min(3) };
            let shown = if most == usize::MAX { most } else { shown };
            sections(&mut text, &self.follows, shown);
        }
        text
    }
}

/// Writes differences, those of one partition together; of more than `most` in a group only the first.
fn sections(text: &mut String, differences: &[Difference], most: usize) {
    let mut rest = differences;
    while let Some(first) = rest.first() {
        let group = &first.location[..first.location.len().min(2)];
        let len = rest.iter().take_while(|next| next.location.starts_with(group)).count();
        let (these, later) = rest.split_at(len.max(1));
        section(text, these, most);
        rest = later;
    }
}

/// Writes the differences of one partition.
fn section(text: &mut String, differences: &[Difference], most: usize) {
    let mut location: &[String] = &[];
    for difference in differences.iter().take(most) {
        if difference.location != location {
            location = &difference.location;
            let _ = writeln!(text, "{}", location.join(" › "));
        }
        let _ = writeln!(text, "    {difference}");
    }
    if differences.len() > most {
        let _ = writeln!(text, "    … and {} more; --all shows them", differences.len() - most);
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.change {
            DiffChange::Value { a, b } => write!(f, "{}: {a} → {b}", self.what),
            DiffChange::OnlyA(what) => write!(f, "{}: only in the first: {what}", self.what),
            DiffChange::OnlyB(what) => write!(f, "{}: only in the second: {what}", self.what),
            DiffChange::Bytes(bytes) => write!(f, "{}: {bytes}", self.what),
            DiffChange::Note(text) => write!(f, "{}: {text}", self.what),
        }
    }
}

impl fmt::Display for ByteChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.bytes == 1 { "byte differs" } else { "bytes differ" };
        write!(f, "{} {plural}", self.bytes)?;
        if let Some(first) = self.ranges.first() {
            match self.runs {
                1 => write!(f, " at {}", first.at)?,
                runs => write!(f, " in {runs} runs, the first at {} with {}", first.at, first.len)?,
            }
            write!(f, ": {} → {}", self.a, self.b)?;
        }
        Ok(())
    }
}

impl Difference {
    /// The location and the difference in one line.
    pub fn line(&self) -> String {
        format!("{}: {self}", self.location.join(" › "))
    }
}

/// Collects differences.
#[derive(Debug, Default)]
pub(crate) struct DiffCollector {
    pub(crate) differences: Vec<Difference>,
    pub(crate) follows: Vec<Difference>,
}

/// Whether a difference counts by itself or is a consequence of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DifferenceWeight {
    /// By itself.
    Own,
    /// A consequence of another difference.
    Follows,
}

impl DiffCollector {
    /// Adds a difference.
    pub(crate) fn add(
        &mut self,
        weight: DifferenceWeight,
        location: &[String],
        what: impl Into<String>,
        change: DiffChange,
    ) {
        let difference = Difference { location: location.to_vec(), what: what.into(), change };
        match weight {
            DifferenceWeight::Own => self.differences.push(difference),
            DifferenceWeight::Follows => self.follows.push(difference),
        }
    }

    /// Adds a difference of two values, if they differ.
    pub(crate) fn value(
        &mut self,
        weight: DifferenceWeight,
        location: &[String],
        what: &str,
        a: impl fmt::Display,
        b: impl fmt::Display,
    ) {
        let (a, b) = (a.to_string(), b.to_string());
        if a != b {
            self.add(weight, location, what, DiffChange::Value { a, b });
        }
    }
}

impl DiffCollector {
    /// Adds the differences of another collector.
    pub(crate) fn append(&mut self, other: Self) {
        self.differences.extend(other.differences);
        self.follows.extend(other.follows);
    }

    /// Whether there is no difference.
    pub(crate) fn is_empty(&self) -> bool {
        self.differences.is_empty() && self.follows.is_empty()
    }

    /// Adds the differences of a copy: those that the original has too are consequences.
    pub(crate) fn mirror(&mut self, original: &[Difference], copy: Self) {
        for difference in copy.differences {
            let known =
                original.iter().any(|one| one.what == difference.what && one.change == difference.change);
            if known { self.follows.push(difference) } else { self.differences.push(difference) }
        }
        self.follows.extend(copy.follows);
    }

    /// Makes the differences from `first` on consequences of those before.
    pub(crate) fn follow_from(&mut self, first: usize) {
        let from = first.min(self.differences.len());
        self.follows.extend(self.differences.drain(from..));
    }

    /// The report.
    pub(crate) fn report(self, a: String, b: String, compared: u64) -> DiffReport {
        let Self { mut differences, mut follows } = self;
        if differences.is_empty() {
            // Without differences there is nothing that they could be consequences of.
            differences = std::mem::take(&mut follows);
        }
        DiffReport { a, b, equal: differences.is_empty(), differences, follows, compared }
    }
}

/// The location of a part.
pub(crate) fn below(location: &[String], name: impl Into<String>) -> Vec<String> {
    let mut location = location.to_vec();
    location.push(name.into());
    location
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_groups_by_place_and_truncates() {
        let mut collector = DiffCollector::default();
        let location = vec!["partition 1".to_owned(), "/f".to_owned()];
        for name in ["mode", "uid", "gid"] {
            collector.value(DifferenceWeight::Own, &location, name, 1, 2);
        }
        collector.value(DifferenceWeight::Own, &location, "same", 1, 1);
        let range = Range { at: 7, len: 1 };
        let bytes = ByteChange { bytes: 1, runs: 1, ranges: vec![range], a: "00".into(), b: "ff".into() };
        collector.add(
            DifferenceWeight::Follows,
            &below(&location[..1], "free space"),
            "content",
            DiffChange::Bytes(bytes),
        );
        let (a, b) = ("a".to_owned(), "b".to_owned());
        let DiffCollector { differences, follows } = collector;
        let report = DiffReport { a, b, equal: false, differences, follows, compared: 0 };
        let expected = "partition 1 › /f\n    mode: 1 → 2\n    uid: 1 → 2\n    … and 1 more; --all shows them\n\n\
                        and what follows from that\npartition 1 › free space\n    \
                        content: 1 byte differs at 7: 00 → ff\n";
        assert_eq!(report.text(2), expected);
    }
}
