//! Ciphertexts: AES-256 in CBC mode, and for those of keys an HMAC over everything. The form is the local region's own, as
//! that of AWS is AWS's.

use std::collections::BTreeMap;

use aes::Aes256;
use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockDecrypt as _, BlockEncrypt as _, KeyInit as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::ids;

/// The first byte of a ciphertext.
const VERSION: u8 = 1;
const ID: usize = 36;
const BLOCK: usize = 16;
const MAC: usize = 32;

/// The encryption context of a request.
pub(super) type EncryptionContext = BTreeMap<String, String>;

/// A ciphertext under a key of the region: version, id of the key, initialization vector, blocks, HMAC.
pub(super) fn seal(secret: &[u8; 32], id: &str, context: &EncryptionContext, plaintext: &[u8]) -> Vec<u8> {
    let iv: [u8; BLOCK] = ids::random();
    let mut sealed = vec![VERSION];
    sealed.extend(id.as_bytes());
    sealed.extend(iv);
    sealed.extend(encrypt_cbc(&derive(secret, id, "encrypt"), &iv, plaintext));
    sealed.extend(mac(secret, id, context, &sealed));
    sealed
}

/// The id of the key of a ciphertext; `None` if it is none.
pub(super) fn key_id(sealed: &[u8]) -> Option<&str> {
    let id = sealed.strip_prefix(&[VERSION])?.get(..ID)?;
    std::str::from_utf8(id).ok()
}

/// The plaintext; `None` if anything differs from what was sealed.
pub(super) fn open(secret: &[u8; 32], context: &EncryptionContext, sealed: &[u8]) -> Option<Vec<u8>> {
    let id = key_id(sealed)?;
    let (body, tag) = sealed.split_at_checked(sealed.len().checked_sub(MAC)?)?;
    if mac(secret, id, context, body) != tag {
        return None;
    }
    let (iv, blocks) = body.get(1 + ID..)?.split_first_chunk::<BLOCK>()?;
    decrypt_cbc(&derive(secret, id, "encrypt"), iv, blocks)
}

/// Encrypts in CBC mode with the padding of PKCS #7 (RFC 5652, 6.3).
pub(super) fn encrypt_cbc(key: &[u8; 32], iv: &[u8; BLOCK], plaintext: &[u8]) -> Vec<u8> {
    let cipher = Aes256::new(key.into());
    let pad = BLOCK - plaintext.len() % BLOCK;
    let mut bytes = plaintext.to_vec();
    bytes.resize(plaintext.len() + pad, pad as u8);
    let mut before = *iv;
    for block in bytes.chunks_exact_mut(BLOCK) {
        block.iter_mut().zip(before).for_each(|(byte, before)| *byte ^= before);
        cipher.encrypt_block(GenericArray::from_mut_slice(block));
        before.copy_from_slice(block);
    }
    bytes
}

fn decrypt_cbc(key: &[u8; 32], iv: &[u8; BLOCK], blocks: &[u8]) -> Option<Vec<u8>> {
    let cipher = Aes256::new(key.into());
    let mut bytes = blocks.to_vec();
    let mut before = *iv;
    for (block, cipher_block) in bytes.chunks_exact_mut(BLOCK).zip(blocks.chunks_exact(BLOCK)) {
        cipher.decrypt_block(GenericArray::from_mut_slice(block));
        block.iter_mut().zip(before).for_each(|(byte, before)| *byte ^= before);
        before.copy_from_slice(cipher_block);
    }
    let pad = usize::from(*bytes.last()?);
    bytes.truncate(bytes.len().checked_sub(pad)?);
    Some(bytes)
}

fn mac(secret: &[u8; 32], id: &str, context: &EncryptionContext, body: &[u8]) -> Vec<u8> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(&derive(secret, id, "authenticate")).expect("a key of any length");
    mac.update(body);
    mac.update(serde_json::json!(context).to_string().as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// A key for a purpose.
pub(super) fn derive(secret: &[u8; 32], id: &str, purpose: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length");
    mac.update(format!("amiforge kms {purpose} {id}").as_bytes());
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u8; 32] = [7; 32];

    #[test]
    fn only_what_was_sealed_is_opened() {
        let id = "0".repeat(ID);
        let context = EncryptionContext::from([("a".to_owned(), "b".to_owned())]);
        for len in [0, 1, 15, 16, 17, 4096] {
            let sealed = seal(&SECRET, &id, &context, &vec![9; len]);
            assert_eq!(open(&SECRET, &context, &sealed), Some(vec![9; len]));
            assert_eq!(open(&SECRET, &EncryptionContext::new(), &sealed), None);
            assert_eq!(open(&[8; 32], &context, &sealed), None);
            for at in [0, 1, 40, sealed.len() - 1] {
                let mut changed = sealed.clone();
                changed[at] ^= 1;
                assert_eq!(open(&SECRET, &context, &changed), None, "{at}");
            }
        }
        for short in [0, 1, 20, 37, 60] {
            assert_eq!(open(&SECRET, &context, &vec![VERSION; short]), None);
        }
    }

    /// NIST SP 800-38A, F.2.5 (CBC-AES256.Encrypt), the first block.
    #[test]
    fn the_first_block_is_that_of_the_standard() {
        let key: Vec<u8> = (0..32)
            .map(|at| {
                u8::from_str_radix(
                    &"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"[2 * at..2 * at + 2],
                    16,
                )
                .unwrap()
            })
            .collect();
        let iv: Vec<u8> = (0..16).collect();
        let block: Vec<u8> = (0..16)
            .map(|at| {
                u8::from_str_radix(&"6bc1bee22e409f96e93d7e117393172a"[2 * at..2 * at + 2], 16).unwrap()
            })
            .collect();
        let encrypted = encrypt_cbc(&key.try_into().unwrap(), &iv.try_into().unwrap(), &block);
        let hex = encrypted[..16].iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        assert_eq!(hex, "f58c4c04d6e5f1ba779eabfb5f7bfbd6");
    }
}
