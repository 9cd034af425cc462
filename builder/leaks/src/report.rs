//! The result of a scan.

use serde::{Deserialize, Serialize};

use crate::finding::{LeakFinding, LeakSeverity};

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ScannedAmount {
    /// Files of the image; one with several names counts once.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files of the bundle.
    pub bundle_files: u64,
    /// Bytes outside files that were read because nobody could say what should be zero.
    pub raw_bytes: u64,
    /// Compressed files and archives that no package brought; what is in them was not looked at.
    pub unopened: u64,
}

/// The result of a scan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Report {
    /// How much was looked at.
    pub scanned: ScannedAmount,
    /// The findings, by scope, file and offset; allowed ones among them.
    pub findings: Vec<LeakFinding>,
    /// What could not be looked at, in words.
    pub unread: Vec<String>,
}

impl Report {
    /// The findings that nobody allows.
    pub fn open(&self) -> impl Iterator<Item = &LeakFinding> {
        self.findings.iter().filter(|finding| finding.allowed.is_none())
    }

    /// Those for which `publish` refuses an image.
    pub fn refused(&self) -> impl Iterator<Item = &LeakFinding> {
        self.open().filter(|finding| finding.severity == LeakSeverity::Error)
    }

    /// Sorts the findings, and leaves one of those that say the same of the same bytes.
    pub(crate) fn sort(&mut self) {
        self.findings.sort_by(|a, b| {
            let key = |one: &LeakFinding| (one.scope, one.line, one.offset);
            (a.scope, &a.file)
                .cmp(&(b.scope, &b.file))
                .then_with(|| key(a).cmp(&key(b)))
                .then_with(|| a.rule.cmp(&b.rule))
        });
        self.findings.dedup_by(|later, kept| {
            (&later.rule, &later.file, later.line, later.offset, &later.secret, &later.what)
                == (&kept.rule, &kept.file, kept.line, kept.offset, &kept.secret, &kept.what)
        });
    }
}
