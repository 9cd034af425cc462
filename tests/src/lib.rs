//! What the end-to-end suites stand on: the program under test, the oracles, the inputs. Knows no format.
//!
//! An oracle that is not installed makes a test skip with a printed `SKIP`; with `REQUIRE_ORACLES=1` it fails.

pub mod archive;
pub mod assembled;
pub mod debs;
pub mod dice;
pub mod guest;
pub mod locking;
pub mod machine;
pub mod oracle;
pub mod place;
pub mod program;
pub mod python;
pub mod recipe;
pub mod scratch;
pub mod tier;
pub mod told;
pub mod volume;
pub mod written;
