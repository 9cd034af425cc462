//! What an image must not share with others: private keys, told by their structure, and files whose content follows from
//! the random numbers of the build, told by a second run with others. Knows neither recipes nor which of them are meant to
//! be there.

pub mod keys;
mod scan;
mod second_run;

pub use keys::KeyKind;
pub use scan::{EXCLUDED, scan};
pub use second_run::{
    RandomDependent, RunOrder, RunTwiceError, SecondRunWatch, choose_order, find_dependent, run_twice,
};
