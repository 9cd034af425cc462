//! Which paths of packages are left out, as `path-exclude` and `path-include` of dpkg(1) say it, and the presets of a
//! recipe.

use crate::glob::NotAGlob;

/// Which paths of packages are left out of the tree.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    rules: Vec<Rule>,
}

/// One rule; the last that matches decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// Paths that match are left out.
    Exclude(String),
    /// Paths that match are kept.
    Include(String),
}

impl Filters {
    /// Filters of rules in order: the last that matches a path decides, and what none matches is kept. A glob must
    /// match a whole path; `*` and `?` match slashes too, as in dpkg.
    ///
    /// # Errors
    /// The first that is no glob.
    pub fn new(rules: Vec<Rule>) -> Result<Self, NotAGlob> {
        Ok(Self { rules })
    }

    /// Whether nothing is left out.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}
