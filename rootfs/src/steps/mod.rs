//! Steps that configure a merged tree as a system. Each has a module of its own, takes the tree, a plain spec and the build
//! time, and knows nothing of recipes, disks or the host.
//!
//! The order is part of the meaning of a recipe: [`apt_sources`], [`accounts`], [`files`], [`system`], [`first_boot`],
//! [`units`], [`fstab`], then `normalize` and [`service_keys`], [`provenance`], [`verified_root`],
//! [`kernel_hook`], and last [`selinux`], for the trees of the file systems. So files can belong to users of the recipe, and units can come from `[[file]]`.

pub mod accounts;
pub mod acl;
pub mod apt_sources;
pub mod capability;
pub mod error;
pub mod files;
pub mod first_boot;
pub mod fstab;
pub mod grub_menu;
pub mod kernel_hook;
pub mod missing;
#[cfg(test)]
mod path_tests;
pub mod probe;
pub mod provenance;
pub mod selinux;
pub mod service_keys;
pub mod system;
#[cfg(test)]
pub(crate) mod testing;
pub mod units;
pub mod verified_root;
mod write;

pub use error::StepError;
