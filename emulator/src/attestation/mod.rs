//! Attestation documents of the local region: of the shape that NitroTPM's have, signed under a root of its own.
//!
//! They repeat what the caller gives: the region runs no machine, so the PCRs come from who asks for a document. The root is made
//! from the secret of the folder, is another for each folder, and says in its name that it is not AWS's; so no verifier that
//! trusts AWS's root takes such a document for a real one.
//!
//! Written from EC2 User Guide, "NitroTPM attestation document contents", RFC 8949 (CBOR), RFC 9052 (COSE), RFC 5280 and
//! RFC 5480 (certificates), without any library of these formats and without the code of the verifier.

mod cbor;
mod certificate;
pub(crate) mod der;
mod document;
mod instance;
mod keys;
mod pki;
mod read;
mod recognize;

use std::path::{Path, PathBuf};

use crate::clock::Timestamp;
use crate::error::Error;
use crate::state;

pub use self::document::{AttestationRequest, PCR_COUNT};
pub use self::instance::AttestedInstance;
pub(crate) use self::recognize::{Recognized, recognize};

/// Issues attestation documents for the instances of a folder. The folder may be served by another process.
#[derive(Debug)]
pub struct AttestationIssuer {
    folder: PathBuf,
    secret: [u8; 32],
}

impl AttestationIssuer {
    /// The issuer of a folder that a local region has used.
    ///
    /// # Errors
    /// [`Error::NoRegion`] if none has; if the folder cannot be read.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let secret = state::read_secret(folder)?.ok_or_else(|| Error::NoRegion(folder.to_owned()))?;
        Ok(Self { folder: folder.to_owned(), secret })
    }

    /// The root of its documents as PEM.
    pub fn root_pem(&self) -> String {
        certificate::pem(&pki::root(&self.secret))
    }

    /// Writes the root beside the state, where users find it, and returns its path.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_root(&self) -> Result<PathBuf, Error> {
        state::write_attestation_root(&self.folder, self.root_pem().as_bytes())
    }

    /// An instance that can be attested.
    ///
    /// # Errors
    /// [`Error::NoInstance`] or [`Error::NotAttestable`], with the reason.
    pub fn instance(&self, region: &str, id: &str, now: Timestamp) -> Result<AttestedInstance, Error> {
        AttestedInstance::find(&self.folder, region, id, now)
    }

    /// Issues a document, made at a point in time.
    pub fn issue(
        &self,
        instance: &AttestedInstance,
        made: Timestamp,
        request: &AttestationRequest,
    ) -> Vec<u8> {
        document::issue(&self.secret, instance, made, request)
    }
}
