//! ext4 on-disk constants and encoders.
