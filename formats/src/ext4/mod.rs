//! ext4: writer, reader and checker.

pub mod check;
pub mod fields;
mod format;
pub mod map;
pub mod read;
mod residue;
pub mod spec;
pub mod write;

pub(crate) use format::Ext4Format;
