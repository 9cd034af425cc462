//! The documents of a bundle: its files but the image, compared with `SHA256SUMS`, and its signatures.

use std::fs;
use std::io;
use std::path::Path;

use amiforge_formats::digest::Digest;
use amiforge_image::bundle;
use amiforge_image::manifest::Manifest;

use crate::codec::{Encoding, ZstdEncoder};
use crate::contents::SIGNATURES;
use crate::error::{HandoverError, chain};
use crate::index::{EncodedDocument, are_readable, is_name};

/// Documents shorter than this are stored as they are.
const SHORT: usize = 4096;

/// Reads the documents of the bundle in a folder.
pub(super) fn of_bundle(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, HandoverError> {
    let sums = read(folder, bundle::SUMS)?;
    let text = std::str::from_utf8(&sums).map_err(|error| wrong(bundle::SUMS, chain(&error)))?;
    let lines = bundle::parse_sums(text).map_err(|error| wrong(bundle::SUMS, chain(&error)))?;
    let mut documents = Vec::new();
    for line in lines.into_iter().filter(|line| line.name != bundle::DISK) {
        let bytes = read(folder, &line.name)?;
        let computed = Digest::of(&bytes);
        if computed != line.sha256 {
            let reason = format!("it has the digest {computed}, and `{}` says {}", bundle::SUMS, line.sha256);
            return Err(wrong(&line.name, reason));
        }
        documents.push((line.name, bytes));
    }
    documents.push((bundle::SUMS.to_owned(), sums));
    documents.extend(signatures(folder)?);
    Ok(documents)
}

/// The manifest among documents. That it agrees with the others is checked by every reader.
pub(super) fn manifest(documents: &[(String, Vec<u8>)]) -> Result<Manifest, HandoverError> {
    let text = documents.iter().find(|(name, _)| name == bundle::MANIFEST);
    let (_, text) = text.ok_or_else(|| wrong(bundle::MANIFEST, "it is not in `SHA256SUMS`".to_owned()))?;
    Manifest::parse(text).map_err(|error| wrong(bundle::MANIFEST, chain(&error)))
}

/// Encodes documents, sorted by name. What signatures are over is stored as it is, so that it can be checked before
/// anything is decompressed.
pub(super) fn encode(mut documents: Vec<(String, Vec<u8>)>) -> Result<Vec<EncodedDocument>, HandoverError> {
    documents.sort_unstable();
    if !are_readable(&documents) {
        let reason = "the files beside the image are more, or longer, than a hand-over may have".to_owned();
        return Err(wrong("the bundle", reason));
    }
    let failed = |source| HandoverError::Stream { name: "the compressor".to_owned(), source };
    let mut encoder = ZstdEncoder::new().map_err(failed)?;
    let encode = |(name, bytes): (String, Vec<u8>)| {
        if !is_name(&name) {
            return Err(wrong(&name, "a hand-over cannot have a file of this name".to_owned()));
        }
        let (len, sha256) = (bytes.len() as u64, Digest::of(&bytes));
        let plain = bytes.len() < SHORT || name == bundle::SUMS || name.starts_with(SIGNATURES);
        let (encoding, stored) =
            if plain { (Encoding::Plain, bytes) } else { encoder.encode(&bytes).map_err(failed)? };
        Ok(EncodedDocument { name, encoding, len, sha256, stored })
    };
    documents.into_iter().map(encode).collect()
}

fn signatures(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, HandoverError> {
    let path = folder.join(SIGNATURES);
    let failed = |source| HandoverError::File { path: path.clone(), source };
    let entries = match fs::read_dir(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut signatures = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        let name =
            name.to_str().ok_or_else(|| wrong(&name.to_string_lossy(), "its name is not text".to_owned()))?;
        let name = format!("{SIGNATURES}{name}");
        signatures.push((name.clone(), read(folder, &name)?));
    }
    Ok(signatures)
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>, HandoverError> {
    let path = folder.join(name);
    amiforge_progress::regular::read(&path).map_err(|source| HandoverError::File { path, source })
}

fn wrong(name: &str, reason: String) -> HandoverError {
    HandoverError::Bundle { name: name.to_owned(), reason }
}
