//! Steps: what makes a merged tree a system. One file per thing that is put in the tree; each takes the tree, a
//! plain spec and the time of the build, and knows nothing of recipes, disks or the host.
//!
//! The order that gives a recipe its meaning: [`apt_sources`], [`accounts`], [`files`], [`system`], [`first_boot`], [`units`], [`fstab`],
//! then [`crate::normalize`] and [`service_keys`], and last [`kernel_hook`]. Files may so belong to users of the recipe, and units may come from `[[file]]`.

pub mod accounts;
pub mod acl;
pub mod apt_sources;
pub mod capability;
pub mod files;
pub mod first_boot;
pub mod fstab;
pub mod kernel_hook;
pub mod lacks;
#[cfg(test)]
mod path_tests;
pub mod service_keys;
pub mod system;
#[cfg(test)]
pub(crate) mod testing;
pub mod units;

pub use amiforge_formats::path::PathError;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// A `[[file]]`.
    #[error("putting `{path}` into the image")]
    File {
        /// Its path in the image.
        path: String,
        /// Why.
        #[source]
        source: files::FileError,
    },
    /// A `[[user]]`.
    #[error("setting up user `{name}`")]
    User {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: accounts::AccountError,
    },
    /// A `[[group]]`.
    #[error("setting up group `{name}`")]
    Group {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: accounts::AccountError,
    },
    /// The account files of the image, before or after all changes.
    #[error("reading and writing the account files of the image")]
    Accounts(#[source] accounts::AccountError),
    /// A key of `[system]`.
    #[error("setting the {key}")]
    System {
        /// `hostname`, `timezone` or `locale`.
        key: &'static str,
        /// Why.
        #[source]
        source: system::SystemError,
    },
    /// A unit.
    #[error("{doing} unit `{unit}`")]
    Unit {
        /// `enabling`, `disabling`, `masking` or `presetting`.
        doing: &'static str,
        /// Its name.
        unit: String,
        /// Why.
        #[source]
        source: units::UnitError,
    },
    /// `/etc/fstab`.
    #[error("writing /etc/fstab")]
    Fstab(#[source] fstab::FstabError),
    /// The sources of apt.
    #[error("writing the sources of apt")]
    AptSources(#[source] PathError),
    /// What makes a kernel upgrade take effect.
    #[error("installing the hooks for kernel upgrades")]
    KernelHook(#[source] PathError),
    /// Keys and ids of services that are made at the first boot.
    #[error("having keys of services made at the first boot")]
    ServiceKeys(#[source] PathError),
    /// What is done at the first boot.
    #[error("setting up the first boot")]
    FirstBoot(#[source] first_boot::FirstBootError),
}
