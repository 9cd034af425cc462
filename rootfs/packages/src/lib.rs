//! Packages: from a signed archive to a locked set, from a locked set to a configured tree.
//!
//! [`locked`] is what passes between the halves: one half (signature, release, index, resolve) decides which packages,
//! the other (unpack, configure) takes them apart. Neither opens a network connection: bytes come in from outside.

pub mod configure;
pub mod deb;
pub mod filters;
pub mod locked;
pub mod signature;
