//! Configuring unpacked packages, so that a tree becomes a system. [`run`] lets the packages' own scripts do it, in
//! the sandbox.

mod blame;
mod order;
pub mod run;
