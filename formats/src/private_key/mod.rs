//! Identifies private keys by their structure alone: by what a parser of the format would accept, not by file names or
//! labels. Keys that are plain random bytes have no structure and are not identified.
//!
//! PEM and the headers before its body (RFC 7468, RFC 1421), PKCS#1, PKCS#8 and SEC 1 (RFC 8017, 5958, 5915), PKCS#12
//! (RFC 7292), OpenPGP (RFC 9580), JSON Web Keys (RFC 7517), keytabs of Kerberos, key stores of Java, the key files of
//! `GnuPG`, `PuTTY` and `WireGuard`, and the keys of transactions in BIND's syntax.

mod binary;
mod kind;
mod text;

pub use binary::identify_binary;
pub use kind::KeyKind;
pub use text::{TEXT_MARKERS, TextMarker, identify_text};

#[cfg(test)]
mod tests;
