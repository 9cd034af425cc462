//! ext4 reader.
