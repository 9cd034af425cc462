//! A program on the EFI system partition: its bytes on the disk, its Authenticode digest, its signatures.

use amiforge_formats::digest::Digest;
use amiforge_formats::pe::{self, PeError, PeHeaders, TableEntry};
use amiforge_formats::read_at::{ReadAt, Window};
use amiforge_formats::tree::{Content, NodeKind, Origin, Tree};
use sha2::{Digest as _, Sha256};

use super::{SecureBootError, SecureBootKeys, SignatureRefused, authority, verify_rsa_sha256};
use crate::inspect::{Contents, LastLink, Medium, PartitionSlot, ReadFileSystem, resolve};
use crate::measure::ContentReader;

/// Bytes hashed at a time.
const CHUNK: u64 = 1 << 20;

/// SHA-256 over the bytes that Authenticode hashes.
pub(super) fn authenticode(bytes: &dyn ReadAt) -> Result<Digest, PeError> {
    let padded = bytes.size() + pe::zero_padding(bytes.size());
    let mut sha256 = Sha256::new();
    let mut buffer = vec![0; CHUNK as usize];
    for range in pe::hashed_ranges(bytes, padded)? {
        let mut at = range.start;
        while at < range.end {
            let len = (range.end - at).min(CHUNK);
            let part = &mut buffer[..len as usize];
            part.fill(0);
            let within = bytes.size().saturating_sub(at).min(len);
            let failed = |source| PeError::Io { at, len, source };
            bytes.read_exact_at(at, &mut part[..within as usize]).map_err(failed)?;
            sha256.update(&*part);
            at += len;
        }
    }
    Ok(Digest(sha256.finalize().into()))
}

/// A program on the EFI system partition of an image.
#[derive(Debug, Clone)]
pub struct EspProgram {
    /// Its path, without `/` at its start.
    pub path: String,
    /// Its SHA-256 Authenticode digest.
    pub authenticode: Digest,
    /// The entries of its table of signatures.
    pub signatures: Vec<TableEntry>,
    /// The ranges of the disk that hold its table of signatures: first byte and length.
    pub ranges: Vec<(u64, u64)>,
}

/// What firmware with certain keys makes of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureStatus {
    /// It has no signature.
    Unsigned,
    /// It starts it.
    Trusted {
        /// Name of the signer's certificate.
        signer: String,
        /// The entry of `db` that allows it.
        authority: Digest,
    },
    /// It does not start it.
    Refused(String),
}

impl EspProgram {
    /// Reads a program.
    ///
    /// # Errors
    /// [`SecureBootError`] where there is none of that path, or it is no PE32+ image.
    pub fn read(medium: &Medium, esp: &PartitionSlot, path: &str) -> Result<Self, SecureBootError> {
        let (content, bytes) = open(medium, esp, path)?;
        let failed = |source| SecureBootError::Program { program: path.to_owned(), source };
        let headers = pe::read(&bytes).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            authenticode: authenticode(&bytes).map_err(failed)?,
            signatures: pe::read_signatures(&bytes, &headers).map_err(failed)?,
            ranges: table_ranges(&content, &headers, esp.start),
        })
    }

    /// What firmware with these keys makes of it: one signature that leads to `db` is enough.
    pub fn status(&self, keys: &SecureBootKeys) -> SignatureStatus {
        let mut refused = None;
        for entry in &self.signatures {
            let TableEntry::Signature(signature) = entry else { continue };
            if signature.authenticode != self.authenticode {
                refused.get_or_insert_with(|| "the signature is one of another image".to_owned());
                continue;
            }
            let Some(signer) = signature.signer() else {
                refused.get_or_insert_with(|| "the signature comes without its certificate".to_owned());
                continue;
            };
            let checked: Result<_, SignatureRefused> =
                verify_rsa_sha256(signer, &signature.attributes, &signature.signature)
                    .and_then(|()| authority(keys, &self.authenticode, signer, &signature.certificates));
            match checked {
                Ok((_, entry)) => {
                    return SignatureStatus::Trusted {
                        signer: signer.name(),
                        authority: entry.fingerprint(),
                    };
                }
                Err(error) => _ = refused.get_or_insert_with(|| error.to_string()),
            }
        }
        refused.map_or(SignatureStatus::Unsigned, SignatureStatus::Refused)
    }
}

/// The bytes of a file on the EFI system partition.
pub(crate) type ProgramBytes<'a> = ContentReader<Contents<Window<&'a Medium>>>;

/// Opens a file on the EFI system partition: its content there, and its bytes.
pub(super) fn open<'a>(
    medium: &'a Medium,
    esp: &PartitionSlot,
    path: &str,
) -> Result<(Content, ProgramBytes<'a>), SecureBootError> {
    let missing = || SecureBootError::NoProgram { program: path.to_owned() };
    let volume = ReadFileSystem::read(medium, esp).map_err(SecureBootError::Image)?;
    let tree = volume.and_then(|volume| volume.tree).ok_or_else(missing)?;
    let window = esp.window(medium).ok_or_else(missing)?;
    let content = content(&tree, path).ok_or_else(missing)?.clone();
    let bytes =
        ContentReader::new(&content, Contents(window)).map_err(|source| SecureBootError::Program {
            program: path.to_owned(),
            source: PeError::Io { at: 0, len: content.len(), source },
        })?;
    Ok((content, bytes))
}

/// The content of a file by its path from the root.
fn content<'a>(tree: &'a Tree, path: &str) -> Option<&'a Content> {
    let names: Vec<Vec<u8>> = path.split('/').map(|name| name.as_bytes().to_vec()).collect();
    let id = resolve(tree, &names, LastLink::Kept).ok()?;
    match &tree.node(id).kind {
        NodeKind::File(content) => Some(content),
        _ => None,
    }
}

/// The ranges of the disk that hold the table of signatures of a file of a volume that begins at byte `start`.
fn table_ranges(content: &Content, headers: &PeHeaders, start: u64) -> Vec<(u64, u64)> {
    let Some((at, len)) = headers.signatures else { return Vec::new() };
    let (first, end) = (u64::from(at), u64::from(at) + u64::from(len));
    let ranges = content.segments().into_iter().filter_map(|segment| {
        let (from, to) = (segment.offset.max(first), (segment.offset + segment.len).min(end));
        let Origin::Slice { at, .. } = segment.origin else { return None };
        (from < to).then(|| (start + at + (from - segment.offset), to - from))
    });
    joined(ranges)
}

/// Ranges of which two that meet are one.
pub(super) fn joined(ranges: impl Iterator<Item = (u64, u64)>) -> Vec<(u64, u64)> {
    let mut all: Vec<(u64, u64)> = Vec::new();
    for (start, len) in ranges {
        match all.last_mut().filter(|(from, len)| from + len == start) {
            Some(last) => last.1 += len,
            None => all.push((start, len)),
        }
    }
    all
}
