//! Hand-overs of small bundles: what is written is read back, and whatever is changed is refused where it was changed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod damage;
mod fixture;
mod forged;
mod parts;
mod round_trip;
