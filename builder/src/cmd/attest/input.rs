//! The document as users hand it over: a file or standard input, raw or as Base64.

use std::io::{self, Read as _};
use std::path::Path;

use amiforge_attest::{DocumentError, MAX_DOCUMENT, decode_document};

use super::bytes::read_file;
use crate::outcome::Failure;

/// The most bytes that are read: Base64 takes a third more, and line breaks.
const MAX_INPUT: u64 = 2 * MAX_DOCUMENT as u64;

/// Reads a document; `-` is standard input.
pub(super) fn read_document(path: &Path) -> Result<Vec<u8>, Failure> {
    let cannot = || format!("cannot read the document `{}`", path.display());
    let failed = |error: anyhow::Error| {
        Failure::from(error.context(cannot()))
            .hint("pass what `nitro-tpm-attest` wrote, byte for byte or as Base64")
    };
    let input = if path == Path::new("-") {
        let mut bytes = Vec::new();
        let read = io::stdin().lock().take(MAX_INPUT + 1).read_to_end(&mut bytes);
        read.map_err(|error| failed(error.into()))?;
        bytes
    } else {
        read_file(path, MAX_INPUT).map_err(|error| failed(error.into()))?
    };
    decode_document(input).map_err(|error| failed(error.into()))
}

/// The failure for bytes that are no authentic document.
pub(super) fn refused(error: DocumentError, cannot: String) -> Failure {
    let hint = error.remedy();
    Failure::from(anyhow::Error::from(error).context(cannot)).hint(hint)
}
