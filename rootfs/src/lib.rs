//! From inputs to a file tree: sources, merging, and the steps that make a tree a system.

pub mod assemble;
pub mod boot;
pub mod glob;
pub mod initrd;
pub mod insert;
pub mod merge;
pub mod normalize;
pub mod package_databases;
pub mod path_map;
pub mod secrets;
pub mod sources;
pub mod stage;
pub mod steps;
pub mod version;
pub mod wildcard;
