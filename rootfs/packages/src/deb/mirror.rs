//! Addresses of archives: of the recipe, the environment, or the configuration of this machine's apt.

use std::fs;
use std::path::Path;

use super::control;
use super::source::{ArchiveRole, DebArchive};
use crate::host::{HostSettings, without_credentials};

/// The variable that names the mirror of the distribution.
pub(super) const VARIABLE: &str = "AMIFORGE_DEB_MIRROR";

/// The mirrors that a machine has settings for.
#[derive(Debug)]
pub(super) struct Mirrors<'a> {
    host: &'a HostSettings,
    /// Address and suite of every entry that apt has.
    apt: Vec<(String, String)>,
}

impl<'a> Mirrors<'a> {
    /// Reads the configuration of the machine's apt.
    pub(super) fn new(host: &'a HostSettings) -> Self {
        Self { host, apt: apt_entries(&host.etc().join("apt")) }
    }

    /// The URL of the mirror of a suite, without a slash at its end.
    ///
    /// # Errors
    /// A sentence that names the variable to set.
    pub(super) fn url_for_suite(&self, archive: &DebArchive, suite: &str) -> Result<String, String> {
        let given = self.variable(&own_variable(archive));
        let mirror = match archive.role {
            ArchiveRole::Security => given.or_else(|| archive.mirror.clone()).or_else(|| {
                self.variable(VARIABLE).map(|main| format!("{}-security", main.trim_end_matches('/')))
            }),
            ArchiveRole::Distribution => archive.mirror.clone().or(given).or_else(|| self.variable(VARIABLE)),
            ArchiveRole::Further => archive.mirror.clone().or(given),
        };
        let mirror = mirror.or_else(|| self.apt_mirror(archive, suite)).ok_or_else(|| {
            let variable = variable_of(archive);
            format!(
                "no mirror of the archive `{}` is configured: set `{variable}` in the environment, or `mirror` in the \
                 recipe, to an address such as `https://deb.example/{}`; apt of this machine has no entry for its \
                 suite `{suite}`",
                archive.name, archive.name
            )
        })?;
        let url = mirror.trim_end_matches('/');
        if ["http://", "https://", "file:///"].iter().any(|scheme| url.starts_with(scheme)) {
            return Ok(url.to_owned());
        }
        Err(format!(
            "the mirror `{}` of the archive `{}` is not an address that begins with `https://`, `http://` or `file:///`",
            without_credentials(url),
            archive.name
        ))
    }

    /// The URL of the mirror of an archive's first suite.
    ///
    /// # Errors
    /// As [`Mirrors::url_for_suite`].
    pub(super) fn url(&self, archive: &DebArchive) -> Result<String, String> {
        self.url_for_suite(archive, archive.suites.first().map(String::as_str).unwrap_or_default())
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.host.variable(name).map(str::to_owned)
    }

    /// The URL of apt's entry for a suite, preferably one that ends in the name of the archive. Without such an entry,
    /// the URL of another suite of the same archive: a mirror has every suite of its distribution, and Release files
    /// are verified by their signatures wherever they come from. Only the suites of the known distributions identify
    /// their archive; other archives use names such as `stable`.
    fn apt_mirror(&self, archive: &DebArchive, suite: &str) -> Option<String> {
        let named = |url: &str| url.trim_end_matches('/').rsplit('/').next() == Some(archive.name.as_str());
        let known = matches!(archive.name.as_str(), "debian" | "debian-security" | "ubuntu");
        let same_suite: Vec<_> =
            self.apt.iter().filter(|(_, own)| own == suite).map(|(url, _)| url).collect();
        let best = same_suite.iter().copied().find(|url| named(url));
        let any = same_suite.first().copied().filter(|_| known);
        let other_suite = || self.apt.iter().map(|(url, _)| url).find(|url| known && named(url));
        best.or(any).or_else(other_suite).cloned()
    }
}

/// The variable of the environment that names the mirror of an archive: the distribution's, or the archive's own.
pub(super) fn variable_of(archive: &DebArchive) -> String {
    if archive.role == ArchiveRole::Distribution { VARIABLE.to_owned() } else { own_variable(archive) }
}

/// The variable of an archive that is not the distribution's.
fn own_variable(archive: &DebArchive) -> String {
    format!("{VARIABLE}_{}", variable_part(&archive.name))
}

/// A name in upper case, with `_` for other characters than letters and digits.
fn variable_part(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// The entries for binary packages in apt's configuration (`sources.list(5)`), in the order in which apt reads them.
fn apt_entries(folder: &Path) -> Vec<(String, String)> {
    let mut files = vec![folder.join("sources.list")];
    let listed = fs::read_dir(folder.join("sources.list.d")).into_iter().flatten().flatten();
    let mut parts: Vec<_> = listed.map(|entry| entry.path()).collect();
    parts.sort();
    files.extend(parts);
    let mut entries = Vec::new();
    for path in files {
        let Ok(text) = amiforge_progress::regular::read_to_string(&path) else { continue };
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("list") => entries.extend(text.lines().filter_map(one_line)),
            Some("sources") => entries.extend(paragraphs(&text)),
            _ => {}
        }
    }
    entries
}

/// Parses `deb [options] URL suite component…`.
fn one_line(line: &str) -> Option<(String, String)> {
    let rest = line.split('#').next()?.trim().strip_prefix("deb")?;
    let rest = rest.strip_prefix([' ', '\t'])?.trim_start();
    let rest = match rest.strip_prefix('[') {
        Some(options) => options.split_once(']')?.1,
        None => rest,
    };
    let mut fields = rest.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
}

