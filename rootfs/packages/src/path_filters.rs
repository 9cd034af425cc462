//! The filters of a recipe: plain data of every kind of package, and the [`Filters`] that they compile to.

use amiforge_rootfs::glob::NotAGlob;

use crate::filters::{DocOptions, Filters, KeepChoice};

/// The filters of a recipe: paths of the packages to leave out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathFilters {
    /// Globs of paths.
    pub exclude: Vec<String>,
    /// Globs of paths that stay nevertheless.
    pub include: Vec<String>,
    /// `/usr/share/doc` and the like.
    pub docs: Stays,
    /// Manual pages.
    pub man: Stays,
    /// Locales whose translations stay; none given: all.
    pub locales: Option<Vec<String>>,
}

/// Whether something stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stays {
    /// It does.
    Yes,
    /// It is left out.
    No,
}

impl PathFilters {
    /// The filters that they compile to.
    ///
    /// # Errors
    /// A glob that does not parse.
    pub fn compile(&self) -> Result<Filters, NotAGlob> {
        let keep = |stays| match stays {
            Stays::Yes => KeepChoice::All,
            Stays::No => KeepChoice::None,
        };
        let docs = DocOptions { docs: keep(self.docs), man: keep(self.man), locales: self.locales.clone() };
        let (mut exclude, mut include) = docs.globs();
        exclude.extend_from_slice(&self.exclude);
        include.extend_from_slice(&self.include);
        Filters::new(exclude.iter().map(String::as_str), include.iter().map(String::as_str))
    }

    /// Their text in the key of a layer, after a name. Layers in stores have keys of it: another text makes every layer anew.
    pub fn layer_key(&self, name: &str) -> String {
        let stays = |stays| match stays {
            Stays::Yes => "Yes",
            Stays::No => "No",
        };
        let Self { exclude, include, docs, man, locales } = self;
        format!(
            "{name} {{ exclude: {exclude:?}, include: {include:?}, docs: {}, man: {}, locales: {locales:?} }}",
            stays(*docs),
            stays(*man),
        )
    }
}
