//! Packages of deb archives: from a signed archive to a locked set, from a locked set to a tree.
//!
//! [`locked`] is what passes between the halves: one half (signature, release, index,
//! resolve) decides which packages, the other (unpack, configure) takes them apart. Neither opens a network connection: bytes come in from outside.

pub mod control;
pub mod database;
pub mod deb;
pub mod diversions;
pub mod filters;
pub mod index;
pub mod inflate;
pub mod locked;
pub mod relation;
pub mod release;
pub mod resolve;
pub mod signature;
pub mod unpack;
pub mod version;
