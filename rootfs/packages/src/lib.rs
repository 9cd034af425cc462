//! Packages: from a signed archive to a locked set, from a locked set to a configured tree.
//!
//! [`backend`] has the traits of a kind of package and [`registry`] the kinds; [`deb`] is one of them. [`locked`] is what
//! passes between the halves of a kind: one half (signatures, indexes, resolution) decides which packages, the other
//! (unpacking, configuration) takes them apart. Neither opens a network connection: bytes come in through
//! [`backend::RepositoryAccess`].

pub mod backend;
pub mod configure;
pub mod deb;
pub mod filters;
pub mod host;
pub mod installed;
pub mod locked;
pub mod registry;
pub mod signature;

pub use registry::{PackageKind, PackageSource};
