//! The kinds of package: the only list of them. A new kind is a folder beside `deb/`, and a row in each enum here.

use crate::backend::{Backend, PackageFormat};
use crate::deb::{DebFormat, DebSource};

/// A kind of package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum PackageKind {
    /// `.deb` files of Debian and its derivatives. A lock that names no kind is of this one.
    #[default]
    Deb,
}

/// The packages of a recipe: a source of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackageSource {
    /// Archives of Debian packages.
    Deb(DebSource),
}

impl PackageKind {
    /// Every kind.
    pub const ALL: [Self; 1] = [Self::Deb];

    /// Its name in locks and manifests, and its type in package URLs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deb => "deb",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What all packages of the kind have in common.
    pub fn format(self) -> &'static dyn PackageFormat {
        match self {
            Self::Deb => &DebFormat,
        }
    }
}

impl PackageSource {
    /// The operations on it.
    pub fn backend(&self) -> &dyn Backend {
        match self {
            Self::Deb(source) => source,
        }
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
