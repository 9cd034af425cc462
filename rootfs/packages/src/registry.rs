//! The implementation of each kind of package: the only list. A new kind is a folder beside `deb/`, a variant in
//! [`PackageKind`], and a row in each function here.

use crate::PackageKind;
use crate::backend::{Backend, PackageFormat};
use crate::deb::{DebFormat, DebSource};
use crate::rpm::{RpmFormat, RpmSource};

/// The packages of a recipe: a source of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackageSource {
    /// Archives of Debian packages.
    Deb(DebSource),
    /// Repositories of rpm packages.
    Rpm(RpmSource),
}

impl PackageSource {
    /// The operations on it.
    pub fn backend(&self) -> &dyn Backend {
        match self {
            Self::Deb(source) => source,
            Self::Rpm(source) => source,
        }
    }
}

impl PackageKind {
    /// The operations on all packages of the kind.
    pub fn format(self) -> &'static dyn PackageFormat {
        match self {
            Self::Deb => &DebFormat,
            Self::Rpm => &RpmFormat,
        }
    }
}
