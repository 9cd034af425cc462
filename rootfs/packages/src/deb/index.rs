//! The index of an archive: `Packages`, one stanza for each package (Debian wiki, `RepositoryFormat`). Borrows from the
//! text; [`super::resolve`] interprets the relations.

use amiforge_formats::digest::Digest;

use super::control::{self, ControlError, Stanza};
use super::relation;
use amiforge_rootfs::version;

/// Why an index cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The text is no control file.
    #[error("the index cannot be read")]
    Control(#[from] ControlError),
    /// A field that a package must have.
    #[error("the package in line {line} has no field `{field}`")]
    Missing {
        /// Line in which the stanza begins, the first being 1.
        line: usize,
        /// Name of the field.
        field: &'static str,
    },
    /// An installed package that dpkg left in the middle of something.
    #[error(
        "the package `{name}` is in the state `{state}`: let `dpkg --configure -a` or `dpkg --audit` mend it where the image was made"
    )]
    State {
        /// Its name.
        name: String,
        /// Its state (dpkg(1), "Package states").
        state: String,
    },
    /// A field that cannot be read.
    #[error("the package in line {line} says `{field}: {value}`, which is no {kind}")]
    Malformed {
        /// Line in which the stanza begins, the first being 1.
        line: usize,
        /// Name of the field.
        field: &'static str,
        /// Its value.
        value: String,
        /// The expected form.
        kind: &'static str,
    },
}

/// Priority of a package, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// No system works without it.
    Required,
    /// Every system of this kind is expected to have it.
    Important,
    /// Part of a small system with interactive logins.
    Standard,
    /// All else.
    Optional,
    /// In older archives, packages that conflict with others.
    Extra,
}

/// The relation of a package to other architectures (`Multi-Arch`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MultiArch {
    /// Serves its own architecture only.
    No,
    /// Can be installed for several architectures at once.
    Same,
    /// Serves every architecture.
    Foreign,
    /// Serves another one where the dependency says `:any`.
    Allowed,
}

/// A package of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package<'a> {
    /// Name.
    pub name: &'a str,
    /// Version.
    pub version: &'a str,
    /// Architecture, or `all`.
    pub arch: &'a str,
    /// `Source` without its version: the name of the package itself where none is given.
    pub source: &'a str,
    /// Its relation to other architectures.
    pub multi_arch: MultiArch,
    /// `Essential: yes`.
    pub essential: bool,
    /// `Protected: yes` or `Important: yes`: hardly ever to be removed.
    pub protected: bool,
    /// Whether it is installed and on hold: upgrades leave it alone.
    pub held: bool,
    /// Priority; `Optional` where it has none.
    pub priority: Priority,
    /// `Pre-Depends`.
    pub pre_depends: &'a str,
    /// `Depends`.
    pub depends: &'a str,
    /// `Recommends`.
    pub recommends: &'a str,
    /// `Suggests`.
    pub suggests: &'a str,
    /// `Conflicts`.
    pub conflicts: &'a str,
    /// `Breaks`.
    pub breaks: &'a str,
    /// `Replaces`.
    pub replaces: &'a str,
    /// `Enhances`.
    pub enhances: &'a str,
    /// `Provides`.
    pub provides: &'a str,
    /// `Filename`: path below the archive's root; empty of one that is installed.
    pub path: &'a str,
    /// Length of the `.deb`.
    pub size: u64,
    /// Digest of the `.deb`.
    pub sha256: Digest,
}

/// The packages of an index, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageIndex<'a> {
    /// The packages.
    pub packages: Vec<Package<'a>>,
}

impl<'a> PackageIndex<'a> {
    /// Reads the text of a `Packages`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, IndexError> {
        let stanzas = control::stanzas(control::text(bytes)?);
        let packages = stanzas.map(|stanza| package(&stanza?)).collect::<Result<_, _>>()?;
        Ok(Self { packages })
    }

    /// Reads the text of dpkg's `status`: the packages that are installed. They have no file.
    ///
    /// # Errors
    /// Those of an index, and [`IndexError::State`] of a package that dpkg left in the middle of something.
    pub fn parse_status(bytes: &'a [u8]) -> Result<Self, IndexError> {
        let mut packages = Vec::new();
        for stanza in control::stanzas(control::text(bytes)?) {
            let stanza = stanza?;
            let line = stanza.line();
            let status = stanza.get("Status").ok_or(IndexError::Missing { line, field: "Status" })?;
            let state = status.split_whitespace().last().unwrap_or_default();
            match state {
                "installed" | "triggers-awaited" | "triggers-pending" => {
                    packages.push(described(&stanza, InArchive::default())?);
                }
                "not-installed" | "config-files" => {}
                _ => {
                    let name = stanza.get("Package").unwrap_or_default();
                    let (name, state) = (name.chars().take(80).collect(), state.chars().take(80).collect());
                    return Err(IndexError::State { name, state });
                }
            }
        }
        Ok(Self { packages })
    }
}

/// What only an archive says of a package: the file that it is.
#[derive(Debug, Clone, Copy)]
struct InArchive<'a> {
    path: &'a str,
    size: u64,
    sha256: Digest,
}

impl Default for InArchive<'_> {
    fn default() -> Self {
        Self { path: "", size: 0, sha256: Digest([0; 32]) }
    }
}

