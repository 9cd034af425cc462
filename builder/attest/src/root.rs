//! Trusted roots: the one of AWS, and roots that a user names.

use sha2::{Digest as _, Sha256};

use crate::certificate::{CertificateSummary, ChainCertificate};
use crate::encoding::encode_hex;
use crate::error::ChainError;

/// The root of NitroTPM and of Nitro Enclaves, which AWS publishes at
/// <https://aws-nitro-enclaves.amazonaws.com/AWS_NitroEnclaves_Root-G1.zip>. CN=aws.nitro-enclaves, from 2019-10-28 to
/// 2049-10-28. SHA-256 of its DER: 641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b, the fingerprint that
/// the AWS Nitro Enclaves User Guide gives ("Verifying the root of trust").
const AWS: &str = "-----BEGIN CERTIFICATE-----
MIICETCCAZagAwIBAgIRAPkxdWgbkK/hHUbMtOTn+FYwCgYIKoZIzj0EAwMwSTEL
MAkGA1UEBhMCVVMxDzANBgNVBAoMBkFtYXpvbjEMMAoGA1UECwwDQVdTMRswGQYD
VQQDDBJhd3Mubml0cm8tZW5jbGF2ZXMwHhcNMTkxMDI4MTMyODA1WhcNNDkxMDI4
MTQyODA1WjBJMQswCQYDVQQGEwJVUzEPMA0GA1UECgwGQW1hem9uMQwwCgYDVQQL
DANBV1MxGzAZBgNVBAMMEmF3cy5uaXRyby1lbmNsYXZlczB2MBAGByqGSM49AgEG
BSuBBAAiA2IABPwCVOumCMHzaHDimtqQvkY4MpJzbolL//Zy2YlES1BR5TSksfbb
48C8WBoyt7F2Bw7eEtaaP+ohG2bnUs990d0JX28TcPQXCEPZ3BABIeTPYwEoCWZE
h8l5YoQwTcU/9KNCMEAwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUkCW1DdkF
R+eWw5b6cp3PmanfS5YwDgYDVR0PAQH/BAQDAgGGMAoGCCqGSM49BAMDA2kAMGYC
MQCjfy+Rocm9Xue4YnwWmNJVA44fA0P5W2OpYow9OYCVRaEevL8uO1XYru5xtMPW
rfMCMQCi85sWBbJwKKXdS6BptQFuZbT73o/gBh1qUxl/nNr12UO8Yfwr6wPLb+6N
IwLz3/Y=
-----END CERTIFICATE-----
";

/// A root that documents are verified against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    der: Vec<u8>,
    is_aws: bool,
}

/// Why a file is no root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// The text is no PEM of one certificate.
    #[error("it is no PEM of one certificate: {reason}")]
    Pem {
        /// What is wrong.
        reason: String,
    },
    /// The certificate cannot be a root of attestation documents.
    #[error("its certificate cannot be the root of a chain")]
    Certificate(#[source] ChainError),
}

impl Root {
    /// The root of AWS.
    pub fn aws() -> Self {
        let der = x509_cert::der::pem::decode_vec(AWS.as_bytes()).map(|(_, der)| der);
        // The constant is PEM, as a test shows.
        Self { der: der.unwrap_or_default(), is_aws: true }
    }

    /// The root in a file: one certificate as PEM. It has to be self-signed, with a key on P-384.
    ///
    /// # Errors
    /// If it is no PEM, or the certificate issues no others.
    pub fn from_pem(text: &[u8]) -> Result<Self, RootError> {
        let pem = x509_cert::der::pem::decode_vec(text);
        let (label, der) = pem.map_err(|error| RootError::Pem { reason: error.to_string() })?;
        if label != "CERTIFICATE" {
            return Err(RootError::Pem { reason: format!("it is a {label}") });
        }
        let certificate = ChainCertificate::parse(&der).map_err(RootError::Certificate)?;
        certificate.check_issued_by(&certificate).map_err(RootError::Certificate)?;
        certificate.check_issuer(0).map_err(RootError::Certificate)?;
        let is_aws = der == Self::aws().der;
        Ok(Self { der, is_aws })
    }

    /// The SHA-256 of its DER, as lower-case hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        Self::fingerprint_of(&self.der)
    }

    /// Whether it is the root of AWS.
    pub fn is_aws(&self) -> bool {
        self.is_aws
    }

    /// What is shown of it.
    pub fn summary(&self) -> Option<CertificateSummary> {
        ChainCertificate::parse(&self.der).ok().map(|certificate| certificate.summary())
    }

    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    pub(crate) fn fingerprint_of(der: &[u8]) -> String {
        encode_hex(&Sha256::digest(der))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_of_aws_has_the_published_fingerprint() {
        let root = Root::aws();
        assert_eq!(root.fingerprint(), "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b");
        let summary = root.summary().expect("a certificate");
        assert_eq!(summary.subject, "CN=aws.nitro-enclaves,OU=AWS,O=Amazon,C=US");
        assert_eq!(summary.not_after.to_string(), "2049-10-28T14:28:05Z");
        assert_eq!(Root::from_pem(AWS.as_bytes()), Ok(root));
    }

    #[test]
    fn what_is_no_root_is_refused() {
        let key = AWS.replace("CERTIFICATE", "PUBLIC KEY");
        for wrong in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n", &key] {
            assert!(matches!(Root::from_pem(wrong.as_bytes()), Err(RootError::Pem { .. })), "{wrong}");
        }
        let damaged = AWS.replace("AQH/BAUwAwEB", "AQH/BAUwAwEA");
        assert!(matches!(Root::from_pem(damaged.as_bytes()), Err(RootError::Certificate(_))));
    }
}
