//! From inputs to a file tree: sources, store, merging, and the steps that make a tree a system.

pub mod assemble;
pub mod blobs;
pub mod checks;
pub mod glob;
pub mod merge;
pub mod normalize;
pub mod packages;
pub mod reshape;
pub mod sources;
pub mod steps;
pub mod store;
pub mod watch;
