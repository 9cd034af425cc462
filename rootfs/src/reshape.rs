//! Reshaping: which entries of a source are taken, and under which paths. Knows names only.

use crate::glob::Globs;

/// Where the entries of a source go, and which.
#[derive(Debug, Clone)]
pub struct Reshape {
    /// Leading names dropped; entries with no more names than that are left out.
    pub strip: usize,
    /// Path that the rest is put under; clean, empty for the root.
    pub prefix: Vec<u8>,
    /// What is left out, by path after `strip`.
    pub exclude: Globs,
}

impl Reshape {
    /// The part of a path that remains after `strip`.
    pub fn stripped<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        let mut rest = path;
        for _ in 0..self.strip {
            let slash = rest.iter().position(|byte| *byte == b'/')?;
            rest = &rest[slash + 1..];
        }
        Some(rest).filter(|rest| !rest.is_empty() || self.strip == 0)
    }

    /// Whether a path of the source is left out, with all that is below it.
    pub fn excludes(&self, path: &[u8]) -> bool {
        self.stripped(path).is_some_and(|rest| self.exclude.matches(rest))
    }

    /// Whether it changes nothing.
    pub fn is_identity(&self) -> bool {
        self.strip == 0 && self.prefix.is_empty() && self.exclude.is_empty()
    }
}

/// Whether a path is `above` or lies below it.
pub(crate) fn below(path: &[u8], above: &[u8]) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}
