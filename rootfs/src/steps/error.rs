//! Why a step failed. Knows only the errors of the steps.

use amiforge_formats::path::PathError;

use super::accounts::error::AccountError;
use super::files::error::FileError;
use super::first_boot::error::FirstBootError;
use super::fstab::error::FstabError;
use super::system::error::SystemError;
use super::units::error::UnitError;

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
        source: FileError,
    },
    /// A `[[user]]`.
    #[error("setting up user `{name}`")]
    User {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: AccountError,
    },
    /// A `[[group]]`.
    #[error("setting up group `{name}`")]
    Group {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: AccountError,
    },
    /// The account files of the image, before or after all changes.
    #[error("reading and writing the account files of the image")]
    Accounts(#[source] AccountError),
    /// A key of `[system]`.
    #[error("setting the {key}")]
    System {
        /// `hostname`, `timezone` or `locale`.
        key: &'static str,
        /// Why.
        #[source]
        source: SystemError,
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
        source: UnitError,
    },
    /// `/etc/fstab`.
    #[error("writing /etc/fstab")]
    Fstab(#[source] FstabError),
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
    FirstBoot(#[source] FirstBootError),
}
