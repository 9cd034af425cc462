//! Configuring unpacked packages, so that a tree becomes a system. [`run`] lets the packages' own scripts do it, in
//! the sandbox; [`native`] computes what they would do and runs nothing.

mod attribution;
pub mod debconf;
pub(in crate::deb) mod deferred;
pub mod native;
mod order;
pub mod run;
