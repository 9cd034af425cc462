//! A package that was unpacked: its headers and its files.

use super::header::RpmHeader;
use crate::locked::LockedPackage;

/// Flags of a file in a package (rpm, `include/rpm/rpmfiles.h`).
pub mod file_flag {
    /// A configuration file.
    pub const CONFIG: u32 = 1;
    /// Documentation.
    pub const DOC: u32 = 2;
    /// May be missing.
    pub const MISSING_OK: u32 = 8;
    /// A configuration file that upgrades do not replace.
    pub const NO_REPLACE: u32 = 16;
    /// Owned and not brought.
    pub const GHOST: u32 = 64;
    /// A licence.
    pub const LICENSE: u32 = 128;
    /// A README.
    pub const README: u32 = 256;
    /// A by-product of the build.
    pub const ARTIFACT: u32 = 4096;
}

/// A package that was unpacked.
#[derive(Debug, Clone)]
pub struct UnpackedRpm {
    /// Its entry in the lock.
    pub locked: LockedPackage,
    /// The header with signatures and digests.
    pub signatures: RpmHeader,
    /// Its header.
    pub header: RpmHeader,
    /// Its files in the order of the header.
    pub files: Vec<RpmFileEntry>,
}

/// A file of a package, as the header has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpmFileEntry {
    /// Absolute path as the package writes it, not led through links.
    pub path: Vec<u8>,
    /// Type and permission bits.
    pub mode: u16,
    /// Length of the content in bytes.
    pub size: u64,
    /// Modification time in seconds since 1970.
    pub mtime: u32,
    /// Flags ([`file_flag`]).
    pub flags: u32,
    /// Digest of the content in hexadecimal, empty where there is none; of the algorithm that the header names.
    pub digest: String,
    /// Target of a symbolic link.
    pub target: Vec<u8>,
    /// Name of its owner.
    pub user: String,
    /// Name of its group.
    pub group: String,
    /// Capabilities as text, such as `cap_net_raw=p`; empty where there are none.
    pub capabilities: String,
    /// Device number of a device file.
    pub rdev: u16,
    /// Files of the package with the same pair of device and number are hard links of each other.
    pub inode: (u32, u32),
    /// Whether it is in the tree: not where filters left it out, or it is a ghost.
    pub presence: FilePresence,
}

/// Whether a file of a package is in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilePresence {
    /// It is.
    Installed,
    /// The package owns the path and does not bring it.
    Ghost,
    /// A filter left it out.
    LeftOut,
}
