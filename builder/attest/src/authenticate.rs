//! Whether a document is one that the holder of a root vouches for.

use crate::certificate::CertificateSummary;
use crate::chain::VerifiedChain;
use crate::document::AttestationDocument;
use crate::envelope::Envelope;
use crate::error::DocumentError;
use crate::root::Root;

/// A document whose structure, chain and signature were verified.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Authentic {
    /// What it says.
    pub document: AttestationDocument,
    /// The certificates, the root first, the document's own last.
    pub chain: Vec<CertificateSummary>,
}

/// Verifies structure, chain and signature of a document against a root. The certificates have to be valid when the document
/// was made; how old it may be is a question of [`Expectations`](crate::Expectations).
///
/// # Errors
/// The first check that fails, in this order: size and structure of the envelope, algorithm, fields of the payload, root,
/// certificates and their order, signature.
pub fn authenticate(document: &[u8], root: &Root) -> Result<Authentic, DocumentError> {
    let envelope = Envelope::parse(document)?;
    let document = AttestationDocument::parse(envelope.payload())?;
    let chain = VerifiedChain::verify(&document, root)?;
    let signer = chain.signer().ok_or(DocumentError::Signature)?;
    envelope.verify(signer.key())?;
    Ok(Authentic { document, chain: chain.summaries() })
}
