//! DER: the encoding of certificates and signatures (ITU-T X.690, distinguished encoding rules).
//!
//! Owns a strict reader of elements, a small writer, certificates as far as signatures of images need them (RFC 5280), and
//! the files in which users keep certificates (PEM, RFC 7468). Verifies no signature: it gives the bytes that were signed.

mod certificate;
mod error;
mod file;
pub mod oid;
mod read;
#[cfg(test)]
pub(crate) mod sample;
mod write;

pub use certificate::{Certificate, Hash, KeyUsage, PublicKey, RsaKey, SignatureAlgorithm};
pub use error::DerError;
pub use file::{CertificateFileError, PemBlock, certificates, parse_pem};
pub use read::{DerReader, Tlv};
pub use write::{integer, object_identifier, tlv};

/// The tags in use.
pub mod tag {
    /// `BOOLEAN`.
    pub const BOOLEAN: u8 = 0x01;
    /// `INTEGER`.
    pub const INTEGER: u8 = 0x02;
    /// `BIT STRING`.
    pub const BIT_STRING: u8 = 0x03;
    /// `OCTET STRING`.
    pub const OCTET_STRING: u8 = 0x04;
    /// `NULL`.
    pub const NULL: u8 = 0x05;
    /// `OBJECT IDENTIFIER`.
    pub const OBJECT_IDENTIFIER: u8 = 0x06;
    /// `UTCTime`.
    pub const UTC_TIME: u8 = 0x17;
    /// `GeneralizedTime`.
    pub const GENERALIZED_TIME: u8 = 0x18;
    /// `SEQUENCE`.
    pub const SEQUENCE: u8 = 0x30;
    /// `SET`.
    pub const SET: u8 = 0x31;
    /// Context-specific and constructed, number 0; further numbers are added to it.
    pub const CONTEXT: u8 = 0xa0;
    /// Context-specific and primitive, number 0; further numbers are added to it.
    pub const CONTEXT_PRIMITIVE: u8 = 0x80;
}
