//! The document as users hand it over: a file or standard input, raw or as Base64.

use std::io::{self, Read as _};
use std::path::Path;

use amiforge_attest::{DocumentError, MAX_DOCUMENT, decode_document};
use anyhow::Context as _;

use super::bytes::read_file;
use crate::outcome::Failure;

/// The most bytes that are read: Base64 takes a third more, and line breaks.
const MAX_INPUT: u64 = 2 * MAX_DOCUMENT as u64;

/// Reads a document; `-` is standard input.
pub(super) fn read_document(path: &Path) -> Result<Vec<u8>, Failure> {
    let cannot = || format!("cannot read the document `{}`", path.display());
    let input = if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().take(MAX_INPUT + 1).read_to_end(&mut bytes).with_context(cannot)?;
        bytes
    } else {
        read_file(path, MAX_INPUT).with_context(cannot)?
    };
    decode_document(input).with_context(cannot).map_err(|error| {
        Failure::from(error).hint("pass what `nitro-tpm-attest` wrote, byte for byte or as Base64")
    })
}

/// The failure for bytes that are no authentic document.
pub(super) fn refused(error: DocumentError, cannot: String) -> Failure {
    let hint = error.remedy();
    Failure::from(anyhow::Error::from(error).context(cannot)).hint(hint)
}
