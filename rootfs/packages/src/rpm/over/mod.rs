//! rpm packages over a system that exists already: what the lock reads of its database and how it chooses, and the installation by
//! the system's own rpm, in the sandbox, where scripts and triggers see an upgrade where it is one.
//!
//! dnf(8), rpm(8). The choice is that of `dnf remove --noautoremove` of what the recipe leaves out, then of `dnf upgrade` as far as
//! its policy goes, then of `dnf install`, all in one.

mod base;
mod choose;
mod error;
mod install;
mod present;
mod removal;
mod settle;
#[cfg(test)]
mod tests;

pub use self::base::{RpmBase, installed_package};
pub(super) use self::choose::{OverChoice, OverRequest, choose};
pub use self::error::RpmOverError;
pub(super) use self::install::install;
