//! Fixtures of the end-to-end suites: the program under test, the oracles, the inputs. Must not know any format.
//!
//! A test whose oracle is not installed prints `SKIP` and passes; with `REQUIRE_ORACLES=1` it fails.

pub mod archive;
pub mod debs;
mod error_chain;
pub mod explained;
pub mod folder_tree;
pub mod guest;
pub mod host_root;
pub mod lock_fixture;
pub mod machine;
pub mod moto;
pub mod oracle;
pub mod policy;
pub mod program;
pub mod python;
pub mod recipe;
pub mod region;
pub mod rng;
pub mod scratch;
pub mod secure_boot;
pub mod source_tree;
pub mod text;
pub mod tier;
pub mod volume;

pub use error_chain::{error_chain, find_cause};
