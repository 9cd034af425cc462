//! Private keys, told by their structure alone: what a parser of the format would take, not a name or a word. Keys that
//! are nothing but random bytes have none, and are not found here.
//!
//! PEM and the headers before its body (RFC 7468, RFC 1421), PKCS#1, PKCS#8 and SEC 1 (RFC 8017, 5958, 5915), PKCS#12
//! (RFC 7292), OpenPGP (RFC 9580), JSON Web Keys (RFC 7517), keytabs of Kerberos, key stores of Java, the key files of
//! `GnuPG`, `PuTTY` and `WireGuard`, and the keys of transactions in BIND's syntax.

mod binary;
mod text;

pub use binary::binary;
pub use text::text;

/// What kind of key a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum KeyKind {
    /// A private key that is not encrypted: PKCS#1, PKCS#8, SEC 1 or DSA, in PEM or DER.
    Plain,
    /// One that is encrypted with a passphrase.
    Encrypted,
    /// OpenSSH's own format.
    OpenSsh,
    /// A secret key of OpenPGP, in `GnuPG`'s own files too.
    OpenPgp,
    /// A key of `PuTTY`.
    Putty,
    /// A JSON Web Key with its private part.
    Jwk,
    /// A PKCS#12 file with a key in it.
    Pkcs12,
    /// A key store of Java with a key in it.
    JavaKeyStore,
    /// A keytab of Kerberos.
    Keytab,
    /// A configuration of `WireGuard` with its private key.
    WireGuard,
    /// The secret of a key for transactions (TSIG), as `rndc-confgen` writes it.
    Tsig,
}

impl KeyKind {
    /// The word for it in manifests and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "private-key",
            Self::Encrypted => "encrypted-private-key",
            Self::OpenSsh => "openssh-private-key",
            Self::OpenPgp => "openpgp-secret-key",
            Self::Putty => "putty-private-key",
            Self::Jwk => "json-web-key",
            Self::Pkcs12 => "pkcs12-key",
            Self::JavaKeyStore => "java-key-store",
            Self::Keytab => "kerberos-keytab",
            Self::WireGuard => "wireguard-private-key",
            Self::Tsig => "tsig-key",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
