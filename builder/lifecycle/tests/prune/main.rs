//! The clean-up of images against an in-memory account: exactly the right images go, and whatever is killed, fails or is
//! done by another operator meanwhile, nothing goes that something names.
#![expect(
    clippy::assigning_clones,
    clippy::match_bool,
    clippy::needless_pass_by_value,
    reason = "the fake of an account is written to be read, not to be fast"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

mod account;
mod fake;
mod fake_images;
mod faults;
mod operator;
mod orphans;
mod run;
mod state;
mod undo;
