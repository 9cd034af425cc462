//! Globs of paths, for `exclude` and owners. A glob must match a whole path, counted from the source's root:
//! `?` and `*` match anything within one name, `**` also for whole names, `[ab]` and `{a,b}` for choices; a `/`
//! at the start or end changes nothing. Paths are bytes and need not be text.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};

/// A list of globs.
#[derive(Debug, Clone)]
pub struct Globs {
    set: GlobSet,
}

/// A text that is no glob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{glob}` is not a glob: {reason}")]
pub struct NotAGlob {
    /// The text.
    pub glob: String,
    /// The cause.
    pub reason: String,
}

impl Globs {
    /// Compiles globs.
    ///
    /// # Errors
    /// The first that is none.
    pub fn new<'a>(globs: impl IntoIterator<Item = &'a str>) -> Result<Self, NotAGlob> {
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            let wrong = |reason: String| NotAGlob { glob: glob.to_owned(), reason };
            let bare = glob.trim_start_matches('/').trim_end_matches('/');
            if bare.is_empty() {
                return Err(wrong("it matches nothing".to_owned()));
            }
            let built = GlobBuilder::new(bare).literal_separator(true).build();
            set.add(built.map_err(|error| wrong(error.kind().to_string()))?);
        }
        let set = set
            .build()
            .map_err(|error| NotAGlob { glob: String::new(), reason: error.kind().to_string() })?;
        Ok(Self { set })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Whether a path, without a leading `/`, matches any.
    pub fn matches(&self, path: &[u8]) -> bool {
        !self.is_empty() && self.set.is_match_candidate(&candidate(path))
    }

    /// The positions of all globs that a path matches.
    pub fn all(&self, path: &[u8]) -> Vec<usize> {
        if self.is_empty() { Vec::new() } else { self.set.matches_candidate(&candidate(path)) }
    }

    /// The last of the globs that a path matches.
    pub fn last(&self, path: &[u8]) -> Option<usize> {
        self.set.matches_candidate(&candidate(path)).into_iter().max()
    }
}

fn candidate(path: &[u8]) -> Candidate<'_> {
    Candidate::new(OsStr::from_bytes(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_paths_of_bytes() {
        for (glob, path, matches) in [
            ("usr/share/doc", &b"usr/share/doc"[..], true),
            ("/usr/share/doc/", b"usr/share/doc", true),
            ("usr/share/doc", b"usr/share/doc/a", false),
            ("usr/*", b"usr/share/doc", false),
            ("usr/**", b"usr/share/doc", true),
            ("**/*.pyc", b"a/b/c.pyc", true),
            ("**/*.pyc", b"c.pyc", true),
            ("*.pyc", b"a/c.pyc", false),
            ("a?c", b"a\xffc", true),
            ("a*", b"a\xff\xfe\n", true),
            ("{a,b}/[c-d]", b"b/d", true),
        ] {
            assert_eq!(Globs::new([glob]).unwrap().matches(path), matches, "{glob} on {path:?}");
        }
        assert!(Globs::new(["a[", "b"]).is_err() && Globs::new(["/"]).is_err());
        assert_eq!(Globs::new(["**", "a", "b"]).unwrap().last(b"a"), Some(1));
    }
}
