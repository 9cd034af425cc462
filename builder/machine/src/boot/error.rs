//! Errors of launching a machine. A machine that was launched and did not come up is not an error but a
//! [`LaunchOutcome`](super::LaunchOutcome).

use std::io;
use std::path::PathBuf;

use amiforge_formats::uefi_vars::edk2::VariableStoreError;

use super::host_packages::HostDependency;

/// Why a machine could not be launched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootError {
    /// A program or file of the host is missing.
    #[error("{dependency} is not installed")]
    Missing {
        /// The dependency.
        dependency: HostDependency,
    },
    /// KVM was requested and cannot be used.
    #[error("KVM was requested and cannot be used: {reason}")]
    Kvm {
        /// The reason.
        reason: String,
    },
    /// A program of the host failed.
    #[error("`{program}` failed: {output}")]
    Program {
        /// The program.
        program: String,
        /// Its error output.
        output: String,
    },
    /// A program of the host could not be started.
    #[error("starting `{program}`")]
    Start {
        /// The program.
        program: String,
        /// The cause.
        source: io::Error,
    },
    /// A file could not be read or written.
    #[error("using `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// There is no space for the guest's writes, so QEMU has stopped it.
    #[error("no space is left in `{}`, where what the guest writes goes", folder.display())]
    NoSpace {
        /// The folder of the launch.
        folder: PathBuf,
    },
    /// The emulated TPM failed.
    #[error("using the emulated TPM")]
    Tpm {
        /// The cause.
        source: io::Error,
    },
    /// A socket's path is longer than the kernel takes.
    #[error("the path `{}` of a socket is longer than {limit} bytes", path.display())]
    SocketPath {
        /// The path.
        path: PathBuf,
        /// The limit in bytes.
        limit: usize,
    },
    /// A TPM or variables were requested for a machine without UEFI.
    #[error("{feature} needs UEFI, and this machine starts by a legacy BIOS")]
    NeedsUefi {
        /// The requested feature.
        feature: &'static str,
    },
    /// The variables cannot be stored in the firmware's flash.
    #[error("making the variables of the firmware from `{}`", template.display())]
    Variables {
        /// The template.
        template: PathBuf,
        /// The cause.
        source: VariableStoreError,
    },
    /// Arm machines have no BIOS.
    #[error("aarch64 machines start by UEFI only; leave out `--firmware bios`")]
    NoBios,
    /// A volume would be shorter than its disk.
    #[error("a volume of {volume} bytes cannot hold the {disk} bytes of `{}`", path.display())]
    VolumeTooSmall {
        /// Requested length in bytes.
        volume: u64,
        /// Length of the disk in bytes.
        disk: u64,
        /// The disk.
        path: PathBuf,
    },
    /// User data exceeds the limit of EC2.
    #[error("user data of {len} bytes: EC2 takes {limit} at most; compress it, or let it fetch the rest")]
    UserData {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The file is not a public key.
    #[error("`{}` is no public key of ssh; name the `.pub` file or the private key beside it", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// The user interrupted the work.
    #[error("interrupted")]
    Interrupted,
}

impl BootError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { dependency } => Some(dependency.hint()),
            Self::Kvm { .. } => {
                Some("`--accel tcg` emulates in software: slower, and it always works".to_owned())
            }
            Self::SocketPath { .. } => Some("set TMPDIR to a folder with a shorter path".to_owned()),
            Self::NeedsUefi { .. } => {
                Some("boot with `--firmware uefi`, from an image with an EFI system partition".to_owned())
            }
            Self::NoSpace { .. } => {
                Some("set TMPDIR to a folder with more space, or let the guest write less".to_owned())
            }
            _ => None,
        }
    }
}
