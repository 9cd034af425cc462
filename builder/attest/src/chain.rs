//! The chain of certificates from a trusted root to the one that signed a document.
//!
//! It is walked by its order, because the documents have no key identifiers at every level: each certificate has to be
//! issued by the one above it (RFC 5280, section 6.1, without policies, name constraints and revocation: the certificates
//! live hours or days, and a verifier that asked for revocation lists would not be offline).

use crate::certificate::{CertificateSummary, ChainCertificate};
use crate::document::AttestationDocument;
use crate::error::{ChainError, ChainLink, DocumentError};
use crate::root::Root;
use crate::time::UnixTime;

/// A verified chain, the root first, the document's own certificate last.
pub(crate) struct VerifiedChain {
    certificates: Vec<ChainCertificate>,
}

impl VerifiedChain {
    /// Verifies the chain of a document at the time at which the document was made.
    pub(crate) fn verify(document: &AttestationDocument, root: &Root) -> Result<Self, DocumentError> {
        let (first, issuers) =
            document.cabundle.split_first().ok_or(DocumentError::Missing { field: "cabundle" })?;
        if first != root.der() {
            return Err(untrusted(first, root));
        }
        let links = [root.der()].into_iter().chain(issuers.iter().map(Vec::as_slice));
        let mut certificates = Vec::new();
        for (position, der) in links.chain([document.certificate.as_slice()]).enumerate() {
            let link = |error| DocumentError::Chain { link: link_at(position, document), error };
            certificates.push(ChainCertificate::parse(der).map_err(link)?);
        }
        let chain = Self { certificates };
        chain
            .check_links(document.timestamp)
            .map_err(|(position, error)| DocumentError::Chain { link: link_at(position, document), error })?;
        Ok(chain)
    }

    /// The certificate that signed the document.
    pub(crate) fn signer(&self) -> Option<&ChainCertificate> {
        self.certificates.last()
    }

    /// What is shown of the certificates, the root first.
    pub(crate) fn summaries(&self) -> Vec<CertificateSummary> {
        self.certificates.iter().map(ChainCertificate::summary).collect()
    }

    /// Checks every certificate and its issuer. An error has the position of the certificate.
    fn check_links(&self, at: UnixTime) -> Result<(), (usize, ChainError)> {
        let last = self.certificates.len().saturating_sub(1);
        let mut above: Option<&ChainCertificate> = None;
        for (position, certificate) in self.certificates.iter().enumerate() {
            let named = |error| (position, error);
            if let Some(issuer) = above {
                certificate.check_issued_by(issuer).map_err(named)?;
            }
            if position == last {
                certificate.check_signer().map_err(named)?;
            } else {
                let below = last.saturating_sub(position).saturating_sub(1);
                certificate.check_issuer(below).map_err(named)?;
            }
            certificate.check_validity(at).map_err(named)?;
            above = Some(certificate);
        }
        Ok(())
    }
}

/// The certificate at a position of a document's chain, counted from 0.
fn link_at(position: usize, document: &AttestationDocument) -> ChainLink {
    let der = document.cabundle.get(position).unwrap_or(&document.certificate);
    let subject = ChainCertificate::parse(der).ok().map(|certificate| certificate.subject().to_string());
    ChainLink {
        position: position.saturating_add(1),
        count: document.cabundle.len().saturating_add(1),
        subject,
    }
}

/// The refusal of a root, with the name that it gives itself: the name alone proves nothing.
fn untrusted(first: &[u8], root: &Root) -> DocumentError {
    let subject = ChainCertificate::parse(first).ok().map(|certificate| certificate.subject().to_string());
    DocumentError::UntrustedRoot {
        subject: subject.unwrap_or_else(|| "a certificate that cannot be parsed".to_owned()),
        fingerprint: Root::fingerprint_of(first),
        trusted: root.fingerprint(),
        trusted_is_aws: root.is_aws(),
    }
}
