//! Maps the paths of a source to paths of the tree: `strip`, `prefix` and `exclude` of a recipe. Knows names only.

use std::cell::Cell;

use crate::glob::{Globs, NotAGlob};

/// The map from paths of a source to paths of the tree.
#[derive(Debug, Clone)]
pub struct PathMap {
    /// Number of leading names that are dropped; a path with no more names than that is left out.
    pub strip: usize,
    /// Path that is put before the rest; clean, empty for the root.
    pub prefix: Vec<u8>,
    /// Paths that are left out, matched after `strip`.
    exclude: Globs,
    /// The globs of `exclude` as text, each with whether it has matched a path so far.
    texts: Vec<(String, Cell<bool>)>,
}

impl PathMap {
    /// A map with a clean `prefix`; compiles the globs.
    ///
    /// # Errors
    /// The first text that is not a glob.
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

    /// Whether a path of the source is left out, with everything below it.
    pub fn excludes(&self, path: &[u8]) -> bool {
        self.stripped(path).is_some_and(|rest| self.excludes_stripped(rest))
    }

    /// Whether a path is left out that [`Self::stripped`] returned.
    pub fn excludes_stripped(&self, rest: &[u8]) -> bool {
        let matching = self.exclude.all(rest);
        for (_, used) in matching.iter().filter_map(|index| self.texts.get(*index)) {
            used.set(true);
        }
        !matching.is_empty()
    }

    /// Whether any path has been left out so far.
    pub fn has_excluded(&self) -> bool {
        self.texts.iter().any(|(_, used)| used.get())
    }

    /// The globs that have matched no path so far.
    pub fn unused_globs(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().filter(|(_, used)| !used.get()).map(|(glob, _)| glob.as_str())
    }

    /// Whether every path is mapped to itself.
    pub fn is_identity(&self) -> bool {
        self.strip == 0 && self.prefix.is_empty() && self.exclude.is_empty()
    }
}

/// Whether a path is `ancestor` or below it.
pub(crate) fn is_within(path: &[u8], ancestor: &[u8]) -> bool {
    path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}
