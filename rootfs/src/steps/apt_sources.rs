//! Configures the package sources of apt, from which a machine gets upgrades: the archives that the image was built from,
//! each with the keys that sign it, and preferences among versions. Knows no mirror: addresses are given.
//!
//! Follows sources.list(5), deb822 style, and `apt_preferences(5)`.

use std::fmt::Write as _;

use amiforge_formats::path::{self, PathError};
use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Tree};

use super::error::StepError;
use super::probe::has_entry;
use super::write::replace_file;

/// The program that reads the sources; without it nothing is written.
const APT_GET: &[u8] = b"/usr/bin/apt-get";

/// Path and text of a configuration that keeps cloud-init from replacing the sources at the first boot.
const CLOUD_INIT: (&str, &str) = (
    "/etc/cloud/cloud.cfg.d/05_amiforge-apt.cfg",
    "# The sources of apt are those that the image was made with.\napt:\n  preserve_sources_list: true\n",
);

/// A package archive, an entry of a sources file.
#[derive(Debug, Clone)]
pub struct AptArchive {
    /// Name of the file: `debian` for `/etc/apt/sources.list.d/debian.sources`. Archives with the same name share a file.
    pub file: String,
    /// Base URI.
    pub uri: String,
    /// Suites.
    pub suites: Vec<String>,
    /// Components.
    pub components: Vec<String>,
    /// The keys that sign it.
    pub signed_by: SignedBy,
}

/// The keys that sign an archive.
#[derive(Debug, Clone)]
pub enum SignedBy {
    /// Keys that a package of this distribution installs in `/usr/share/keyrings`.
    Packaged {
        /// The distribution.
        distribution: String,
    },
    /// These keys, which are written to `/etc/apt/keyrings` under the name of the archive.
    Keyring {
        /// Name of the archive.
        name: String,
        /// The keys, armored or not.
        keys: Content,
    },
    /// None: the archive is trusted unsigned.
    Unsigned,
}

/// A preference among versions, as in `apt_preferences(5)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preference {
    /// Name of the packages; `*` and `?` as in a shell.
    pub package: String,
    /// The versions that it applies to.
    pub versions: Versions,
    /// The priority of these versions, not 0.
    pub priority: i16,
}

/// The versions that a preference applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Versions {
    /// Those that match the pattern.
    Matching(String),
    /// Those of a suite, by its `Suite` or its `Codename`.
    OfSuite(String),
}

/// Path of the preferences.
const PREFERENCES: &str = "/etc/apt/preferences.d/amiforge.pref";

/// Writes the sources and preferences, and returns warnings. Does nothing in a tree without apt; existing sources are kept.
///
/// # Errors
/// [`StepError::AptSources`] when a path of the tree cannot be resolved.
pub fn install(
    tree: &mut Tree,
    sources: &dyn Sources,
    archives: &[AptArchive],
    preferences: &[Preference],
    time: Time,
) -> Result<Vec<String>, StepError> {
    let written = write_sources(tree, sources, archives, time).and_then(|warnings| {
        write_preferences(tree, preferences, time)?;
        Ok(warnings)
    });
    written.map_err(StepError::AptSources)
}

fn write_sources(
    tree: &mut Tree,
    sources: &dyn Sources,
    archives: &[AptArchive],
    time: Time,
) -> Result<Vec<String>, PathError> {
    let mut warnings = Vec::new();
    if archives.is_empty() || path::find(tree, APT_GET)?.is_none() || has_sources_list(tree, sources)? {
        return Ok(warnings);
    }
    let mut texts: Vec<(&str, String)> = Vec::new();
    for archive in archives {
        let signed = signed_by_line(tree, archive, time, &mut warnings)?;
        let stanza = stanza(archive, &signed);
        match texts.iter_mut().find(|(file, _)| *file == archive.file) {
            Some((_, text)) => {
                text.push('\n');
                text.push_str(&stanza);
            }
            None => texts.push((&archive.file, stanza)),
        }
    }
    for (file, text) in texts {
        write_if_absent(tree, &format!("/etc/apt/sources.list.d/{file}.sources"), text.as_bytes(), time)?;
    }
    if path::find(tree, b"/etc/cloud/cloud.cfg.d")?.is_some() {
        write_if_absent(tree, CLOUD_INIT.0, CLOUD_INIT.1.as_bytes(), time)?;
    }
    Ok(warnings)
}

