//! Keys and signatures, judged by ssh-keygen, ssh-agent and openssl.

#![allow(missing_docs, reason = "a test")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it skips"
)]

mod agent;
mod forms;
mod mutations;
mod oracle;
mod policies;
mod signatures;
mod token;
