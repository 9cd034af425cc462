//! The bytes in which two ranges differ, to the byte.

use super::report::{ByteChange, RANGES_MAX, Range};
use crate::inspect::hex;

/// Bytes of the first run that are shown.
const SHOWN: usize = 16;

/// Collects differing bytes of ranges that are added in ascending order.
#[derive(Debug, Default)]
pub(crate) struct ByteDiff {
    change: ByteChange,
    /// End of the run that is still open.
    open: Option<u64>,
}

impl ByteDiff {
    /// Compares two ranges of equal length at offset `at`.
    pub(crate) fn compare(&mut self, at: u64, a: &[u8], b: &[u8]) {
        if a == b {
            return;
        }
        let mut index = 0;
        let len = a.len().min(b.len());
        while index < len {
            if a[index] == b[index] {
                index += 1;
                continue;
            }
            let run = a[index..len].iter().zip(&b[index..len]).take_while(|(a, b)| a != b).count();
            self.run(at + index as u64, &a[index..index + run], &b[index..index + run]);
            index += run;
        }
    }

    /// Adds a run; one that continues the last is joined to it.
    fn run(&mut self, at: u64, a: &[u8], b: &[u8]) {
        let len = a.len() as u64;
        self.change.bytes += len;
        if self.change.runs <= 1 && self.change.a.len() < SHOWN * 2 && self.open.is_none_or(|end| end == at) {
            let room = SHOWN - self.change.a.len() / 2;
            self.change.a.push_str(&hex(&a[..a.len().min(room)]));
            self.change.b.push_str(&hex(&b[..b.len().min(room)]));
        }
        if self.open == Some(at) {
            if let Some(last) = self.change.ranges.last_mut().filter(|last| last.at + last.len == at) {
                last.len += len;
            }
        } else {
            self.change.runs += 1;
            if self.change.ranges.len() < RANGES_MAX {
                self.change.ranges.push(Range { at, len });
            }
        }
        self.open = Some(at + len);
    }

    /// The outcome; `None` when nothing differed.
    pub(crate) fn finish(self) -> Option<ByteChange> {
        (self.change.bytes > 0).then_some(self.change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_exact_and_joined_across_ranges() {
        let mut diff = ByteDiff::default();
        diff.compare(100, b"abcd", b"abXY");
        diff.compare(104, b"efgh", b"Zfgi");
        let change = diff.finish().unwrap();
        assert_eq!((change.bytes, change.runs), (4, 2));
        assert_eq!(change.ranges, [Range { at: 102, len: 3 }, Range { at: 107, len: 1 }]);
        assert_eq!((change.a.as_str(), change.b.as_str()), ("636465", "58595a"));
        assert_eq!(ByteDiff::default().finish(), None);
    }
}
