//! Sources of packages in a few texts, for the tests of this folder.

use super::resolve::BasePackages;
use super::source::{ArchiveRole, DebArchive, DebSource, SignerKeys, WhenExpired};
use crate::backend::{Recommends, Scripts};
use crate::path_filters::{PathFilters, Stays};

/// An archive that is trusted unsigned.
pub(super) fn archive(name: &str, role: ArchiveRole, suites: &[&str]) -> DebArchive {
    DebArchive {
        name: name.to_owned(),
        role,
        suites: suites.iter().map(|suite| (*suite).to_owned()).collect(),
        components: vec!["main".to_owned()],
        mirror: None,
        apt_mirror: None,
        keys: SignerKeys::Unsigned,
    }
}

/// A source that takes nothing but required packages from these archives.
pub(super) fn source(archives: Vec<DebArchive>) -> DebSource {
    DebSource {
        archives,
        arch: "amd64".to_owned(),
        foreign: Vec::new(),
        base: BasePackages::Required,
        packages: Vec::new(),
        without: Vec::new(),
        recommends: Recommends::Leave,
        pins: Vec::new(),
        expired: WhenExpired::Refuse,
        scripts: Scripts::Run,
        filters: PathFilters {
            exclude: Vec::new(),
            include: Vec::new(),
            docs: Stays::Yes,
            man: Stays::Yes,
            locales: None,
        },
        apt_sources: true,
    }
}

/// The text of a dpkg status: name, version and wish of each package.
pub(super) fn status_of(packages: &[(&str, &str, &str)]) -> String {
    let stanza = |(name, version, wish): &(&str, &str, &str)| {
        format!("Package: {name}\nStatus: {wish} ok installed\nVersion: {version}\nArchitecture: amd64\n\n")
    };
    packages.iter().map(stanza).collect()
}

/// The text of an index: name and version of each package.
pub(super) fn index_of(packages: &[(&str, &str)]) -> String {
    let stanza = |(name, version): &(&str, &str)| {
        let digest = amiforge_formats::digest::Digest::of(format!("{name} {version}").as_bytes());
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: {name}.deb\nSize: 1\nSHA256: {digest}\n\n"
        )
    };
    packages.iter().map(stanza).collect()
}
