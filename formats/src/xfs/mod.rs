//! XFS: reader and checker of file systems of version 5.
//!
//! Specification: "XFS Filesystem Disk Structures"; for what is newer Linux, `fs/xfs/libxfs`. There is no writer.

pub mod check;
pub mod fields;
mod format;
pub mod map;
pub mod read;
mod residue;
pub(crate) mod spec;

pub(crate) use format::XfsFormat;
