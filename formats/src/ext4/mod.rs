//! ext4: writer, reader and checker.

pub mod check;
pub mod read;
pub mod spec;
pub mod write;
