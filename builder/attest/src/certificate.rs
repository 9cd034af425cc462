//! One certificate of a chain (RFC 5280): its fields as far as a chain of NitroTPM needs them.

use p384::ecdsa::signature::Verifier as _;
use p384::ecdsa::{DerSignature, VerifyingKey};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{AnyRef, Decode as _, Reader as _, SliceReader};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, KeyUsages};
use x509_cert::name::Name;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_cert::time::Time;
use x509_cert::{Certificate as Parsed, TbsCertificate, Version};

use crate::error::ChainError;
use crate::time::UnixTime;

/// `ecdsa-with-SHA384` (RFC 5758, 3.2): the algorithm of every signature of the chain.
const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
/// `id-ecPublicKey` and `secp384r1` (RFC 5480, 2.1.1): the kind of every key of the chain.
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");

/// What is shown of a certificate. Names are of foreign origin.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateSummary {
    /// The name of the owner, in the form of RFC 4514.
    pub subject: String,
    /// The name of the issuer, in the form of RFC 4514.
    pub issuer: String,
    /// The first moment at which it is valid.
    pub not_before: UnixTime,
    /// The last moment at which it is valid: seconds are not divided.
    pub not_after: UnixTime,
}

/// A certificate whose form, algorithms and extensions are such as a chain may have.
#[derive(Debug)]
pub(crate) struct ChainCertificate {
    tbs: TbsCertificate,
    /// The bytes that are signed, as they are in the certificate.
    signed: Vec<u8>,
    signature: DerSignature,
    key: VerifyingKey,
    constraints: BasicConstraints,
    usage: Option<KeyUsage>,
}

impl ChainCertificate {
    /// Parses a certificate and checks what does not depend on its neighbours.
    pub(crate) fn parse(der: &[u8]) -> Result<Self, ChainError> {
        let invalid = |error: x509_cert::der::Error| ChainError::Form { reason: error.to_string() };
        let parsed = Parsed::from_der(der).map_err(invalid)?;
        let signed = signed_bytes(der).map_err(invalid)?.to_vec();
        let Parsed { tbs_certificate: tbs, signature_algorithm, signature } = parsed;
        if tbs.version != Version::V3 {
            return Err(ChainError::Form { reason: "it is no certificate of version 3".to_owned() });
        }
        check_algorithm(&tbs.signature)?;
        check_algorithm(&signature_algorithm)?;
        let signature = signature.as_bytes().and_then(|bytes| DerSignature::from_bytes(bytes).ok());
        let signature = signature
            .ok_or_else(|| ChainError::Form { reason: "its signature is not ECDSA's".to_owned() })?;
        check_extensions(&tbs)?;
        let constraints = tbs.get::<BasicConstraints>().map_err(invalid)?.map(|(_, value)| value);
        let usage = tbs.get::<KeyUsage>().map_err(invalid)?.map(|(_, value)| value);
        let absent = BasicConstraints { ca: false, path_len_constraint: None };
        let key = public_key(&tbs)?;
        Ok(Self { signed, signature, key, constraints: constraints.unwrap_or(absent), usage, tbs })
    }

    /// Its public key.
    pub(crate) fn key(&self) -> &VerifyingKey {
        &self.key
    }

    pub(crate) fn subject(&self) -> &Name {
        &self.tbs.subject
    }

    pub(crate) fn summary(&self) -> CertificateSummary {
        CertificateSummary {
            subject: self.tbs.subject.to_string(),
            issuer: self.tbs.issuer.to_string(),
            not_before: unix_time(self.tbs.validity.not_before),
            not_after: unix_time(self.tbs.validity.not_after),
        }
    }

    /// Checks that it is valid at a point in time.
    pub(crate) fn check_validity(&self, at: UnixTime) -> Result<(), ChainError> {
        let CertificateSummary { not_before, not_after, .. } = self.summary();
        // Seconds of certificates are whole ones: the last lasts to its end.
        if at.seconds() < not_before.seconds() || at.seconds() > not_after.seconds() {
            return Err(ChainError::Validity { at, not_before, not_after });
        }
        Ok(())
    }

