//! ext4: writer, reader and checker, and volumes amended in place.

pub mod check;
pub mod fields;
mod format;
pub mod map;
pub mod patch;
pub mod read;
mod residue;
pub mod spec;
pub mod write;

pub(crate) use format::Ext4Format;
