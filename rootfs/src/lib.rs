//! From inputs to a file tree: sources, store, merging, and the steps that make a tree a system.

pub mod assemble;
pub mod boot;
pub mod glob;
pub mod graft;
pub mod initrd;
pub mod merge;
pub mod normalize;
pub mod reshape;
pub mod secrets;
pub mod sources;
pub mod stage;
pub mod steps;
pub mod version;
pub mod wildcard;
