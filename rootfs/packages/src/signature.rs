//! OpenPGP signatures of archives (RFC 9580; `InRelease`: the cleartext signature framework, section 7). Decides whether
//! a text was signed by a key of a keyring; does not interpret the text.
//!
//! A key counts as apt and gpgv count it: its self-signatures verify, it is neither revoked nor past its expiry at the
//! time given; a subkey is bound for signing and has signed back. Digests that can be forged (MD5, SHA-1, RIPEMD-160)
//! are refused.

pub(crate) mod packets;

use pgp::composed::{CleartextSignedMessage, Deserializable, DetachedSignature, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, Tag, Timestamp, VerifyingKey};

/// Why a text is not accepted as signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// There is no keyring to check with.
    #[error("no key was given that the archive could be checked with")]
    NoKeys,
    /// A keyring cannot be read.
    #[error("the keyring `{keyring}` holds no OpenPGP public key: {reason}")]
    NotAKeyring {
        /// Name of the keyring.
        keyring: String,
        /// The error of the reader.
        reason: String,
    },
    /// Bytes that are no signed text.
    #[error("it is not a text signed by OpenPGP: {reason}")]
    NotSigned {
        /// The error of the reader.
        reason: String,
    },
    /// None of the keys that signed is in a keyring.
    #[error("it is signed by {signers}, of which no keyring given has any: {keyrings}")]
    UnknownKey {
        /// Fingerprints or ids of the keys that signed.
        signers: String,
        /// Names of the keyrings.
        keyrings: String,
    },
    /// A known key's signature does not belong to this text.
    #[error("the signature by {signer} is wrong: the text is not what was signed")]
    Wrong {
        /// Fingerprint of the key.
        signer: String,
    },
    /// The key is past its expiry.
    #[error("the key {signer} expired at {expired}, and it is {now} now (seconds since 1970)")]
    KeyExpired {
        /// Fingerprint of the key.
        signer: String,
        /// When it expired, in seconds since 1970.
        expired: i64,
        /// The time given, in seconds since 1970.
        now: i64,
    },
    /// The key was revoked, or not made for signing, or its self-signatures are wrong.
    #[error("the key {signer} may not sign: {why}")]
    KeyUnfit {
        /// Fingerprint of the key.
        signer: String,
        /// The cause.
        why: &'static str,
    },
    /// The signature itself is past its expiry.
    #[error("the signature by {signer} expired at {expired}, and it is {now} now (seconds since 1970)")]
    SignatureExpired {
        /// Fingerprint of the key.
        signer: String,
        /// When it expired, in seconds since 1970.
        expired: i64,
        /// The time given, in seconds since 1970.
        now: i64,
    },
    /// A digest that can be forged.
    #[error("the signature by {signer} is made with {digest}, which can be forged")]
    WeakDigest {
        /// Fingerprint of the key.
        signer: String,
        /// The digest.
        digest: String,
    },
}

/// Keys that may sign an archive.
#[derive(Debug, Clone)]
pub struct Keyring {
    name: String,
    keys: Vec<SignedPublicKey>,
}

impl Keyring {
    /// Reads a keyring, binary or armored. Keys of kinds unknown here are left out. `name` is for messages.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, SignatureError> {
        let refused = |reason: String| SignatureError::NotAKeyring { keyring: name.to_owned(), reason };
        let mut keys = Vec::new();
        let mut last = "it is empty".to_owned();
        for block in blocks(bytes) {
            let block = packets::without_trust(block);
            let (read, _) = SignedPublicKey::from_reader_many(block.as_slice())
                .map_err(|error| refused(error.to_string()))?;
            for key in read {
                match key {
                    Ok(key) => keys.push(key),
                    Err(error) => last = error.to_string(),
                }
            }
        }
        if keys.is_empty() { Err(refused(last)) } else { Ok(Self { name: name.to_owned(), keys }) }
    }

    /// The keys of it with these fingerprints, in upper-case hexadecimal.
    #[must_use]
    pub fn only(&self, fingerprints: &[String]) -> Self {
        let pinned = |key: &&SignedPublicKey| fingerprints.contains(&fingerprint(&key.primary_key));
        Self { name: self.name.clone(), keys: self.keys.iter().filter(pinned).cloned().collect() }
    }

    /// Fingerprints of the keys, in upper-case hexadecimal and in the order of the keyring.
    pub fn fingerprints(&self) -> impl Iterator<Item = String> {
        self.keys.iter().map(|key| fingerprint(&key.primary_key))
    }
}

/// Armored keyrings may be several blocks one after the other; binary ones are one.
pub(crate) fn blocks(bytes: &[u8]) -> Vec<&[u8]> {
    const BEGIN: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";
    let starts: Vec<usize> =
        bytes.windows(BEGIN.len()).enumerate().filter(|(_, at)| *at == BEGIN).map(|(at, _)| at).collect();
    if starts.is_empty() {
        return vec![bytes];
    }
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    starts.iter().zip(ends).filter_map(|(start, end)| bytes.get(*start..end)).collect()
}

