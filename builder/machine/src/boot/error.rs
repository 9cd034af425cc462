//! Why a machine could not be launched. That it was launched and did not come up is no error but an
//! [`Outcome`](super::Outcome).

use std::io;
use std::path::PathBuf;

use super::host_packages::HostDependency;

/// Why a machine could not be launched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootError {
    /// A program or file of the host is missing.
    #[error("{dependency} is not installed")]
    Missing {
        /// What.
        dependency: HostDependency,
    },
    /// Hardware virtualisation was demanded and is not usable.
    #[error("KVM was asked for and cannot be used: {reason}")]
    Kvm {
        /// Why.
        reason: String,
    },
    /// A program of the host failed.
    #[error("`{program}` failed: {output}")]
    Program {
        /// Which.
        program: String,
        /// What it said.
        output: String,
    },
    /// A program of the host could not be started.
    #[error("starting `{program}`")]
    Start {
        /// Which.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A file could not be read or written.
    #[error("using `{}`", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What the guest writes has no room, so QEMU has halted it.
    #[error("no space is left in `{}`, where what the guest writes goes", folder.display())]
    NoSpace {
        /// The folder of the launch.
        folder: PathBuf,
    },
    /// Arm machines have no BIOS.
    #[error("aarch64 machines start by UEFI only; leave out `--firmware bios`")]
    NoBios,
    /// A volume would be shorter than what it is made from.
    #[error("a volume of {volume} bytes cannot hold the {disk} bytes of `{}`", path.display())]
    VolumeTooSmall {
        /// Bytes asked for.
        volume: u64,
        /// Bytes that there are.
        disk: u64,
        /// The disk.
        path: PathBuf,
    },
    /// User data is longer than EC2 takes.
    #[error("user data of {len} bytes: EC2 takes {limit} at most; compress it, or let it fetch the rest")]
    UserData {
        /// Its length.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// A file is no public key.
    #[error("`{}` is no public key of ssh; name the `.pub` file or the private key beside it", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl BootError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { dependency } => Some(dependency.hint()),
            Self::Kvm { .. } => {
                Some("`--accel tcg` emulates in software: slower, and it always works".to_owned())
            }
            Self::NoSpace { .. } => {
                Some("set TMPDIR to a folder with more space, or let the guest write less".to_owned())
            }
            _ => None,
        }
    }
}
