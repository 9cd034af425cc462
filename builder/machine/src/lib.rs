//! Machines: launches an image in QEMU as EC2 would, and checks an image without a launch.

pub mod boot;
pub mod preflight;
