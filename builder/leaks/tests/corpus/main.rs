//! The proof of the leak gate: forty kinds of secrets in files and eleven below them are planted in a disk image, and every
//! one has to be found by its rule and in its place; without them nothing may be found. Tools of others look at the same
//! files, and a table shows who finds what.
//!
//! Every secret is made when the test runs, by the program that makes such secrets or from random letters, and tokens are
//! composed from parts, so that nothing here is or looks like a credential.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are outside test functions")]

mod below;
mod found;
mod image;
mod keys;
mod machine;
mod peers;
mod secrets;
mod tokens;
mod tool;
