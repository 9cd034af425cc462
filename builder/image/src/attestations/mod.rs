//! Attestations: what is stated of a bundle in a form that other tools verify, and the files with the signed statements.
//!
//! An attestation is an in-toto statement in a DSSE envelope, alone or in a sigstore bundle. Its bytes follow from the bundle,
//! so a signature counts only if it is over exactly what would be stated now. The provenance is stated as it stands in
//! `provenance.json`, which names every document with its digest; so bills of materials are bound without being copied. Who
//! needs them as attestations of their own (the predicate has to be the bill itself) gets each once, without indentation, as
//! a sigstore bundle. Knows no key that signs.

mod check;
mod error;
mod folder;
mod kind;
mod payload;
mod summary;
#[cfg(test)]
mod tests;
mod vex;

pub use check::{CheckedAttestation, check, check_required};
pub use error::AttestationError;
pub use folder::{names, store};
pub use kind::AttestationKind;
pub use payload::{StatedBundle, disk_differs};
pub use summary::AttestationSummary;
pub use vex::{VexError, check_vex};

/// The type of the predicate with the PCRs that machines of an image show.
pub const MEASUREMENTS_TYPE: &str = "https://github.com/amiforge/amiforge/reference-measurements/v1";
