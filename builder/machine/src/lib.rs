//! Machines: launching an image in QEMU as EC2 would, and what can be told of a launch without one.

pub mod boot;
pub mod preflight;