/// Parses the paragraphs of a deb822 file.
fn paragraphs(text: &str) -> Vec<(String, String)> {
    let text = control::without_comments(text);
    let mut entries = Vec::new();
    for stanza in control::stanzas(&text).map_while(Result::ok) {
        let values = |name| stanza.get(name).unwrap_or_default().split_whitespace();
        let enabled = !stanza.get("Enabled").is_some_and(|value| value.eq_ignore_ascii_case("no"));
        if enabled && values("Types").any(|kind| kind == "deb") {
            for url in values("URIs") {
                entries.extend(values("Suites").map(|suite| (url.to_owned(), suite.to_owned())));
            }
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deb::source::SignerKeys;

    fn archive(name: &str, role: ArchiveRole) -> DebArchive {
        DebArchive {
            name: name.into(),
            role,
            suites: Vec::new(),
            components: Vec::new(),
            mirror: None,
            apt_mirror: None,
            keys: SignerKeys::Unsigned,
        }
    }

    #[test]
    fn both_forms_of_apts_configuration_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let parts = folder.path().join("sources.list.d");
        fs::create_dir_all(&parts).unwrap();
        fs::write(
            folder.path().join("sources.list"),
            "# deb http://no/debian sid main\ndeb-src http://no/debian x main\n\
             deb [arch=amd64 signed-by=/k] http://a/debian trixie main # why\ndebx\n",
        )
        .unwrap();
        fs::write(
            parts.join("b.sources"),
            "# comment\nTypes: deb deb-src\nURIs: http://b/debian\nSuites: sid\n  experimental\nComponents: main\n\n\
             Types: deb\nEnabled: no\nURIs: http://no/debian\nSuites: sid\n",
        )
        .unwrap();
        fs::write(parts.join("c.list.bak"), "deb http://no/debian sid main\n").unwrap();
        let expected =
            [("http://a/debian", "trixie"), ("http://b/debian", "sid"), ("http://b/debian", "experimental")];
        let expected = expected.map(|(url, suite)| (url.to_owned(), suite.to_owned()));
        assert_eq!(apt_entries(folder.path()), expected);
    }

    #[test]
    fn each_archive_has_a_variable_of_its_own() {
        let archives =
            [archive("debian", ArchiveRole::Distribution), archive("docker ce", ArchiveRole::Further)];
        assert_eq!(
            archives.each_ref().map(variable_of),
            ["AMIFORGE_DEB_MIRROR", "AMIFORGE_DEB_MIRROR_DOCKER_CE"]
        );
    }

    #[test]
    fn the_recipe_goes_before_the_environment_and_that_before_apt() {
        let main = archive("debian", ArchiveRole::Distribution);
        let security = archive("debian-security", ArchiveRole::Security);
        let host = |variables: &[(&str, &str)]| {
            let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            HostSettings::new(owned.collect(), "/nonexistent".into())
        };
        let none = host(&[]);
        let mut mirrors = Mirrors::new(&none);
        let said = mirrors.url_for_suite(&main, "bookworm").unwrap_err();
        assert!(said.contains("AMIFORGE_DEB_MIRROR`") && said.contains("bookworm"), "{said}");
        mirrors.apt = vec![
            ("http://other/x".into(), "bookworm".into()),
            ("http://apt/debian/".into(), "bookworm".into()),
            ("http://apt/docker".into(), "stable".into()),
        ];
        assert_eq!(mirrors.url_for_suite(&main, "bookworm").unwrap(), "http://apt/debian");
        // Another suite of the same archive, which this mirror has; the mirror of another archive does not have it.
        assert_eq!(mirrors.url_for_suite(&main, "trixie").unwrap(), "http://apt/debian");
        assert!(mirrors.url_for_suite(&security, "trixie-security").is_err());
        let own = archive("own", ArchiveRole::Further);
        assert!(mirrors.url_for_suite(&own, "stable").unwrap_err().contains("AMIFORGE_DEB_MIRROR_OWN`"));
        assert_eq!(
            mirrors.url_for_suite(&archive("docker", ArchiveRole::Further), "stable").unwrap(),
            "http://apt/docker"
        );
        let apt = mirrors.apt;
        let one = host(&[(VARIABLE, "file:///m/debian/")]);
        let mirrors = Mirrors { host: &one, apt: apt.clone() };
        assert_eq!(mirrors.url_for_suite(&main, "bookworm").unwrap(), "file:///m/debian");
        assert_eq!(
            mirrors.url_for_suite(&security, "bookworm-security").unwrap(),
            "file:///m/debian-security"
        );
        let two =
            host(&[(VARIABLE, "file:///m/debian/"), ("AMIFORGE_DEB_MIRROR_DEBIAN_SECURITY", "https://s")]);
        let mirrors = Mirrors { host: &two, apt: apt.clone() };
        assert_eq!(mirrors.url_for_suite(&security, "bookworm-security").unwrap(), "https://s");
        let given = DebArchive { mirror: Some("https://recipe/debian".into()), ..main };
        assert_eq!(mirrors.url_for_suite(&given, "bookworm").unwrap(), "https://recipe/debian");
        let bad = host(&[("AMIFORGE_DEB_MIRROR_OWN", "ftp://x")]);
        let mirrors = Mirrors { host: &bad, apt };
        assert!(mirrors.url_for_suite(&own, "stable").unwrap_err().contains("`ftp://x`"));
    }
}
