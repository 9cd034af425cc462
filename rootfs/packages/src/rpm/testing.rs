//! Sources of packages in a few texts, for the tests of this folder.

use super::available::{AvailablePackage, StatedChecksum};
use super::distributions::PRIORITY;
use super::evr::Evr;
use super::source::{
    MetadataSignature, ModularPackages, RepositoryAddress, RepositoryRole, RepositorySigners, RpmRepository,
    RpmSource,
};
use crate::backend::{Recommends, Scripts};
use crate::path_filters::{PathFilters, Stays};

/// A repository whose packages are trusted unsigned.
pub(super) fn repository(name: &str, url: &str) -> RpmRepository {
    RpmRepository {
        name: name.to_owned(),
        role: RepositoryRole::Further,
        address: RepositoryAddress::Base(url.to_owned()),
        keys: RepositorySigners::Unsigned,
        metadata: MetadataSignature::NotRequired,
        priority: PRIORITY,
        modules: ModularPackages::Refuse,
        machine_url: None,
    }
}

/// A source of nothing but these repositories.
pub(super) fn source(repositories: Vec<RpmRepository>) -> RpmSource {
    RpmSource {
        distribution: "mini".to_owned(),
        release: "1".to_owned(),
        arch: "x86_64".to_owned(),
        repositories,
        packages: Vec::new(),
        without: Vec::new(),
        recommends: Recommends::Leave,
        scripts: Scripts::None,
        filters: PathFilters {
            exclude: Vec::new(),
            include: Vec::new(),
            docs: Stays::Yes,
            man: Stays::Yes,
            locales: None,
        },
        mirror: None,
        repo_files: true,
    }
}

/// A package of the first repository.
pub(super) fn package(name: &str) -> AvailablePackage {
    AvailablePackage {
        name: name.to_owned(),
        evr: Evr::parse("1-1"),
        arch: "x86_64".to_owned(),
        repository: 0,
        checksum: StatedChecksum { algorithm: "sha256".to_owned(), hex: "00".repeat(32) },
        size: 1,
        path: format!("Packages/{name}.rpm"),
        base: None,
        header_range: None,
        source: format!("{name}-1-1.src.rpm"),
        provides: Vec::new(),
        requires: Vec::new(),
        conflicts: Vec::new(),
        obsoletes: Vec::new(),
        recommends: Vec::new(),
        suggests: Vec::new(),
        supplements: Vec::new(),
        enhances: Vec::new(),
        files: Vec::new(),
    }
}
