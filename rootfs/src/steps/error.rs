//! Why a step failed, with the entry or key of the recipe. Knows only the errors of the steps.

use amiforge_formats::path::PathError;

use super::accounts::error::AccountError;
use super::files::error::FileError;
use super::first_boot::error::FirstBootError;
use super::fstab::error::FstabError;
use super::selinux::error::SelinuxError;
use super::system::error::SystemError;
use super::units::error::UnitError;
use super::verified_root::error::VerifiedRootError;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// A `[[file]]` failed.
    #[error("putting `{path}` into the image")]
    File {
        /// Path in the image.
        path: String,
        /// Why.
        #[source]
        source: FileError,
    },
    /// A `[[user]]` failed.
    #[error("setting up user `{name}`")]
    User {
        /// The name.
        name: String,
        /// Why.
        #[source]
        source: AccountError,
    },
    /// A `[[group]]` failed.
    #[error("setting up group `{name}`")]
    Group {
        /// The name.
        name: String,
        /// Why.
        #[source]
        source: AccountError,
    },
    /// The account files of the image cannot be read or written.
    #[error("reading and writing the account files of the image")]
    Accounts(#[source] AccountError),
    /// A key of `[system]` failed.
    #[error("setting the {key}")]
    System {
        /// `hostname`, `timezone` or `locale`.
        key: &'static str,
        /// Why.
        #[source]
        source: SystemError,
    },
    /// A unit failed.
    #[error("{doing} unit `{unit}`")]
    Unit {
        /// `enabling`, `disabling`, `masking` or `presetting`.
        doing: &'static str,
        /// The name.
        unit: String,
        /// Why.
        #[source]
        source: UnitError,
    },
    /// `/etc/fstab` failed.
    #[error("writing /etc/fstab")]
    Fstab(#[source] FstabError),
    /// The package sources of apt failed.
    #[error("writing the sources of apt")]
    AptSources(#[source] PathError),
    /// The hooks for kernel upgrades failed.
    #[error("installing the hooks for kernel upgrades")]
    KernelHook(#[source] PathError),
    /// The menu of GRUB cannot be read or written.
    #[error("entering a kernel in the menu of GRUB")]
    GrubMenu(#[source] PathError),
    /// The service that makes keys and ids at the first boot failed.
    #[error("installing the service that makes keys at the first boot")]
    ServiceKeys(#[source] PathError),
    /// The recipe and the lock cannot be put into the image.
    #[error("putting recipe, lock and provenance into the image")]
    Provenance(#[source] PathError),
    /// The tree cannot be a verified root.
    #[error("making the tree a verified root")]
    VerifiedRoot(#[source] VerifiedRootError),
    /// The labels of SELinux cannot be computed.
    #[error("labelling the files for SELinux")]
    Selinux(#[source] SelinuxError),
    /// The setup of the first boot failed.
    #[error("setting up the first boot")]
    FirstBoot(#[source] FirstBootError),
}