/// A text that a key of a keyring signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedText {
    /// The signed text and nothing around it; lines end in `\n`.
    pub text: String,
    /// Fingerprint of the primary key that it was signed with (or with a subkey of it), in upper-case hexadecimal.
    pub signer: String,
}

/// Checks an `InRelease`: text and signatures in one file. `at` is the time to check at, in seconds since 1970.
///
/// One good signature is enough, for archives sign with old and new keys; a wrong one of a known key is not outweighed.
pub fn verify_inrelease(bytes: &[u8], keyrings: &[Keyring], at: i64) -> Result<SignedText, SignatureError> {
    let refused = |reason: String| SignatureError::NotSigned { reason };
    let text = std::str::from_utf8(bytes).map_err(|error| refused(error.to_string()))?;
    let (message, _) =
        CleartextSignedMessage::from_string(text).map_err(|error| refused(error.to_string()))?;
    let signed = message.signed_text();
    let signatures: Vec<&Signature> = message.signatures().iter().collect();
    let signer = signer(signed.as_bytes(), &signatures, keyrings, at)?;
    Ok(SignedText { text: signed.replace("\r\n", "\n"), signer })
}

/// Checks a `Release` by its `Release.gpg`, binary or armored. `at` is the time to check at, in seconds since 1970.
pub fn verify_release(
    release: &[u8],
    signature: &[u8],
    keyrings: &[Keyring],
    at: i64,
) -> Result<SignedText, SignatureError> {
    let refused = |reason: String| SignatureError::NotSigned { reason };
    let text = std::str::from_utf8(release).map_err(|error| refused(error.to_string()))?;
    let signer = verify_detached(release, &[signature], keyrings, at)?;
    Ok(SignedText { text: text.to_owned(), signer })
}

/// Checks bytes by signatures that are apart from them, each of them one or more packets, binary or armored. Returns the
/// fingerprint of the primary key, in upper-case hexadecimal. Signatures of kinds unknown here are left out, unless there is
/// no other. `at` is the time to check at, in seconds since 1970.
pub fn verify_detached(
    bytes: &[u8],
    signatures: &[&[u8]],
    keyrings: &[Keyring],
    at: i64,
) -> Result<String, SignatureError> {
    let mut read = Vec::new();
    let mut last = "it is empty".to_owned();
    for signature in signatures {
        match DetachedSignature::from_reader_many(*signature) {
            Ok((packets, _)) => {
                for packet in packets {
                    match packet {
                        Ok(packet) => read.push(packet.signature),
                        Err(error) => last = error.to_string(),
                    }
                }
            }
            Err(error) => last = error.to_string(),
        }
    }
    if read.is_empty() {
        return Err(SignatureError::NotSigned { reason: last });
    }
    signer(bytes, &read.iter().collect::<Vec<_>>(), keyrings, at)
}

/// The first key in a keyring whose signature counts.
fn signer(
    text: &[u8],
    signatures: &[&Signature],
    keyrings: &[Keyring],
    at: i64,
) -> Result<String, SignatureError> {
    if keyrings.iter().all(|keyring| keyring.keys.is_empty()) {
        return Err(SignatureError::NoKeys);
    }
    let mut good = None;
    let mut bad = None;
    for signature in signatures {
        match keyrings
            .iter()
            .flat_map(|keyring| &keyring.keys)
            .find_map(|key| made_by(signature, key, text, at))
        {
            Some(Ok(signer)) => good = good.or(Some(signer)),
            Some(Err(wrong @ SignatureError::Wrong { .. })) => return Err(wrong),
            Some(Err(other)) => bad = bad.or(Some(other)),
            None => {}
        }
    }
    match (good, bad) {
        (Some(signer), _) => Ok(signer),
        (None, Some(bad)) => Err(bad),
        (None, None) if signatures.is_empty() => {
            Err(SignatureError::NotSigned { reason: "it has no signature".to_owned() })
        }
        (None, None) => Err(SignatureError::UnknownKey {
            signers: signatures.iter().map(|signature| issuer(signature)).collect::<Vec<_>>().join(", "),
            keyrings: keyrings.iter().map(|keyring| keyring.name.as_str()).collect::<Vec<_>>().join(", "),
        }),
    }
}

/// The result of a signature that names this key (or a subkey of it); none if it names another.
fn made_by(
    signature: &Signature,
    key: &SignedPublicKey,
    text: &[u8],
    at: i64,
) -> Option<Result<String, SignatureError>> {
    let signer = fingerprint(&key.primary_key);
    if names(signature, &key.primary_key) {
        return Some(
            fit_primary(key, at)
                .and_then(|()| counts(signature, &key.primary_key, text, &signer, at))
                .map(|()| signer),
        );
    }
    let subkey = key.public_subkeys.iter().find(|subkey| names(signature, &subkey.key))?;
    Some(
        fit_primary(key, at)
            .and_then(|()| fit_subkey(key, subkey, at))
            .and_then(|()| counts(signature, &subkey.key, text, &signer, at))
            .map(|()| signer),
    )
}

