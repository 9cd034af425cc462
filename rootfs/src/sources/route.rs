//! The names that lead to a directory, one after the other, with links replaced by their targets. Independent of trees.

use super::entry_error::EntryError;

/// A path on the way to its directory.
#[derive(Debug)]
pub(super) struct Route {
    rest: Vec<u8>,
    /// Bytes of `rest` that were passed.
    at: usize,
    /// Bytes of `rest` that came from the targets of links.
    target: usize,
    /// The path that was passed, without links.
    passed: Vec<u8>,
    /// The last link of the path itself, and its target.
    link: (Vec<u8>, Vec<u8>),
    links: usize,
}

impl Route {
    pub(super) fn new(path: &[u8]) -> Self {
        let (passed, link) = Default::default();
        Self { rest: path.to_vec(), at: 0, target: 0, passed, link, links: 0 }
    }

    /// The next name; `..` only from the target of a link.
    pub(super) fn next_name(&mut self) -> Option<Vec<u8>> {
        loop {
            let left = self.rest.get(self.at..)?;
            let start = left.iter().position(|byte| *byte != b'/')?;
            let name: Vec<u8> = left.iter().skip(start).copied().take_while(|byte| *byte != b'/').collect();
            self.at = self.at.saturating_add(start).saturating_add(name.len());
            if name == b"." {
                continue;
            }
            if name == b".." {
                let up = self.passed.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                self.passed.truncate(up);
            } else {
                if !self.passed.is_empty() {
                    self.passed.push(b'/');
                }
                self.passed.extend_from_slice(&name);
            }
            return Some(name);
        }
    }

    /// The path up to the last name, links resolved.
    pub(super) fn passed(&self) -> &[u8] {
        &self.passed
    }

    /// Whether the last name is of a link's target, which must be there.
    pub(super) fn in_target(&self) -> bool {
        self.at <= self.target
    }

    /// The last name is a link: goes on with its target. Gives how many links there were.
    pub(super) fn follow(&mut self, target: &[u8]) -> usize {
        if !self.in_target() {
            self.link = (self.passed.clone(), target.to_vec());
        }
        let up = self.passed.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        self.passed.truncate(if target.first() == Some(&b'/') { 0 } else { up });
        let left = self.rest.get(self.at..).unwrap_or_default();
        let rest = [target, left].concat();
        self.target = target.len().saturating_add(self.target.saturating_sub(self.at));
        (self.rest, self.at) = (rest, 0);
        self.links = self.links.saturating_add(1);
        self.links
    }

    /// The error of a path whose link does not lead to a directory.
    pub(super) fn through_link(self) -> EntryError {
        let (link, target) = self.link;
        EntryError::ThroughLink { link, target }
    }
}
