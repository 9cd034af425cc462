//! Sources against other tools, hostile bytes and each other.
#![expect(clippy::unwrap_used, reason = "what is unwrapped here fails the test")]
#![expect(clippy::print_stdout, reason = "a missing oracle says so")]

mod archive;
mod attributes;
mod gnu_tar;
mod hostile;
mod images;
mod merging;
