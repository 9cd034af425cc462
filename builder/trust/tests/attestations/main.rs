//! Envelopes and sigstore bundles, judged by cosign, npm's sigstore verifier, securesystemslib and openssl.

#![allow(missing_docs, reason = "a test")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it skips"
)]

mod accepted;
mod case;
mod detached;
mod mutations;
mod oracles;
