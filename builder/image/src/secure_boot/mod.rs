//! Secure Boot: who may sign what firmware starts, the requests for signatures, and the signatures that come back.
//!
//! Owns the enrolled certificates, the check of a signature against them as firmware makes it, the text of signing requests,
//! and how signatures get into a bundle. No private key is ever read here: a key signs the bytes of a request wherever it is.
//!
//! Follows UEFI 2.10, section 32 (secure boot and driver signing), and the Windows Authenticode Portable Executable Signature
//! Format.

mod attach;
mod authority;
mod bundle_state;
mod error;
mod keys;
mod prediction;
mod program;
mod proof;
mod record;
mod requests;
mod signing;

pub use attach::{AttachOptions, Attached, AttachedFile, attach};
pub use authority::{ForbiddenBy, SignatureRefused, authority, verify_rsa_sha256};
pub use bundle_state::{OpenBundle, SignatureState, signature_states};
pub(crate) use bundle_state::{check as check_bundle, open_program};
pub use error::{SecureBootError, SigningError};
pub use keys::{KeyFileError, SecureBootKeys, read_revocations};
pub use prediction::predict;
pub use program::{EspProgram, SignatureStatus};
pub use record::{SecureBootRecord, SignatureRecord, SignedProgram};
pub use requests::{RequestKind, RequestsError, SigningRequest, parse_requests, write_requests};
pub(crate) use signing::by_request;
pub use signing::{GivenSignature, PreparedSecureBoot, prepare};

/// The most bytes of a detached signature: RSA with 8192 bits.
pub const SIGNATURE_MAX: usize = 1024;
