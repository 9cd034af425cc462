//! The number of paths that differ, counted in a report.

use std::collections::BTreeMap;

use super::report::{DiffChange, DiffReport, Difference};

/// Properties of a path that its content is made of; the others are attributes.
const CONTENT: [&str; 5] = ["content", "device", "kind", "size", "target"];

/// Numbers of paths that differ, in all file systems of two images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PathCounts {
    /// Paths that only the second image has.
    pub added: usize,
    /// Paths that only the first image has.
    pub removed: usize,
    /// Paths with another content.
    pub changed: usize,
    /// Paths with the same content and another owner, mode, time or extended attribute.
    pub attributes: usize,
}

/// How a path differs, the weightiest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum PathChange {
    Attributes,
    Content,
    Removed,
    Added,
}

impl DiffReport {
    /// Counts the paths that differ.
    pub fn path_counts(&self) -> PathCounts {
        let mut paths = BTreeMap::new();
        for difference in self.differences.iter().filter(|difference| is_of_path(difference)) {
            let change = change_of(difference);
            let known = paths.entry(&difference.location).or_insert(change);
            *known = change.max(*known);
        }
        let count = |change| paths.values().filter(|known| **known == change).count();
        PathCounts {
            added: count(PathChange::Added),
            removed: count(PathChange::Removed),
            changed: count(PathChange::Content),
            attributes: count(PathChange::Attributes),
        }
    }
}

/// Whether a difference is one of a path: the last part of its location is absolute.
fn is_of_path(difference: &Difference) -> bool {
    difference.location.last().is_some_and(|part| part.starts_with('/'))
}

fn change_of(difference: &Difference) -> PathChange {
    match (difference.what.as_str(), &difference.change) {
        ("path", DiffChange::OnlyA(_)) => PathChange::Removed,
        ("path", DiffChange::OnlyB(_)) => PathChange::Added,
        (what, _) if CONTENT.contains(&what) => PathChange::Content,
        _ => PathChange::Attributes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_counts_once_by_its_weightiest_difference() {
        let difference = |path: &str, what: &str, change: DiffChange| Difference {
            location: vec!["partition 1".to_owned(), "ext4".to_owned(), path.to_owned()],
            what: what.to_owned(),
            change,
        };
        let value = || DiffChange::Value { a: "1".into(), b: "2".into() };
        let differences = vec![
            difference("/a", "mtime", value()),
            difference("/a", "content", value()),
            difference("/b", "mode", value()),
            difference("/c", "path", DiffChange::OnlyA("file".into())),
            difference("/d", "path", DiffChange::OnlyB("file".into())),
            difference("superblock", "free", value()),
        ];
        let (a, b) = ("a".to_owned(), "b".to_owned());
        let report = DiffReport { a, b, equal: false, differences, follows: Vec::new(), compared: 0 };
        assert_eq!(report.path_counts(), PathCounts { added: 1, removed: 1, changed: 1, attributes: 1 });
    }
}
