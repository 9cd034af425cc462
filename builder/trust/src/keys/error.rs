//! Why something is no public key that is used here.

use amiforge_formats::der::DerError;

use crate::wire::WireError;

/// Why something is no public key that is used here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SshKeyError {
    /// A line of another form.
    #[error("it is not a public key of OpenSSH: a kind, base64, and perhaps a comment")]
    Line,
    /// What follows the kind is no base64.
    #[error("what follows the kind of the key is not base64")]
    Base64,
    /// A kind that is not used here.
    #[error(
        "`{name}` is no kind of key that is used here (ssh-ed25519, ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, ssh-rsa, and sk-ssh-ed25519@openssh.com and sk-ecdsa-sha2-nistp256@openssh.com)"
    )]
    Kind {
        /// Its name, printable.
        name: String,
    },
    /// The line names another kind than the key.
    #[error("the line says {line}, and the key is {key}")]
    OtherKind {
        /// The kind in the line.
        line: &'static str,
        /// The kind of the key.
        key: &'static str,
    },
    /// The fields are not those of a key.
    #[error("reading the fields of the key")]
    Wire(#[from] WireError),
    /// More bytes than a key may have.
    #[error("it is longer than a key may be")]
    TooLong,
    /// A key of another length.
    #[error("the key has {found} bytes, and keys of its kind have {expected}")]
    Len {
        /// Bytes of keys of this kind.
        expected: usize,
        /// Bytes that it has.
        found: usize,
    },
    /// Another curve than the kind says.
    #[error("the key is on the curve `{found}`, and its kind says {expected}")]
    Curve {
        /// The curve of the kind.
        expected: &'static str,
        /// The curve of the key, printable.
        found: String,
    },
    /// No point of the curve, or one in another form.
    #[error("the key is not an uncompressed point of {curve}")]
    Point {
        /// The curve.
        curve: &'static str,
    },
    /// A modulus that is too short or too long.
    #[error("the RSA key has {bits} bits, and 2048 to 8192 are taken")]
    RsaBits {
        /// Its bits.
        bits: usize,
    },
    /// An exponent that no sound key has.
    #[error("the exponent of the RSA key is not an odd number of 3 to 2^33 - 1")]
    RsaExponent,
    /// No PEM with a public key.
    #[error("it has no `-----BEGIN PUBLIC KEY-----`")]
    NotPem,
    /// DER of another form.
    #[error("reading the public key")]
    Der(#[from] DerError),
    /// An algorithm that is not used here.
    #[error("the algorithm {oid} is none that is used here")]
    Algorithm {
        /// Its object identifier, dotted.
        oid: String,
    },
    /// A key that X.509 has no form for.
    #[error("a key of the kind {kind} has no form other than that of SSH")]
    OnlySsh {
        /// Its kind.
        kind: &'static str,
    },
}
