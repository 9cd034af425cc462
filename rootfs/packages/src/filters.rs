//! Which paths of packages are left out, as `path-exclude` and `path-include` of dpkg(1) do it: the package's list
//! still names them, the tree does not have them. The globs are those of [`amiforge_rootfs::glob`], as in the rest of a recipe.

use std::collections::{HashMap, HashSet};

use amiforge_formats::tree::{Node, NodeKind};

use amiforge_rootfs::glob::{Globs, NotAGlob};
use amiforge_rootfs::sources::tar::TarEntry;

/// Which paths of packages are left out of the tree. The default leaves out none.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    globs: Option<Compiled>,
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
        Ok(Self { globs: Some(compiled).filter(|compiled| !compiled.exclude.is_empty()) })
    }

    /// Whether nothing is left out.
    pub fn is_empty(&self) -> bool {
        self.globs.is_none()
    }

    /// Which entries of a package are included, one answer for each.
    pub(super) fn included(&self, entries: &[(Vec<u8>, TarEntry)]) -> Vec<KeepChoice> {
        let Some(globs) = &self.globs else { return vec![KeepChoice::All; entries.len()] };
        let mut folders = HashMap::new();
        let mut included: Vec<KeepChoice> = entries
            .iter()
            .map(|(path, entry)| match globs.verdict(path, &mut folders) {
                GlobVerdict::Excluded if is_link(entry) && globs.passage.matches(path) => KeepChoice::All,
                GlobVerdict::Excluded if is_dir(entry) && globs.folders.matches(path) => KeepChoice::All,
                GlobVerdict::Excluded => KeepChoice::None,
                GlobVerdict::Included | GlobVerdict::Unsaid => KeepChoice::All,
            })
            .collect();
        let leading: HashSet<&[u8]> = entries
            .iter()
            .zip(&included)
            .filter(|(_, keep)| **keep == KeepChoice::All)
            .flat_map(|((path, _), _)| folders_of(path))
            .collect();
        for ((path, entry), keep) in entries.iter().zip(&mut included) {
            if is_dir(entry) && (path.is_empty() || leading.contains(path.as_slice())) {
                *keep = KeepChoice::All;
            }
        }
        included
    }
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

fn is_dir(entry: &TarEntry) -> bool {
    matches!(entry, TarEntry::Node(Node { kind: NodeKind::Dir(_), .. }))
}

fn is_link(entry: &TarEntry) -> bool {
    matches!(entry, TarEntry::Node(Node { kind: NodeKind::Symlink(_), .. }))
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
    use amiforge_formats::time::Time;
    use amiforge_formats::tree::{Content, Meta};

    use super::*;

    fn included(filters: &Filters, paths: &[&str]) -> Vec<String> {
        let entries: Vec<(Vec<u8>, TarEntry)> = paths
            .iter()
            .map(|path| {
                let (path, kind) = match (path.strip_suffix('/'), path.strip_suffix('@')) {
                    (Some(dir), _) => (dir, NodeKind::dir()),
                    (_, Some(link)) => (link, NodeKind::Symlink(b"x"[..].into())),
                    _ => (*path, NodeKind::File(Content::empty())),
                };
                let meta = Meta::root_owned(0o755, Time::EPOCH);
                (path.as_bytes().to_vec(), TarEntry::Node(Node { meta, kind }))
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
}
