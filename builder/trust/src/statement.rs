//! What is signed of a bundle, and the names of the files with its signatures.
//!
//! The statement is the file `SHA256SUMS`, which has the digest of every other file. Its signatures are in a folder of their
//! own that it does not list, so a further signer changes nothing that was signed.

use crate::keys::PublicKey;

/// The folder of signatures within a bundle.
pub const FOLDER: &str = "signatures";

/// What a file in the folder of signatures holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SignatureFile {
    /// An SSH signature of the statement: `ID.sig`.
    Ssh,
    /// A DSSE envelope: `KEYID.KIND.dsse.json`.
    Dsse,
    /// A sigstore bundle: `KEYID.KIND.sigstore.json`.
    Sigstore,
}

/// The name of a key's signature within the bundle, such as `signatures/0123456789abcdef.sig`.
pub fn signature_name(key: &PublicKey) -> String {
    format!("{FOLDER}/{}.sig", key.short_id())
}

/// The name of a key's attestation of a kind within the bundle, such as `signatures/0123456789abcdef.provenance.dsse.json`.
pub fn attestation_name(key: &PublicKey, kind: &str, file: SignatureFile) -> String {
    let ending = if file == SignatureFile::Dsse { "dsse" } else { "sigstore" };
    format!("{FOLDER}/{}.{kind}.{ending}.json", key.short_id())
}

/// What a file in the folder holds, by its name without the folder: nothing for a name that no signature has. Names are
/// lower case, an id of 16 to 64 hexadecimal digits first, so none can be an option or leave the folder.
pub fn signature_file(name: &str) -> Option<SignatureFile> {
    let (id, rest) = name.split_once('.')?;
    let digits = id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if !digits || !(16..=64).contains(&id.len()) {
        return None;
    }
    let word = |kind: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=64).contains(&kind.len()) && kind.bytes().all(plain)
    };
    match rest {
        "sig" if id.len() == 16 => Some(SignatureFile::Ssh),
        rest if rest.strip_suffix(".dsse.json").is_some_and(word) => Some(SignatureFile::Dsse),
        rest if rest.strip_suffix(".sigstore.json").is_some_and(word) => Some(SignatureFile::Sigstore),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_signatures_are_known_and_others_are_not() {
        let id = "0123456789abcdef";
        assert_eq!(signature_file(&format!("{id}.sig")), Some(SignatureFile::Ssh));
        assert_eq!(signature_file(&format!("{id}.provenance.dsse.json")), Some(SignatureFile::Dsse));
        let long = id.repeat(4);
        assert_eq!(signature_file(&format!("{long}.sbom-spdx.sigstore.json")), Some(SignatureFile::Sigstore));
        for wrong in [
            "",
            "x.sig",
            "0123456789abcdeF.sig",
            "-123456789abcdef.sig",
            "0123456789abcdef",
            "0123456789abcdef.sig.tmp",
            "0123456789abcdef0.sig",
            "0123456789abcdef..dsse.json",
            "0123456789abcdef./.dsse.json",
            "0123456789abcdef.A.dsse.json",
            "0123456789abcdef.json",
        ] {
            assert_eq!(signature_file(wrong), None, "{wrong}");
        }
    }
}
