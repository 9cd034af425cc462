//! EROFS, the read-only file system of Linux: writer, reader and checker of uncompressed images.
//!
//! Specification: Linux, `fs/erofs/erofs_fs.h` (GPL-2.0-only OR Apache-2.0) and
//! `Documentation/filesystems/erofs.rst`. Reader and writer share the constants of `spec.rs` and nothing else.

pub mod check;
pub mod fields;
mod format;
pub mod map;
pub mod read;
mod residue;
pub(crate) mod spec;
pub mod write;

pub(crate) use format::ErofsFormat;
