//! Envelopes and sigstore bundles, judged by cosign, npm's sigstore verifier, securesystemslib and openssl.

#![allow(missing_docs, reason = "a test")]

mod accepted;
mod case;
mod detached;
mod mutations;
mod oracles;
