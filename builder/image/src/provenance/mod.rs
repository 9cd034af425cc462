//! `provenance.json`: the in-toto statement that binds what a build says of itself to the files of the bundle.
//!
//! Owns the statement's subjects, its text, and its comparison with the manifest; the build makes the predicate (SLSA
//! Provenance 1.0). Follows the in-toto Attestation Framework 1.0, `Statement` and `ResourceDescriptor`. The statement names
//! the manifest's digest, so the manifest does not list it; `SHA256SUMS` does. It is the payload of the signed envelopes.

mod compare;
mod statement;
#[cfg(test)]
mod tests;

pub use compare::compare;
pub use statement::{statement, subjects, with_signatures};

/// The type of an in-toto statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The type of the predicate.
pub const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";
/// How a build reads its parameters: `externalParameters` and the kinds of dependencies are those that this version writes.
pub const BUILD_TYPE: &str = "https://github.com/amiforge/amiforge/build/v1";
/// The builder: this program on a machine of its user, which vouches for no more than its user does (SLSA Build L1).
pub const BUILDER_ID: &str = "https://github.com/amiforge/amiforge/local/v1";
/// The kind of a dependency that is the signed list of a suite, which the manifest's inputs do not have.
pub const RELEASE: &str = "release";
/// The kind of a dependency that is a patch of a stage, which the manifest's inputs do not have.
pub const PATCH: &str = "patch";
