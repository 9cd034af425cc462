//! Finds secrets that copies of an image must not share: private keys, identified by their structure, and files whose
//! content depends on the random numbers of the build, identified by a second run with other random numbers. Does not know
//! recipes, nor which secrets a recipe allows.

mod scan;
mod second_run;

pub use amiforge_formats::private_key::KeyKind;
pub use scan::{EXCLUDED, is_excluded, scan};
pub use second_run::{RandomDependent, RunOrder, RunTwiceError, choose_order, find_dependent, run_twice};
