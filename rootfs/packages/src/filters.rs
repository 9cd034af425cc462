//! Which paths of packages are left out, as `path-exclude` and `path-include` of dpkg(1) do it: the package's list
//! still names them, the tree does not have them. The globs are those of [`amiforge_rootfs::glob`], as in the rest of a recipe.

use std::collections::{HashMap, HashSet};

use amiforge_rootfs::glob::{Globs, NotAGlob};

/// Which paths of packages are left out of the tree. The default leaves out none.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    globs: Option<Compiled>,
    /// What packages mark as documentation or as a translation, if that decides too.
    marks: Option<DocOptions>,
}

/// What an entry is, as far as filters distinguish them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryShape {
    Dir,
    Symlink,
    Other,
}

/// An entry of a package.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FilterEntry<'e> {
    /// Path from the root, without a slash before it.
    pub(crate) path: &'e [u8],
    pub(crate) shape: EntryShape,
    /// Whether the package marks it as documentation, and not as a licence.
    pub(crate) is_doc: bool,
    /// Languages that the package marks it with, several separated by `|`; empty where there are none.
    pub(crate) languages: &'e [u8],
}

impl<'e> FilterEntry<'e> {
    /// An entry of a package that marks nothing.
    pub(crate) fn unmarked(path: &'e [u8], shape: EntryShape) -> Self {
        Self { path, shape, is_doc: false, languages: b"" }
    }
}

#[derive(Debug, Clone)]
struct Compiled {
    exclude: Globs,
    include: Globs,
    /// The folders that lead to what `include` may match.
    passage: Globs,
    /// Folders that stay although all in them is left out.
    folders: Globs,
}

/// Options for documentation and translations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocOptions {
    /// Whether `/usr/share/doc` and similar folders are included; licences (`copyright`) always are.
    pub docs: KeepChoice,
    /// Whether manual pages are included.
    pub man: KeepChoice,
    /// Locales whose translations are included, such as `en` or `de_DE`; `None` includes all.
    pub locales: Option<Vec<String>>,
}

/// Whether a class of files is included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeepChoice {
    /// It is.
    #[default]
    All,
    /// It is left out.
    None,
}

impl Default for DocOptions {
    fn default() -> Self {
        Self { docs: KeepChoice::All, man: KeepChoice::All, locales: None }
    }
}

impl DocOptions {
    /// The globs to exclude and to include for it.
    pub fn globs(&self) -> (Vec<String>, Vec<String>) {
        let (mut exclude, mut include) = (Vec::new(), Vec::new());
        if self.docs == KeepChoice::None {
            let folders = ["doc", "doc-base", "info", "gtk-doc", "linda", "lintian"];
            exclude.extend(folders.map(|folder| format!("/usr/share/{folder}/**")));
            include.push("/usr/share/doc/*/copyright".to_owned());
        }
        if self.man == KeepChoice::None {
            exclude.push("/usr/share/man/**".to_owned());
        }
        if let Some(locales) = &self.locales {
            exclude.push("/usr/share/locale/*".to_owned());
            include.push("/usr/share/locale/locale.alias".to_owned());
            let included = locales.iter().filter(|locale| *locale != "C" && *locale != "POSIX");
            include.extend(included.map(|locale| format!("/usr/share/locale/{locale}")));
        }
        (exclude, include)
    }
}

/// Folders that stay, empty, whatever is left out in them: scripts of packages put links there, as
/// `update-alternatives` does for manual pages, and fail where a folder is missing.
const FOLDERS: [&str; 3] = ["/usr/share/doc/*", "/usr/share/info", "/usr/share/man/**"];

impl Filters {
    /// Leaves out what matches `exclude` or is in a folder that does, unless it matches `include` or is in a
    /// folder that does. Folders that lead to something included stay, and so do those of documentation and manual
    /// pages that programs expect.
    ///
    /// # Errors
    /// The first that is no glob.
    pub fn new<'a>(
        exclude: impl IntoIterator<Item = &'a str>,
        include: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, NotAGlob> {
        let exclude = Globs::new(exclude)?;
        let include: Vec<&str> = include.into_iter().collect();
        let passage: Vec<&str> = include.iter().flat_map(|glob| above(glob)).collect();
        // Half of a choice like `{a/b,c}` is no glob; such an include just opens no way through links.
        let passage = passage.into_iter().filter(|glob| Globs::new([*glob]).is_ok());
        let passage = Globs::new(passage)?;
        let include = Globs::new(include)?;
        let folders = Globs::new(FOLDERS)?;
        let compiled = Compiled { exclude, include, passage, folders };
        Ok(Self { globs: Some(compiled).filter(|compiled| !compiled.exclude.is_empty()), marks: None })
    }

