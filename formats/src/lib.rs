//! Pure bytes: the tree, the plan, and the on-disk formats of machine images.
//!
//! Nothing here knows a clock, a random number, the environment, a file system, the network or a thread:
//! the same arguments give the same bytes anywhere. Input and output are traits ([`read_at::ReadAt`],
//! [`plan::Sources`]) that the caller implements.
#![forbid(unsafe_code)]

pub mod arch;
pub mod bios;
pub mod container;
pub mod cpio;
pub mod der;
pub mod digest;
pub mod dump;
pub mod erofs;
pub mod event_log;
pub mod ext4;
pub mod fat;
mod fields;
pub mod finding;
pub mod gpt;
pub mod guid;
pub mod map;
pub mod mbr;
pub mod path;
pub mod pcr;
pub mod pe;
pub mod plan;
pub mod private_key;
pub mod read_at;
pub mod residue;
pub mod sqlite;
mod stable;
pub mod structure;
pub mod swap;
pub mod terminal;
pub mod time;
pub mod tree;
pub mod uefi_vars;
pub mod verity;
pub mod volume;
pub mod xfs;
