//! SQLite databases: what the writer writes is judged by SQLite itself, what SQLite writes is read, and bytes that lie are
//! refused.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are outside test functions")]

mod fixture;
mod hostile;
mod oracle;
