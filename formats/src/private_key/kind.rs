//! The kinds of private keys and their names in manifests. Knows no format.

/// The kind of a private key.
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
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Plain,
        Self::Encrypted,
        Self::OpenSsh,
        Self::OpenPgp,
        Self::Putty,
        Self::Jwk,
        Self::Pkcs12,
        Self::JavaKeyStore,
        Self::Keytab,
        Self::WireGuard,
        Self::Tsig,
    ];

    /// The name in manifests and JSON.
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
