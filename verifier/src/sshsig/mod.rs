//! SSH signatures of files after OpenSSH's PROTOCOL.sshsig: armour, fields, and what is signed.

mod key;

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use sha2::{Digest as _, Sha256, Sha512};

use crate::base64;
use crate::bytes::word;

pub use key::{KeyKind, PublicKey};

/// The namespace of signatures of bundles.
pub const NAMESPACE: &str = "amiforge-bundle";
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
const MAGIC: &[u8] = b"SSHSIG";
/// The longest armoured signature that is read: RSA of 8192 bits needs some 3500 bytes.
const LEN_MAX: usize = 16 << 10;

/// A signature with the key that it says it was made with; nothing of it is verified by reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshSignature {
    /// The key.
    pub key: PublicKey,
    namespace: Vec<u8>,
    reserved: Vec<u8>,
    hash: Vec<u8>,
    signature: Vec<u8>,
}

impl SshSignature {
    /// Reads an armoured signature.
    ///
    /// # Errors
    /// The reason why it is none.
    pub fn parse(armoured: &[u8]) -> Result<Self, String> {
        if armoured.len() > LEN_MAX {
            return Err("it is too long for a signature".to_string());
        }
        let text = core::str::from_utf8(armoured).map_err(|_| "it is no text")?.trim();
        let inside = text.strip_prefix(BEGIN).and_then(|text| text.strip_suffix(END));
        let inside = inside.filter(|inside| inside.starts_with(['\n', '\r']));
        let inside = inside.ok_or("it has no armour of an SSH signature")?;
        let digits: String = inside.chars().filter(|one| !matches!(one, '\n' | '\r')).collect();
        let blob = base64::decode(&digits).ok_or("its armour holds no base64")?;
        Self::fields(&blob).ok_or_else(|| "it is malformed".to_string())?
    }

    fn fields(blob: &[u8]) -> Option<Result<Self, String>> {
        let mut fields = Fields(blob.strip_prefix(MAGIC)?);
        let version = fields.number()?;
        if version != 1 {
            return Some(Err(alloc::format!("its version is {version}, and 1 is known")));
        }
        let key = fields.string()?;
        let (namespace, reserved) = (fields.string()?.to_vec(), fields.string()?.to_vec());
        let (hash, signature) = (fields.string()?.to_vec(), fields.string()?.to_vec());
        if !fields.0.is_empty() {
            return None;
        }
        Some(PublicKey::from_blob(key).map(|key| Self { key, namespace, reserved, hash, signature }))
    }

    /// Whether it is a signature of a message for a purpose.
    ///
    /// # Errors
    /// The reason why it is none.
    pub fn verify(&self, namespace: &str, message: &[u8]) -> Result<(), String> {
        if self.namespace != namespace.as_bytes() {
            return Err(alloc::format!("its namespace is {}, and not {namespace}", word(&self.namespace)));
        }
        let digest: Vec<u8> = match self.hash.as_slice() {
            b"sha256" => Sha256::digest(message).to_vec(),
            b"sha512" => Sha512::digest(message).to_vec(),
            hash => return Err(alloc::format!("its hash {} is not known", word(hash))),
        };
        let mut signed = MAGIC.to_vec();
        for field in [namespace.as_bytes(), &self.reserved, &self.hash, &digest] {
            put(&mut signed, field);
        }
        self.key.verify_ssh(&signed, &self.signature)
    }
}

/// Appends a string in SSH's form.
fn put(out: &mut Vec<u8>, field: &[u8]) {
    // Fields here are shorter than 4 GiB, as all of them came in such a form.
    out.extend((field.len() as u32).to_be_bytes());
    out.extend(field);
}

/// Fields in SSH's form (RFC 4251, section 5), read from the front.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.0.get(..len)?;
        self.0 = self.0.get(len..)?;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let len = self.number()?;
        self.take(usize::try_from(len).ok()?)
    }

    /// A positive number without needless zeros before it.
    fn unsigned(&mut self) -> Option<&'a [u8]> {
        match self.string()? {
            [] => None,
            [0, rest @ ..] => rest.first().filter(|byte| **byte >= 0x80).map(|_| rest),
            [first, ..] if *first >= 0x80 => None,
            number => Some(number),
        }
    }
}
