//! The paths of a package as file triggers see them.

use std::collections::BTreeSet;

use crate::rpm::package::{FilePresence, RpmFileEntry};

/// The paths of a package, sorted.
#[derive(Debug)]
pub(super) struct PackagePaths<'a> {
    all: Vec<&'a [u8]>,
    /// Those that no package had which was installed before.
    new: Vec<&'a [u8]>,
}

impl<'a> PackagePaths<'a> {
    /// Ghosts are among them, files that a filter left out are not.
    pub(super) fn of(files: &'a [RpmFileEntry]) -> Self {
        let there = files.iter().filter(|file| file.presence != FilePresence::LeftOut);
        let mut all: Vec<&[u8]> = there.map(|file| file.path.as_slice()).collect();
        all.sort_unstable();
        Self { all, new: Vec::new() }
    }

    /// Installs the package: what is in `before` is not new, the rest goes there.
    pub(super) fn install(&mut self, before: &mut BTreeSet<&'a [u8]>) {
        self.new = self.all.iter().copied().filter(|path| before.insert(path)).collect();
    }

    /// Lines of the new paths that begin with one of these prefixes, by prefix.
    pub(super) fn new_below(&self, prefixes: &[Vec<u8>]) -> Vec<u8> {
        let mut lines = Vec::new();
        for prefix in prefixes {
            push_lines(range(&self.new, prefix), &mut lines);
        }
        lines
    }

    /// Adds lines of all paths that begin with a prefix, if the folder of one does: rpm looks for folders in its database first.
    pub(super) fn below_folder(&self, prefix: &[u8], lines: &mut Vec<u8>) {
        let found = range(&self.all, prefix);
        let mut folders = found.iter().filter_map(|path| path.iter().rposition(|byte| *byte == b'/'));
        if folders.any(|slash| slash + 1 >= prefix.len()) {
            push_lines(found, lines);
        }
    }
}

/// The paths that begin with a prefix.
fn range<'p, 'a>(paths: &'p [&'a [u8]], prefix: &[u8]) -> &'p [&'a [u8]] {
    let start = paths.partition_point(|path| *path < prefix);
    let rest = paths.get(start..).unwrap_or_default();
    let len = rest.partition_point(|path| path.starts_with(prefix));
    rest.get(..len).unwrap_or_default()
}

fn push_lines(paths: &[&[u8]], lines: &mut Vec<u8>) {
    for path in paths {
        lines.extend_from_slice(path);
        lines.push(b'\n');
    }
}
