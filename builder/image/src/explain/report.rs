//! Ranges as they are shown, as text and as JSON. Every text of the image is escaped.

use std::fmt::Write as _;

use amiforge_formats::map::{MappedRange, RangeKind, Subject};
use amiforge_formats::tree::Printable;
use serde::Serialize;

use super::origin::{ExplainedOrigin, RangeOrigin};

/// A range of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedRange {
    /// First byte in the image.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// `content`, `structure`, `partition-table`, `loader`, `padding`, `free` or `unexplained`.
    pub kind: &'static str,
    /// The partition by number and name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// What it is, in words.
    pub what: String,
    /// The path that it belongs to, with a leading `/`, from the root of its file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The byte of the file that is the first of the range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The section of an executable image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// Where it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<ExplainedOrigin>,
    #[serde(skip)]
    pub(super) range_kind: RangeKind,
}

/// The ranges of some bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RangeReport {
    /// First byte.
    pub start: u64,
    /// The byte after the last one.
    pub end: u64,
    /// Whether every range is explained.
    pub explained: bool,
    /// The ranges, in order, without gaps.
    pub ranges: Vec<ExplainedRange>,
}

impl ExplainedRange {
    /// A range with its words; `writer` names what writes structures there.
    pub(super) fn new(
        range: &MappedRange,
        what: String,
        (partition, path): (Option<String>, Option<Vec<u8>>),
        origin: Option<RangeOrigin>,
        writer: &str,
    ) -> Self {
        let range_kind = range.subject.kind();
        let mut explained = Self {
            start: range.start,
            len: range.len,
            kind: range_kind.name(),
            partition,
            what,
            path: path.map(|path| format!("/{}", Printable(&path))),
            offset: range.subject.content_offset(),
            section: match &range.subject {
                Subject::Section { name, .. } => Some(crate::inspect::escape(name)),
                _ => None,
            },
            origin: None,
            range_kind,
        };
        match origin {
            Some(RangeOrigin::Known(origin)) => explained.origin = Some(origin),
            Some(RangeOrigin::Missing) => {
                let what = std::mem::take(&mut explained.what);
                explained.unexplain(format!("{what}: origins.txt has no line for it"));
            }
            Some(RangeOrigin::Writer) | None => {
                let chain = match range_kind {
                    RangeKind::Structure | RangeKind::Table => format!("the writer of {writer}"),
                    RangeKind::Loader => "the writer of the loader".to_owned(),
                    _ => return explained,
                };
                let (kind, chain) = ("writer".to_owned(), vec![chain]);
                explained.origin = Some(ExplainedOrigin { kind, facts: [].into(), chain });
            }
        }
        explained
    }

    /// Whether it is explained.
    pub fn is_explained(&self) -> bool {
        self.range_kind != RangeKind::Unexplained
    }

    /// Says that it is not explained, and why.
    pub(super) fn unexplain(&mut self, what: String) {
        (self.range_kind, self.kind, self.what) =
            (RangeKind::Unexplained, RangeKind::Unexplained.name(), what);
        self.origin = None;
    }

    /// First byte after it.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }
}

impl RangeReport {
    /// The report as text: a line for each range, and one for its origin where it differs from that of the range before.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let (mut partition, mut origin) = (None, None);
        for range in &self.ranges {
            if partition != Some(&range.partition) {
                partition = Some(&range.partition);
                origin = None;
                let title = range.partition.as_ref();
                // Writing to a String cannot fail, here and below.
                let _ = match title {
                    Some(title) => writeln!(text, "partition {title}"),
                    None => writeln!(text, "no partition"),
                };
            }
            let offset = match range.offset {
                Some(offset) if !range.what.contains(" from byte ") && offset > 0 => {
                    format!(", from byte {offset} on")
                }
                _ => String::new(),
            };
            let _ = writeln!(
                text,
                "{:>14} {:>10}  {:<15} {}{offset}",
                range.start, range.len, range.kind, range.what
            );
            if range.origin != origin {
                origin.clone_from(&range.origin);
                if let Some(origin) = &range.origin {
                    let _ = writeln!(text, "{:>26}  <- {origin}", "");
                }
            }
        }
        text
    }
}
