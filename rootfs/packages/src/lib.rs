//! Packages: from a signed archive to a locked set, from a locked set to a configured tree.
//!
//! [`PackageKind`] lists the kinds, [`backend`] has the traits of a kind, [`registry`] what implements each. [`locked`] is what
//! passes between the halves of a kind: one half (signatures, indexes, resolution) decides which packages, the other
//! (unpacking, configuration) takes them apart. Neither opens a network connection: bytes come in through
//! [`backend::RepositoryAccess`].

pub mod backend;
pub mod configure;
pub mod deb;
mod error;
pub mod filters;
pub mod host;
pub mod installed;
pub mod locked;
pub mod over;
pub mod path_filters;
mod placed;
pub mod registry;
pub mod rpm;
pub mod settings;
pub mod signature;
pub mod unpack;

pub use registry::PackageSource;

/// A kind of package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum PackageKind {
    /// `.deb` files of Debian and its derivatives. A lock that names no kind is of this one.
    #[default]
    Deb,
    /// `.rpm` files of Amazon Linux, Fedora and their kin.
    Rpm,
}

impl PackageKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Deb, Self::Rpm];

    /// Its name in locks and manifests, and its type in package URLs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Rpm => "rpm",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_known_by_its_name() {
        for kind in PackageKind::ALL {
            assert_eq!(PackageKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(PackageKind::from_name("zip"), None);
    }
}
