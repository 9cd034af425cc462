//! Why bytes are no authentic document.

use std::fmt;

use crate::limits::MAX_DOCUMENT;
use crate::time::UnixTime;

/// Words in the name of the root of a local region, by which its documents are recognized.
const LOCAL_REGION: &str = "amiforge local region";

/// Why bytes are no document that the holder of a root vouches for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// There are no bytes.
    #[error("it is empty")]
    Empty,
    /// There are too many bytes.
    #[error("it has {len} bytes, and a document has at most {MAX_DOCUMENT}")]
    TooLarge {
        /// The number of bytes.
        len: usize,
    },
    /// It is no `COSE_Sign1` structure.
    #[error("it is no COSE_Sign1 structure: {reason}")]
    NotCoseSign1 {
        /// What the parser expected.
        reason: String,
    },
    /// Bytes follow the structure, or the map in its payload.
    #[error("further bytes follow its end")]
    TrailingBytes,
    /// A header has an entry twice.
    #[error("a header has an entry twice")]
    DuplicateHeader,
    /// The signed header does not name ES384.
    #[error("its signed header names the algorithm {algorithm} and not ES384")]
    Algorithm {
        /// The algorithm.
        algorithm: String,
    },
    /// The signed header has further entries.
    #[error("its signed header has entries besides the algorithm")]
    ProtectedHeader,
    /// The header that is not signed has entries.
    #[error("its unsigned header is not empty")]
    UnprotectedHeader,
    /// The payload is not in the document.
    #[error("it has no payload")]
    NoPayload,
    /// The payload is no CBOR.
    #[error("its payload is no CBOR: {reason}")]
    NotCbor {
        /// What the parser says.
        reason: String,
    },
    /// The payload is no map with texts as keys.
    #[error("its payload is no map with texts as keys")]
    NotAMap,
    /// The payload has an entry twice.
    #[error("its payload has the entry {key:?} twice")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// It is a document of a Nitro Enclave, whose PCRs are others.
    #[error("it is the document of a Nitro Enclave (`pcrs`) and not of a NitroTPM (`nitrotpm_pcrs`)")]
    Enclave,
    /// An entry is missing.
    #[error("its payload has no entry `{field}`")]
    Missing {
        /// The name of the entry.
        field: &'static str,
    },
    /// An entry has a value that it cannot have.
    #[error("the entry `{field}` is not valid: {reason}")]
    Field {
        /// The name of the entry.
        field: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A PCR does not have the length of a SHA-384.
    #[error("PCR {index} has {len} bytes instead of 48")]
    PcrLength {
        /// The number of the PCR.
        index: u8,
        /// Its length in bytes.
        len: usize,
    },
    /// The first certificate is not the trusted root.
    #[error("its root is `{subject}` (SHA-256 {fingerprint}), and the trusted one has SHA-256 {trusted}")]
    UntrustedRoot {
        /// The name that the root gives itself.
        subject: String,
        /// The SHA-256 of the root in the document.
        fingerprint: String,
        /// The SHA-256 of the trusted root.
        trusted: String,
        /// Whether the trusted root is that of AWS.
        trusted_is_aws: bool,
    },
    /// A certificate of the chain does not hold.
    #[error("{link}: {error}")]
    Chain {
        /// The certificate.
        link: ChainLink,
        /// What is wrong with it.
        error: ChainError,
    },
    /// The signature does not have the form of ES384.
    #[error("its signature has {len} bytes and is none of ES384, which has two numbers of 48")]
    SignatureForm {
        /// The number of bytes.
        len: usize,
    },
    /// The signature is not one of the last certificate over header and payload.
    #[error("its signature is not one of its certificate over these bytes")]
    Signature,
}

/// A certificate of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainLink {
    /// The position from 1, the root first.
    pub position: usize,
    /// The number of certificates.
    pub count: usize,
    /// The name of the owner, if the certificate can be parsed.
    pub subject: Option<String>,
}

