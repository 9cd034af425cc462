//! Configuring unpacked packages, so that a tree becomes a system. [`plan`] says what rpm would run and when; [`run`] runs it in
//! the sandbox; [`native`] computes what it would do and runs nothing.

mod accounts;
mod kernels;
pub mod native;
pub mod order;
pub mod owners;
pub mod plan;
pub mod run;
pub mod scripts;
#[cfg(test)]
mod testing;
