//! Sources of packages in a few texts, for the tests of this folder.

use super::distributions::PRIORITY;
use super::source::{
    MetadataSignature, ModularPackages, RepositoryAddress, RepositoryKeys, RepositoryRole, RpmRepository,
    RpmSource,
};
use crate::backend::{Recommends, Scripts};
use crate::filters::{PathFilters, Stays};

/// A repository whose packages are trusted unsigned.
pub(super) fn repository(name: &str, url: &str) -> RpmRepository {
    RpmRepository {
        name: name.to_owned(),
        role: RepositoryRole::Further,
        address: RepositoryAddress::Base(url.to_owned()),
        keys: RepositoryKeys::Unsigned,
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