    /// Leaves out by these options also what packages mark as documentation or with a language, wherever it is. Manual
    /// pages, which are marked as documentation, go only where manual pages do. What an `include` matches stays.
    #[must_use]
    pub fn with_marks(mut self, options: &DocOptions) -> Self {
        self.marks = Some(options.clone());
        self
    }

    /// Which entries of a package are included, one answer for each.
    pub(crate) fn included(&self, entries: &[FilterEntry<'_>]) -> Vec<KeepChoice> {
        if self.globs.is_none() && self.marks.is_none() {
            return vec![KeepChoice::All; entries.len()];
        }
        let mut folders = HashMap::new();
        let mut included: Vec<KeepChoice> = entries
            .iter()
            .map(|entry| match self.verdict(entry.path, &mut folders) {
                GlobVerdict::Excluded if self.stays_as_way(entry) => KeepChoice::All,
                GlobVerdict::Excluded => KeepChoice::None,
                GlobVerdict::Unsaid if self.marks.as_ref().is_some_and(|marks| marks.leave_out(entry)) => {
                    KeepChoice::None
                }
                GlobVerdict::Included | GlobVerdict::Unsaid => KeepChoice::All,
            })
            .collect();
        let leading: HashSet<&[u8]> = entries
            .iter()
            .zip(&included)
            .filter(|(_, keep)| **keep == KeepChoice::All)
            .flat_map(|(entry, _)| folders_of(entry.path))
            .collect();
        for (entry, keep) in entries.iter().zip(&mut included) {
            let leads = entry.path.is_empty() || leading.contains(entry.path);
            if entry.shape == EntryShape::Dir && leads {
                *keep = KeepChoice::All;
            }
        }
        included
    }

    fn verdict<'p>(&self, path: &'p [u8], folders: &mut HashMap<&'p [u8], GlobVerdict>) -> GlobVerdict {
        self.globs.as_ref().map_or(GlobVerdict::Unsaid, |globs| globs.verdict(path, folders))
    }

    /// Whether an entry that is left out stays nevertheless: a link that leads to something included, or a folder that
    /// programs expect.
    fn stays_as_way(&self, entry: &FilterEntry<'_>) -> bool {
        self.globs.as_ref().is_some_and(|globs| match entry.shape {
            EntryShape::Dir => globs.folders.matches(entry.path),
            EntryShape::Symlink => globs.passage.matches(entry.path),
            EntryShape::Other => false,
        })
    }
}

impl DocOptions {
    /// Whether an entry is left out by what its package marks it as.
    fn leave_out(&self, entry: &FilterEntry<'_>) -> bool {
        let is_man = entry.path.starts_with(b"usr/share/man/");
        if entry.shape == EntryShape::Dir || is_man {
            return false;
        }
        let wanted = |languages: &[u8], locales: &[String]| {
            let mut languages = languages.split(|byte| *byte == b'|').filter(|one| !one.is_empty());
            languages.any(|language| locales.iter().any(|locale| is_of(language, locale)))
        };
        let foreign = self
            .locales
            .as_ref()
            .is_some_and(|locales| !entry.languages.is_empty() && !wanted(entry.languages, locales));
        foreign || (self.docs == KeepChoice::None && entry.is_doc)
    }
}

/// Whether a locale such as `de_AT.UTF-8` is of a language such as `de` or `de_AT`.
fn is_of(language: &[u8], locale: &str) -> bool {
    let rest = locale.as_bytes().strip_prefix(language);
    matches!(language, b"C" | b"POSIX")
        || rest.is_some_and(|rest| matches!(rest, [] | [b'_' | b'.' | b'@', ..]))
}

/// The result of the globs for a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GlobVerdict {
    Included,
    Excluded,
    Unsaid,
}

impl Compiled {
    /// The verdict on a path; on folders it is remembered.
    fn verdict<'p>(&self, path: &'p [u8], folders: &mut HashMap<&'p [u8], GlobVerdict>) -> GlobVerdict {
        if path.is_empty() {
            return GlobVerdict::Unsaid;
        }
        let above = path.iter().rposition(|byte| *byte == b'/').map_or(&b""[..], |slash| &path[..slash]);
        let inherited = if let Some(known) = folders.get(above) {
            *known
        } else {
            let verdict = self.verdict(above, folders);
            folders.insert(above, verdict);
            verdict
        };
        match inherited {
            GlobVerdict::Included => GlobVerdict::Included,
            _ if self.include.matches(path) => GlobVerdict::Included,
            GlobVerdict::Unsaid if !self.exclude.matches(path) => GlobVerdict::Unsaid,
            _ => GlobVerdict::Excluded,
        }
    }
}

/// The parent folders of a path, the root left out.
fn folders_of(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(slash, _)| &path[..slash])
}

