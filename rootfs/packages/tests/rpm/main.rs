//! rpm packages against rpm: packages that rpmbuild makes in many forms, their headers, payloads, signatures and the tree
//! that rpm makes of them; and whatever packages are in the folder that `AMIFORGE_RPMS` names.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it measured"
)]

mod built;
mod compare;
mod hostile;
mod others;
mod signatures;
mod support;
