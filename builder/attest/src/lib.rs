//! Verifies attestation documents of NitroTPM offline. Knows no bundle, no file, no clock and no network, so that a program
//! of its own can be made of it: everything that changes with time is a parameter.
//!
//! A document is a `COSE_Sign1` structure (RFC 9052) whose payload, a CBOR map, has the PCRs of the machine, what the
//! requester passed (nonce, user data, public key), and the certificates that lead from the signature to a root of AWS.
//! EC2 User Guide, "NitroTPM attestation document contents" and "Validate a NitroTPM attestation document".
//!
//! Two questions are kept apart:
//!
//! - [`authenticate`]: is this a document that the holder of the root vouches for? Structure, chain and signature, each with
//!   its own [`DocumentError`].
//! - [`Expectations::differences`]: does an authentic document say what it should? Freshness, nonce, PCRs, user data, public
//!   key; every [`DocumentDifference`] is listed.

#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod authenticate;
mod certificate;
mod chain;
mod document;
mod encoding;
mod envelope;
mod error;
mod expectations;
mod limits;
mod pcr;
mod public_key;
mod root;
mod time;

pub use self::authenticate::{Authentic, authenticate};
pub use self::certificate::CertificateSummary;
pub use self::document::{AttestationDocument, inspect};
pub use self::encoding::{EncodingError, decode_document, decode_hex, encode_hex};
pub use self::error::{ChainError, ChainLink, DocumentError};
pub use self::expectations::{DocumentDifference, Expectations, FUTURE_TOLERANCE};
pub use self::limits::MAX_DOCUMENT;
pub use self::pcr::{PCR_LEN, PcrMeaning, Sha384Pcr, meaning};
pub use self::public_key::{PublicKeyError, public_key_der};
pub use self::root::{Root, RootError};
pub use self::time::{TimeError, UnixTime};