    /// Checks that it may issue certificates, with so many issuers between it and the document's own.
    pub(crate) fn check_issuer(&self, below: usize) -> Result<(), ChainError> {
        if !self.constraints.ca {
            return Err(ChainError::NotAnIssuer);
        }
        if !self.allows(KeyUsages::KeyCertSign) {
            return Err(ChainError::Usage { missing: "keyCertSign" });
        }
        match self.constraints.path_len_constraint {
            Some(allowed) if below > usize::from(allowed) => Err(ChainError::PathLength { allowed, below }),
            _ => Ok(()),
        }
    }

    /// Checks that it may sign documents and issues no certificates.
    pub(crate) fn check_signer(&self) -> Result<(), ChainError> {
        if self.constraints.ca {
            return Err(ChainError::SignerIsIssuer);
        }
        if !self.allows(KeyUsages::DigitalSignature) {
            return Err(ChainError::Usage { missing: "digitalSignature" });
        }
        Ok(())
    }

    /// Checks that another certificate issued this one: by its name and by its key.
    pub(crate) fn check_issued_by(&self, issuer: &Self) -> Result<(), ChainError> {
        if self.tbs.issuer != issuer.tbs.subject {
            return Err(ChainError::Issuer {
                issuer: self.tbs.issuer.to_string(),
                above: issuer.tbs.subject.to_string(),
            });
        }
        issuer.key.verify(&self.signed, &self.signature).map_err(|_| ChainError::Signature)
    }

    /// Whether its key may be used so; a certificate without the extension allows everything (RFC 5280, 4.2.1.3), and
    /// NitroTPM's all have it.
    fn allows(&self, usage: KeyUsages) -> bool {
        self.usage.as_ref().is_some_and(|allowed| allowed.0.contains(usage))
    }
}

fn unix_time(time: Time) -> UnixTime {
    UnixTime::from_seconds(time.to_unix_duration().as_secs())
}

/// The bytes of the signed part, which is the first element.
fn signed_bytes(der: &[u8]) -> x509_cert::der::Result<&[u8]> {
    let certificate = AnyRef::from_der(der)?;
    SliceReader::new(certificate.value())?.tlv_bytes()
}

fn check_algorithm(algorithm: &AlgorithmIdentifierOwned) -> Result<(), ChainError> {
    if algorithm.oid != ECDSA_WITH_SHA384 || algorithm.parameters.is_some() {
        return Err(ChainError::Algorithm { algorithm: algorithm.oid.to_string() });
    }
    Ok(())
}

/// Checks that each extension is there once, and that none is critical and not understood (RFC 5280, 4.2).
fn check_extensions(tbs: &TbsCertificate) -> Result<(), ChainError> {
    let extensions = tbs.extensions.as_deref().unwrap_or_default();
    for (position, extension) in extensions.iter().enumerate() {
        let id = extension.extn_id;
        if extensions.iter().take(position).any(|earlier| earlier.extn_id == id) {
            return Err(ChainError::Form { reason: format!("the extension {id} is there twice") });
        }
        if extension.critical && ![BASIC_CONSTRAINTS, KEY_USAGE].contains(&id) {
            return Err(ChainError::CriticalExtension { id: id.to_string() });
        }
    }
    Ok(())
}

fn public_key(tbs: &TbsCertificate) -> Result<VerifyingKey, ChainError> {
    let info = &tbs.subject_public_key_info;
    let curve = info.algorithm.parameters.as_ref().and_then(|curve| curve.decode_as().ok());
    if info.algorithm.oid != EC_PUBLIC_KEY || curve != Some(SECP384R1) {
        return Err(ChainError::Key);
    }
    let point = info.subject_public_key.as_bytes().ok_or(ChainError::Key)?;
    VerifyingKey::from_sec1_bytes(point).map_err(|_| ChainError::Key)
}
