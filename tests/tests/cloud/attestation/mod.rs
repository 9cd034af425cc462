//! Attestation documents of the local region: judged by libraries of others, and by our verifier, which shares no code with
//! the issuer.

mod documents;
mod key;
mod program;
