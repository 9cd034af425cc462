//! Reshaping: which entries of a source are taken, and under which paths. Knows names only.

use std::cell::Cell;

use crate::glob::{Globs, NotAGlob};

/// Which entries of a source are taken, and their paths.
#[derive(Debug, Clone)]
pub struct Reshape {
    /// Leading names dropped; entries with no more names than that are left out.
    pub strip: usize,
    /// Path that the rest is put under; clean, empty for the root.
    pub prefix: Vec<u8>,
    /// Globs to leave out, matched with the path after `strip`.
    exclude: Globs,
    /// The globs of `exclude` as text, and whether each matched a path so far.
    texts: Vec<(String, Cell<bool>)>,
}

impl Reshape {
    /// Takes a clean `prefix`, and globs that are compiled here.
    ///
    /// # Errors
    /// The first text that is no glob.
    pub fn new(strip: usize, prefix: Vec<u8>, exclude: &[String]) -> Result<Self, NotAGlob> {
        let globs = Globs::new(exclude.iter().map(String::as_str))?;
        let texts = exclude.iter().map(|glob| (glob.clone(), Cell::new(false))).collect();
        Ok(Self { strip, prefix, exclude: globs, texts })
    }

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
        self.stripped(path).is_some_and(|rest| self.matches(rest))
    }

    /// Whether a path after `strip` is left out.
    pub fn matches(&self, rest: &[u8]) -> bool {
        let found = self.exclude.all(rest);
        for (_, used) in found.iter().filter_map(|at| self.texts.get(*at)) {
            used.set(true);
        }
        !found.is_empty()
    }

    /// Whether any path was left out so far.
    pub fn excludes_any(&self) -> bool {
        self.texts.iter().any(|(_, used)| used.get())
    }

    /// The globs that matched nothing so far.
    pub fn unused(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().filter(|(_, used)| !used.get()).map(|(glob, _)| glob.as_str())
    }

    /// Whether it changes nothing.
    pub fn is_identity(&self) -> bool {
        self.strip == 0 && self.prefix.is_empty() && self.exclude.is_empty()
    }
}

/// Whether a path is `above` or below it.
pub(crate) fn below(path: &[u8], above: &[u8]) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}
