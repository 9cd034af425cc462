//! Steps: what makes a merged tree a system. One file per thing that is put in the tree; each takes the tree, a
//! plain spec and the time of the build, and knows nothing of recipes, disks or the host.
//!
//! The order that gives a recipe its meaning: [`apt_sources`], [`accounts`], [`files`], [`system`], [`first_boot`], [`units`], [`fstab`],
//! then [`crate::normalize`] and [`service_keys`], and last [`kernel_hook`]. Files may so belong to users of the recipe, and units may come from `[[file]]`.

pub mod accounts;
pub mod acl;
pub mod apt_sources;
pub mod capability;
pub mod error;
pub mod files;
pub mod first_boot;
pub mod fstab;
pub mod kernel_hook;
pub mod missing;
#[cfg(test)]
mod path_tests;
pub mod probe;
pub mod service_keys;
pub mod system;
#[cfg(test)]
pub(crate) mod testing;
pub mod units;
mod write;

pub use error::StepError;