fn names(signature: &Signature, key: &impl KeyDetails) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if fingerprints.is_empty() {
        signature.issuer_key_id().contains(&&key.legacy_key_id())
    } else {
        fingerprints.contains(&&key.fingerprint())
    }
}

/// Whether the signature itself is of this text, of today and not forgeable.
fn counts(
    signature: &Signature,
    key: &impl VerifyingKey,
    text: &[u8],
    signer: &str,
    at: i64,
) -> Result<(), SignatureError> {
    let signer = signer.to_owned();
    match signature.hash_alg() {
        Some(HashAlgorithm::Md5 | HashAlgorithm::Sha1 | HashAlgorithm::Ripemd160) | None => {
            let digest =
                signature.hash_alg().map_or_else(|| "an unknown digest".to_owned(), |hash| hash.to_string());
            return Err(SignatureError::WeakDigest { signer, digest });
        }
        Some(_) => {}
    }
    if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text))
        || signature.verify(key, text).is_err()
    {
        return Err(SignatureError::Wrong { signer });
    }
    let created = signature.created().map_or(0, seconds);
    match signature.signature_expiration_time().map(|lifetime| i64::from(lifetime.as_secs())) {
        Some(lifetime) if lifetime != 0 && created.saturating_add(lifetime) <= at => {
            Err(SignatureError::SignatureExpired {
                signer,
                expired: created.saturating_add(lifetime),
                now: at,
            })
        }
        _ => Ok(()),
    }
}

/// Whether a primary key has a good self-signature, is not revoked and not expired.
fn fit_primary(key: &SignedPublicKey, at: i64) -> Result<(), SignatureError> {
    let primary = &key.primary_key;
    let unfit = |why| SignatureError::KeyUnfit { signer: fingerprint(primary), why };
    if key.details.revocation_signatures.iter().any(|signature| signature.verify_key(primary).is_ok()) {
        return Err(unfit("it was revoked"));
    }
    let direct =
        key.details.direct_signatures.iter().filter(|signature| signature.verify_key(primary).is_ok());
    let users = key.details.users.iter().flat_map(|user| {
        user.signatures.iter().filter(|signature| {
            signature.typ() != Some(SignatureType::CertRevocation)
                && signature.verify_certification(primary, Tag::UserId, &user.id).is_ok()
        })
    });
    // The newest self-signature counts: an owner moves the expiry by signing again.
    let newest = direct
        .chain(users)
        .max_by_key(|signature| signature.created().map_or(0, seconds))
        .ok_or_else(|| unfit("it has no self-signature that verifies"))?;
    expired(newest, primary, fingerprint(primary), at)
}

/// Whether a subkey is bound to its primary key for signing, not revoked and not expired.
fn fit_subkey(
    key: &SignedPublicKey,
    subkey: &pgp::composed::SignedPublicSubKey,
    at: i64,
) -> Result<(), SignatureError> {
    let signer = fingerprint(&key.primary_key);
    let unfit = |why| SignatureError::KeyUnfit { signer: signer.clone(), why };
    let good = subkey
        .signatures
        .iter()
        .filter(|signature| signature.verify_subkey_binding(&key.primary_key, &subkey.key).is_ok());
    let (revoked, bound): (Vec<_>, Vec<_>) =
        good.partition(|signature| signature.typ() == Some(SignatureType::SubkeyRevocation));
    if !revoked.is_empty() {
        return Err(unfit("the subkey it signed with was revoked"));
    }
    let newest = bound
        .into_iter()
        .max_by_key(|signature| signature.created().map_or(0, seconds))
        .ok_or_else(|| unfit("the subkey it signed with is not bound to it"))?;
    let signed_back = newest
        .embedded_signature()
        .is_some_and(|back| back.verify_primary_key_binding(&subkey.key, &key.primary_key).is_ok());
    if !newest.key_flags().sign() || !signed_back {
        return Err(unfit("the subkey it signed with is not one for signing"));
    }
    expired(newest, &subkey.key, signer, at)
}

fn expired(
    self_signature: &Signature,
    key: &impl KeyDetails,
    signer: String,
    at: i64,
) -> Result<(), SignatureError> {
    let lifetime = self_signature.key_expiration_time().map_or(0, |lifetime| i64::from(lifetime.as_secs()));
    let expired = seconds(key.created_at()).saturating_add(lifetime);
    if lifetime != 0 && expired <= at {
        return Err(SignatureError::KeyExpired { signer, expired, now: at });
    }
    Ok(())
}

fn seconds(time: Timestamp) -> i64 {
    i64::from(time.as_secs())
}

fn fingerprint(key: &impl KeyDetails) -> String {
    format!("{:X}", key.fingerprint())
}

/// The fingerprint, else the id, of the key that a signature names as its issuer.
fn issuer(signature: &Signature) -> String {
    let fingerprint = signature.issuer_fingerprint().first().map(|fingerprint| format!("{fingerprint:X}"));
    let id = || signature.issuer_key_id().first().map(|id| id.to_string().to_uppercase());
    fingerprint.or_else(id).unwrap_or_else(|| "a key that it does not name".to_owned())
}

#[cfg(test)]
mod tests;
