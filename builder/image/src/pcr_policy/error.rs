//! What is wrong with the PCR policies of an image.

use amiforge_formats::pcr::{PcrError, PolicyKeyError};
use amiforge_formats::pe::PeError;

/// Why the PCR policies of an image are not those of its manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PcrPolicyError {
    /// The image cannot be read.
    #[error("reading the sections of the unified kernel image")]
    Image(#[source] PeError),
    /// It is not known what the image measures.
    #[error("predicting PCR 11 of the image")]
    Predict(#[source] PcrError),
    /// A section is not there.
    #[error("the image has no section `{name}`, and the manifest says that it has")]
    NoSection {
        /// Its name.
        name: &'static str,
    },
    /// A section is there.
    #[error("the image has a section `{name}`, and the manifest says that no policy is signed")]
    Unexpected {
        /// Its name.
        name: &'static str,
    },
    /// `.pcrpkey` holds no key.
    #[error("reading the key in `.pcrpkey`")]
    Key(#[source] PolicyKeyError),
    /// Another key.
    #[error("`.pcrpkey` holds the key {found}, and the manifest says {expected}")]
    OtherKey {
        /// The fingerprint in the manifest.
        expected: String,
        /// That of the image.
        found: String,
    },
    /// The manifest says something that cannot be.
    #[error("the manifest has a policy with {what} `{value}`")]
    Record {
        /// What it is.
        what: &'static str,
        /// The value, printable.
        value: String,
    },
    /// A policy does not follow from the image.
    #[error("the policy for `{phases}` in the bank {bank} is {found}, and the manifest says {expected}")]
    Policy {
        /// The phases.
        phases: String,
        /// The bank.
        bank: String,
        /// The policy in the manifest.
        expected: String,
        /// The policy that follows from the image.
        found: String,
    },
    /// `.pcrsig` is not what systemd reads.
    #[error("reading `.pcrsig`")]
    Json(#[source] serde_json::Error),
    /// `.pcrsig` has other entries than the manifest.
    #[error("`.pcrsig` does not hold one signature for each policy of the manifest, in its order")]
    Entries,
    /// A signature is not one of the key.
    #[error("the signature for `{phases}` in the bank {bank} is not one of the key over its policy")]
    Signature {
        /// The phases.
        phases: String,
        /// The bank.
        bank: String,
    },
}
