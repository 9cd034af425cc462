//! Sources: compared with other tools, with hostile input, and merged with each other.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
#![expect(clippy::print_stdout, reason = "a missing oracle is reported on the output")]

mod archive;
mod attributes;
mod disks;
mod gnu_tar;
mod hostile;
mod images;
mod merging;