/// Writes the preferences in the given order, in which the first that matches counts. They apply to sources of any origin,
/// so they are also written where the tree has sources already.
fn write_preferences(tree: &mut Tree, preferences: &[Preference], time: Time) -> Result<(), PathError> {
    if preferences.is_empty() || path::find(tree, APT_GET)?.is_none() {
        return Ok(());
    }
    let stanza = |Preference { package, versions, priority }: &Preference| {
        let pin = match versions {
            Versions::Matching(pattern) => format!("version {pattern}"),
            // A value without a key is compared with `Suite` and `Codename`.
            Versions::OfSuite(suite) => format!("release {suite}"),
        };
        format!("Package: {package}\nPin: {pin}\nPin-Priority: {priority}\n")
    };
    let text = preferences.iter().map(stanza).collect::<Vec<_>>().join("\n");
    write_if_absent(tree, PREFERENCES, text.as_bytes(), time)
}

/// Whether `/etc/apt/sources.list`, the older format, has an entry.
fn has_sources_list(tree: &Tree, sources: &dyn Sources) -> Result<bool, PathError> {
    let text = path::read(tree, sources, b"/etc/apt/sources.list")?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().any(|line| line.trim_start().starts_with("deb")))
}

/// The `Signed-By` or `Trusted` line of an archive; writes its keyring and adds a warning where keys are missing.
fn signed_by_line(
    tree: &mut Tree,
    archive: &AptArchive,
    time: Time,
    warnings: &mut Vec<String>,
) -> Result<String, PathError> {
    match &archive.signed_by {
        SignedBy::Unsigned => Ok("Trusted: yes".to_owned()),
        SignedBy::Keyring { name, keys } => {
            let armored =
                matches!(keys, Content::Inline(bytes) if bytes.trim_ascii_start().starts_with(b"-----"));
            let path = format!("/etc/apt/keyrings/{name}.{}", if armored { "asc" } else { "gpg" });
            replace_file(tree, &path, keys.clone(), 0o644, time)?;
            Ok(format!("Signed-By: {path}"))
        }
        SignedBy::Packaged { distribution } => {
            let path = |ending| format!("/usr/share/keyrings/{distribution}-archive-keyring.{ending}");
            for path in ["gpg", "pgp", "asc"].map(path) {
                if path::find(tree, path.as_bytes())?.is_some() {
                    return Ok(format!("Signed-By: {path}"));
                }
            }
            let path = path("gpg");
            warnings.push(format!(
                "the image has no `{path}`, so apt will refuse `{}`: add the package that installs it, or give the keys as \
                 `keyring` in the recipe",
                archive.uri
            ));
            Ok(format!("Signed-By: {path}"))
        }
    }
}

/// An archive in deb822 syntax.
fn stanza(archive: &AptArchive, signed: &str) -> String {
    let mut text = String::new();
    let (suites, components) = (archive.suites.join(" "), archive.components.join(" "));
    let _ = write!(
        text,
        "Types: deb\nURIs: {}\nSuites: {suites}\nComponents: {components}\n{signed}\n",
        archive.uri
    );
    text
}

/// Writes a file unless its path exists.
fn write_if_absent(tree: &mut Tree, path: &str, bytes: &[u8], time: Time) -> Result<(), PathError> {
    if has_entry(tree, path)? {
        return Ok(());
    }
    replace_file(tree, path, Content::Inline(bytes.into()), 0o644, time)
}

