//! Configuring unpacked packages, so that a tree becomes a system. [`run`] lets the packages' own scripts do it, in
//! the sandbox; [`native`] computes what they would do and runs nothing.

mod account_ids;
mod blame;
pub mod debconf;
mod later;
pub mod native;
mod order;
pub mod run;
mod stand_in;

pub use account_ids::AccountIds;
