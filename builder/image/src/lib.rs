//! Disk images: partitions laid out to a plan, the plan written and digested, the manifest that vouches for it, the bundle
//! that holds it; and the way back: reading, verifying and comparing images.

pub mod attestations;
pub mod bundle;
pub mod diff;
pub mod disk;
pub mod explain;
pub mod image;
pub mod inspect;
pub mod manifest;
pub mod measure;
pub mod origins;
pub mod pcr_policy;
pub mod provenance;
pub mod seal;
pub mod secure_boot;
pub mod signatures;
#[cfg(test)]
mod testing;
pub mod values;
pub mod verify;
