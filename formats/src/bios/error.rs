//! Why a kernel cannot be started by the loader.

use super::CMDLINE_MAX;
use super::protocol::{NEWEST, OLDEST, ProtocolVersion};

/// What [`load`](super::load) refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BiosError {
    /// Fewer bytes of the kernel were given than its header takes.
    #[error("the kernel's header ends at byte {need}, and only {len} bytes are there: give a whole kernel")]
    HeadShort {
        /// Where the header ends.
        need: usize,
        /// Bytes given.
        len: usize,
    },
    /// It is no kernel for x86.
    #[error(
        "byte 0x202 of the kernel has 0x{found:08x}, not 0x53726448 (`HdrS`): give a bzImage for x86, or boot by UEFI only"
    )]
    NotLinux {
        /// The stored value.
        found: u32,
    },
    /// Its boot protocol lacks what the loader relies on.
    #[error(
        "the kernel is too old for the loader: its boot protocol is {version}, and {OLDEST} to {NEWEST} are known; boot it by UEFI only"
    )]
    TooOld {
        /// The kernel's protocol.
        version: ProtocolVersion,
    },
    /// Its boot protocol may ask for what the loader does not do.
    #[error(
        "the kernel is too new for the loader: its boot protocol is {version}, and {OLDEST} to {NEWEST} are known; boot it by UEFI only"
    )]
    TooNew {
        /// The kernel's protocol.
        version: ProtocolVersion,
    },
    /// It is a zImage, which goes below 640 KiB.
    #[error("the kernel wants to be loaded below 1 MiB (flags 0x{flags:02x} without bit 0): give a bzImage")]
    Low {
        /// Its load flags.
        flags: u8,
    },
    /// Its real-mode part does not fit where it goes.
    #[error("the kernel's setup has {len} bytes, and at most 32768 fit: the kernel is damaged")]
    SetupLong {
        /// Its length.
        len: u64,
    },
    /// The file ends before the kernel does.
    #[error(
        "the kernel's header counts {need} bytes, and the file has {len}: it is truncated, fetch it again"
    )]
    CutShort {
        /// Length by the header.
        need: u64,
        /// Length of the file.
        len: u64,
    },
    /// It would unpack itself above 4 GiB.
    #[error(
        "the kernel wants memory up to byte 0x{end:x}, and the loader reaches up to 0x{most:x}: boot it by UEFI only"
    )]
    Memory {
        /// End of the memory that it needs.
        end: u64,
        /// End of the memory that the loader can use.
        most: u64,
    },
    /// The initrd would be above the highest address that the kernel reads.
    #[error(
        "the initrd would end at byte 0x{end:x} of memory, and the kernel takes one up to 0x{most:x}: make it smaller"
    )]
    InitrdHigh {
        /// Where it would end.
        end: u64,
        /// The last byte that it may have.
        most: u64,
    },
    /// The command line would be cut.
    #[error(
        "the command line has {len} bytes, and kernel and loader (at most {CMDLINE_MAX}) take {most}: make it shorter"
    )]
    CmdlineLong {
        /// Its length.
        len: usize,
        /// What both take.
        most: usize,
    },
    /// The command line would end early.
    #[error("the command line holds a NUL, which would end it: take it out")]
    CmdlineNul,
    /// The loader cannot be at that sector.
    #[error("the loader cannot start at sector {found}: give the first sector of a partition for it")]
    FirstSector {
        /// The sector.
        found: u64,
    },
}
