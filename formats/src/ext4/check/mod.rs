//! ext4 checker.