#[cfg(test)]
mod tests {
    use amiforge_formats::plan::NoSources;
    use amiforge_formats::tree::Meta;

    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        for (path, text) in files {
            path::write(&mut tree, path.as_bytes(), text.as_bytes(), 0o644, Time::EPOCH).unwrap();
        }
        tree
    }

    fn debian(uri: &str, suite: &str) -> AptArchive {
        AptArchive {
            file: "debian".to_owned(),
            uri: uri.to_owned(),
            suites: vec![suite.to_owned()],
            components: vec!["main".to_owned(), "contrib".to_owned()],
            signed_by: SignedBy::Packaged { distribution: "debian".to_owned() },
        }
    }

    fn text(tree: &Tree, path: &str) -> Option<String> {
        let bytes = path::read(tree, &NoSources, path.as_bytes()).unwrap()?;
        Some(String::from_utf8(bytes).unwrap())
    }

    const LIST: &str = "/etc/apt/sources.list.d/debian.sources";

    #[test]
    fn archives_are_written_with_the_keys_that_they_are_signed_with() {
        let keyring = "usr/share/keyrings/debian-archive-keyring.pgp";
        let mut system = tree(&[("usr/bin/apt-get", ""), (keyring, "k"), ("etc/cloud/cloud.cfg.d/x", "")]);
        let own = AptArchive {
            file: "own".to_owned(),
            signed_by: SignedBy::Keyring {
                name: "own".to_owned(),
                keys: Content::Inline(b"\n-----BEGIN PGP".as_slice().into()),
            },
            ..debian("https://own.example/x", "stable")
        };
        let unsigned = AptArchive { file: "lab".to_owned(), signed_by: SignedBy::Unsigned, ..own.clone() };
        let all = [
            debian("http://a/debian", "sid"),
            debian("http://b/debian-security", "sid-security"),
            own,
            unsigned,
        ];
        let warnings = install(&mut system, &NoSources, &all, &[], Time::EPOCH).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        let stanza = |uri: &str, suite: &str| {
            format!(
                "Types: deb\nURIs: {uri}\nSuites: {suite}\nComponents: main contrib\nSigned-By: /{keyring}\n"
            )
        };
        let both = [stanza("http://a/debian", "sid"), stanza("http://b/debian-security", "sid-security")];
        assert_eq!(text(&system, LIST).unwrap(), both.join("\n"));
        let own = text(&system, "/etc/apt/sources.list.d/own.sources").unwrap();
        assert!(own.ends_with("Signed-By: /etc/apt/keyrings/own.asc\n"), "{own}");
        assert!(text(&system, "/etc/apt/keyrings/own.asc").is_some());
        assert!(text(&system, "/etc/apt/sources.list.d/lab.sources").unwrap().ends_with("Trusted: yes\n"));
        assert!(text(&system, CLOUD_INIT.0).unwrap().contains("preserve_sources_list: true"));
    }

    #[test]
    fn missing_keys_cause_a_warning() {
        let mut system = tree(&[("usr/bin/apt-get", "")]);
        let warnings =
            install(&mut system, &NoSources, &[debian("http://a/debian", "sid")], &[], Time::EPOCH).unwrap();
        assert!(warnings[0].contains("/usr/share/keyrings/debian-archive-keyring.gpg"), "{warnings:?}");
        assert!(text(&system, CLOUD_INIT.0).is_none(), "there is no cloud-init");
    }

    #[test]
    fn existing_sources_are_kept_and_without_apt_none_are_written() {
        let archives = [debian("http://a/debian", "sid")];
        for (files, expected) in [
            (vec![("usr/bin/apt-get", ""), ("etc/apt/sources.list", " deb http://x/ sid main\n")], None),
            (vec![("usr/bin/apt-get", ""), ("etc/apt/sources.list.d/debian.sources", "mine")], Some("mine")),
            (vec![("usr/bin/dpkg", "")], None),
        ] {
            let mut system = tree(&files);
            install(&mut system, &NoSources, &archives, &[], Time::EPOCH).unwrap();
            assert_eq!(text(&system, LIST).as_deref(), expected, "{files:?}");
        }
    }

    #[test]
    fn preferences_are_written_for_sources_of_any_origin() {
        let pin = |package: &str, versions, priority| Preference {
            package: package.to_owned(),
            versions,
            priority,
        };
        let pins = [
            pin("linux-*", Versions::OfSuite("sid-backports".to_owned()), 990),
            pin("nginx", Versions::Matching("1.22*".to_owned()), -5),
        ];
        let written = "Package: linux-*\nPin: release sid-backports\nPin-Priority: 990\n\n\
                       Package: nginx\nPin: version 1.22*\nPin-Priority: -5\n";
        for (files, expected) in [
            (vec![("usr/bin/apt-get", "")], Some(written)),
            (
                vec![("usr/bin/apt-get", ""), ("etc/apt/sources.list", "deb http://x/ sid main\n")],
                Some(written),
            ),
            (vec![("usr/bin/apt-get", ""), ("etc/apt/preferences.d/amiforge.pref", "mine")], Some("mine")),
            (vec![("usr/bin/dpkg", "")], None),
        ] {
            let mut system = tree(&files);
            install(&mut system, &NoSources, &[], &pins, Time::EPOCH).unwrap();
            assert_eq!(text(&system, PREFERENCES).as_deref(), expected, "{files:?}");
        }
        let mut system = tree(&[("usr/bin/apt-get", "")]);
        install(&mut system, &NoSources, &[], &[], Time::EPOCH).unwrap();
        assert_eq!(text(&system, PREFERENCES), None, "no preferences were given");
    }
}