/// The globs of the folders above what a glob matches.
fn above(glob: &str) -> impl Iterator<Item = &str> {
    let glob = glob.trim_start_matches('/');
    glob.match_indices('/').map(|(slash, _)| &glob[..slash]).filter(|glob| !glob.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paths that stay; those of folders end in `/`, those of links in `@`.
    fn included(filters: &Filters, paths: &[&str]) -> Vec<String> {
        let entries: Vec<FilterEntry<'_>> = paths
            .iter()
            .map(|path| match (path.strip_suffix('/'), path.strip_suffix('@')) {
                (Some(dir), _) => FilterEntry::unmarked(dir.as_bytes(), EntryShape::Dir),
                (_, Some(link)) => FilterEntry::unmarked(link.as_bytes(), EntryShape::Symlink),
                _ => FilterEntry::unmarked(path.as_bytes(), EntryShape::Other),
            })
            .collect();
        let keep = filters.included(&entries);
        let included = paths.iter().zip(keep).filter(|(_, keep)| *keep == KeepChoice::All);
        included.map(|(path, _)| (*path).to_owned()).collect()
    }

    #[test]
    fn licences_and_folders_that_scripts_need_stay_and_other_folders_that_hold_nothing_go() {
        let options = DocOptions {
            docs: KeepChoice::None,
            man: KeepChoice::None,
            locales: Some(vec!["C".into(), "de".into()]),
        };
        let (exclude, include) = options.globs();
        let globs = |list: &[String]| list.to_vec();
        let (exclude, include) = (globs(&exclude), globs(&include));
        let filters =
            Filters::new(exclude.iter().map(String::as_str), include.iter().map(String::as_str)).unwrap();
        let all = [
            "",
            "usr/",
            "usr/share/",
            "usr/share/doc/",
            "usr/share/doc/a/",
            "usr/share/doc/a/copyright",
            "usr/share/doc/a/README",
            "usr/share/doc/b/",
            "usr/share/doc/b/README",
            "usr/share/doc/b/examples/",
            "usr/share/doc/c@",
            "usr/share/man/",
            "usr/share/man/man1/",
            "usr/share/man/man1/x.1.gz",
            "usr/share/man/de/man1/",
            "usr/share/info/",
            "usr/share/info/x.info.gz",
            "usr/share/locale/",
            "usr/share/locale/de/",
            "usr/share/locale/de/LC_MESSAGES/",
            "usr/share/locale/de/LC_MESSAGES/a.mo",
            "usr/share/locale/fr/",
            "usr/share/locale/fr/LC_MESSAGES/",
            "usr/share/locale/fr/LC_MESSAGES/a.mo",
        ];
        let expected: Vec<&str> = all
            .into_iter()
            .filter(|path| !path.ends_with("README") && !path.contains(".gz") && !path.contains("/fr/"))
            .filter(|path| !path.contains("examples"))
            .collect();
        assert_eq!(included(&filters, &all), expected);
        assert_eq!(included(&Filters::default(), &all), all);
    }

    #[test]
    fn an_included_folder_stays_with_all_below_it() {
        let filters = Filters::new(["/opt/**"], ["/opt/a"]).unwrap();
        assert_eq!(
            included(&filters, &["opt/", "opt/a/", "opt/a/b", "opt/c"]),
            ["opt/", "opt/a/", "opt/a/b"]
        );
        assert!(Filters::new(["["], []).is_err());
    }

    #[test]
    fn marks_of_packages_leave_out_what_no_glob_names() {
        let options =
            DocOptions { docs: KeepChoice::None, man: KeepChoice::All, locales: Some(vec!["de_AT".into()]) };
        let filters = Filters::new([], ["/opt/a/NOTES"]).unwrap().with_marks(&options);
        let entry = |path: &'static str, is_doc, languages: &'static str| FilterEntry {
            path: path.as_bytes(),
            shape: EntryShape::Other,
            is_doc,
            languages: languages.as_bytes(),
        };
        for (path, is_doc, languages, stays) in [
            ("opt/a/README", true, "", false),
            ("opt/a/x", false, "", true),
            ("usr/share/man/man1/x.1.gz", true, "", true),
            ("opt/a/de.mo", false, "de", true),
            ("opt/a/at.mo", false, "de_AT", true),
            ("opt/a/fr.mo", false, "fr", false),
            ("opt/a/both.mo", false, "fr|de", true),
            ("opt/a/d.mo", false, "d", false),
        ] {
            let keep = filters.included(&[entry(path, is_doc, languages)]);
            assert_eq!(keep == [KeepChoice::All], stays, "{path}");
        }
        let exclude = Filters::new(["/x"], ["/opt/a/NOTES"]).unwrap().with_marks(&options);
        assert_eq!(exclude.included(&[entry("opt/a/NOTES", true, "")]), [KeepChoice::All]);
    }
}