/// A package of an archive.
fn package<'a>(stanza: &Stanza<'a>) -> Result<Package<'a>, IndexError> {
    let line = stanza.line();
    let must = |field| stanza.get(field).ok_or(IndexError::Missing { line, field });
    let path = must("Filename")?;
    let path = if is_path(path) {
        path
    } else {
        return Err(malformed(line, "Filename", path, "path below the archive"));
    };
    let size = must("Size")?;
    let size = size.parse().map_err(|_| malformed(line, "Size", size, "number"))?;
    let digest = must("SHA256")?;
    let sha256 = digest.parse().map_err(|_| malformed(line, "SHA256", digest, "digest"))?;
    described(stanza, InArchive { path, size, sha256 })
}

fn malformed(line: usize, field: &'static str, value: &str, kind: &'static str) -> IndexError {
    IndexError::Malformed { line, field, value: value.chars().take(80).collect(), kind }
}

/// A package by what it says of itself.
fn described<'a>(stanza: &Stanza<'a>, file: InArchive<'a>) -> Result<Package<'a>, IndexError> {
    let line = stanza.line();
    let must = |field| stanza.get(field).ok_or(IndexError::Missing { line, field });
    let may = |field| stanza.get(field).unwrap_or_default();
    let yes = |field| stanza.get(field).is_some_and(|value| value.eq_ignore_ascii_case("yes"));
    let checked = |field, kind, is: fn(&str) -> bool| {
        must(field)
            .and_then(|value| if is(value) { Ok(value) } else { Err(malformed(line, field, value, kind)) })
    };
    let name = checked("Package", "name of a package", relation::is_name)?;
    Ok(Package {
        name,
        version: checked("Version", "version", version::is_version)?,
        arch: checked("Architecture", "architecture", relation::is_name)?,
        source: stanza.get("Source").and_then(|source| source.split_whitespace().next()).unwrap_or(name),
        multi_arch: match may("Multi-Arch") {
            "same" => MultiArch::Same,
            "foreign" => MultiArch::Foreign,
            "allowed" => MultiArch::Allowed,
            _ => MultiArch::No,
        },
        essential: yes("Essential"),
        protected: yes("Protected") || yes("Important"),
        held: may("Status").split_whitespace().next() == Some("hold"),
        priority: match may("Priority") {
            "required" => Priority::Required,
            "important" => Priority::Important,
            "standard" => Priority::Standard,
            "extra" => Priority::Extra,
            _ => Priority::Optional,
        },
        pre_depends: may("Pre-Depends"),
        depends: may("Depends"),
        recommends: may("Recommends"),
        suggests: may("Suggests"),
        conflicts: may("Conflicts"),
        breaks: may("Breaks"),
        replaces: may("Replaces"),
        enhances: may("Enhances"),
        provides: may("Provides"),
        path: file.path,
        size: file.size,
        sha256: file.sha256,
    })
}

/// A relative path that stays where it begins; it becomes part of an address.
fn is_path(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('/')
        && text.split('/').all(|part| part != "..")
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\?#".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn stanza(more: &str) -> String {
        format!(
            "Package: a\nVersion: 1-1\nArchitecture: amd64\nFilename: pool/a.deb\nSize: 3\nSHA256: {DIGEST}\n{more}\n"
        )
    }

    #[test]
    fn a_package_is_read_with_what_it_leaves_out() {
        let text =
            stanza("Multi-Arch: same\nEssential: yes\nPriority: required\nsource: b (2)\nDepends: c,\n d\n");
        let index = PackageIndex::parse(text.as_bytes()).unwrap();
        let package = &index.packages[0];
        assert_eq!((package.name, package.source, package.depends), ("a", "b", "c,\n d"));
        assert_eq!(
            (package.multi_arch, package.essential, package.protected),
            (MultiArch::Same, true, false)
        );
        assert_eq!((package.priority, package.provides, package.size), (Priority::Required, "", 3));
    }

    #[test]
    fn installed_packages_are_read_from_the_status() {
        let status = |state: &str, name: &str| {
            format!(
                "Package: {name}\nStatus: install ok {state}\nVersion: 1\nArchitecture: all\nDepends: b\n\n"
            )
        };
        let text =
            [status("installed", "a"), status("config-files", "b"), status("triggers-pending", "c")].concat();
        let index = PackageIndex::parse_status(text.as_bytes()).unwrap();
        let names: Vec<_> =
            index.packages.iter().map(|package| (package.name, package.depends, package.path)).collect();
        assert_eq!(names, [("a", "b", ""), ("c", "b", "")]);
        let text = status("half-configured", "d");
        let error = PackageIndex::parse_status(text.as_bytes()).unwrap_err();
        assert_eq!(error, IndexError::State { name: "d".to_owned(), state: "half-configured".to_owned() });
    }

    #[test]
    fn missing_required_fields_are_reported_with_their_line() {
        let text = format!("{}{}", stanza(""), stanza("").replace("Size: 3\n", ""));
        assert_eq!(PackageIndex::parse(text.as_bytes()), Err(IndexError::Missing { line: 8, field: "Size" }));
        for (good, bad) in [
            ("Package: a", "Package: a b"),
            ("Version: 1-1", "Version: one/two"),
            ("Filename: pool/a.deb", "Filename: ../a.deb"),
            ("Filename: pool/a.deb", "Filename: /a.deb"),
            ("Size: 3", "Size: -3"),
            ("SHA256: e", "SHA256: "),
        ] {
            let text = stanza("").replace(good, bad);
            assert!(
                matches!(PackageIndex::parse(text.as_bytes()), Err(IndexError::Malformed { line: 1, .. })),
                "{bad}"
            );
        }
    }
}