/// Why a certificate of a chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// It is no certificate in DER.
    #[error("it is no certificate: {reason}")]
    Form {
        /// What the parser says.
        reason: String,
    },
    /// It is not signed with ECDSA and SHA-384.
    #[error("it is signed with {algorithm} and not with ecdsa-with-SHA384")]
    Algorithm {
        /// The object identifier of the algorithm.
        algorithm: String,
    },
    /// Its key is not one on P-384.
    #[error("its key is none on the curve P-384")]
    Key,
    /// An extension is critical and unknown.
    #[error("it has the critical extension {id}, which is not understood")]
    CriticalExtension {
        /// The object identifier of the extension.
        id: String,
    },
    /// It may not issue certificates.
    #[error("it issues another certificate and is no certificate of an authority")]
    NotAnIssuer,
    /// It issues certificates and signed the document.
    #[error("it is the certificate of an authority, and signed the document itself")]
    SignerIsIssuer,
    /// Its key may not be used so.
    #[error("its key usage lacks `{missing}`")]
    Usage {
        /// The name of the usage.
        missing: &'static str,
    },
    /// More authorities follow than it allows.
    #[error("{below} authorities follow below it, and it allows {allowed}")]
    PathLength {
        /// The number that it allows.
        allowed: u8,
        /// The number that follows.
        below: usize,
    },
    /// It names another issuer than the certificate above it.
    #[error("its issuer is `{issuer}`, and the certificate above it is that of `{above}`")]
    Issuer {
        /// The issuer that it names.
        issuer: String,
        /// The owner of the certificate above it.
        above: String,
    },
    /// Its signature is not one of the certificate above it.
    #[error("its signature is not one of the certificate above it")]
    Signature,
    /// It was not valid when the document was made.
    #[error("it is valid from {not_before} to {not_after}, and the document was made at {at}")]
    Validity {
        /// When the document was made.
        at: UnixTime,
        /// The first moment of its validity.
        not_before: UnixTime,
        /// The last moment of its validity.
        not_after: UnixTime,
    },
}

impl DocumentError {
    pub(crate) fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Field { field, reason: reason.into() }
    }

    /// What to do next.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Empty
            | Self::TooLarge { .. }
            | Self::NotCoseSign1 { .. }
            | Self::TrailingBytes
            | Self::NoPayload
            | Self::NotCbor { .. } => {
                "pass what `nitro-tpm-attest` wrote, byte for byte or as Base64; a text that was copied by hand often \
                 lacks its end"
            }
            Self::Enclave => {
                "this program verifies the documents of EC2 instances; those of enclaves need a verifier that knows their \
                 PCRs 0, 1, 2 and 8"
            }
            Self::UntrustedRoot { subject, trusted_is_aws: true, .. } if subject.contains(LOCAL_REGION) => {
                "a local region of amiforge made this document: it proves nothing about a machine of AWS. To try \
                 attestation on this machine, pass its root: `--root FOLDER/attestation-root.pem`"
            }
            Self::UntrustedRoot { trusted_is_aws: true, .. } => {
                "it is not a document of AWS, whatever name its root has; only for documents of a test of your own, pass \
                 their root with `--root`"
            }
            Self::UntrustedRoot { .. } => {
                "pass the root of the region that made the document, or none for documents of AWS"
            }
            Self::DuplicateHeader
            | Self::Algorithm { .. }
            | Self::ProtectedHeader
            | Self::UnprotectedHeader
            | Self::NotAMap
            | Self::DuplicateKey { .. }
            | Self::Missing { .. }
            | Self::Field { .. }
            | Self::PcrLength { .. } => {
                "do not trust the machine that sent it: no NitroTPM makes such a document, so it was made or changed by \
                 other means"
            }
            Self::Chain { .. } | Self::SignatureForm { .. } | Self::Signature => {
                "do not trust what it says: it was changed after it was made, or not made by a NitroTPM; ask the machine \
                 for a new one"
            }
        }
    }
}

impl fmt::Display for ChainLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificate {} of {}", self.position, self.count)?;
        match &self.subject {
            Some(subject) => write!(f, " (`{subject}`)"),
            None => Ok(()),
        }
    }
}
