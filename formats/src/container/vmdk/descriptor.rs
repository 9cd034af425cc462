//! The descriptor of a VMDK, text within the file: whether the disk is in this file as a whole.

use super::super::error::{ContainerError, ErrorsOf};
use crate::read_at::ReadAt;

const ERRORS: ErrorsOf = ErrorsOf("VMDK");

/// The longest descriptor; writers reserve 10 KiB.
const LEN_MAX: u64 = 1 << 20;

/// A parent that there is none of.
const NO_PARENT: &str = "ffffffff";

/// Checks that the descriptor at `at` names no other file.
///
/// # Errors
/// What it needs beside this file.
pub(super) fn check(file: &dyn ReadAt, at: u64, len: u64) -> Result<(), ContainerError> {
    if at == 0 || len == 0 {
        return Err(ERRORS.unsupported("is one of several that its disk is split into"));
    }
    if len > LEN_MAX {
        return Err(ERRORS.damaged(format!("a descriptor of {len} bytes")));
    }
    let mut bytes = vec![0; len as usize];
    file.read_exact_at(at, &mut bytes).map_err(ERRORS.io(at))?;
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let text = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default());
    let (mut extents, mut kind) = (Vec::new(), String::new());
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some((key, value)) = line.split_once('=') {
            let (key, value) = (key.trim(), value.trim().trim_matches('"'));
            match key.to_ascii_lowercase().as_str() {
                "parentcid" if !value.eq_ignore_ascii_case(NO_PARENT) => {
                    return Err(ERRORS.unsupported("is the difference to a parent"));
                }
                "encryption.keysafe" | "encryption.data" => return Err(ERRORS.unsupported("is encrypted")),
                "createtype" => value.clone_into(&mut kind),
                _ => {}
            }
        } else if ["RW ", "RDONLY ", "NOACCESS "].into_iter().any(|access| line.starts_with(access)) {
            extents.push(line.to_owned());
        }
    }
    match extents.as_slice() {
        [extent] if extent.split_whitespace().nth(2) == Some("SPARSE") => Ok(()),
        [] => Err(ERRORS.unsupported("is one of several that its disk is split into")),
        [_] => Err(ERRORS.unsupported(format!("is of type `{}`", kind.escape_debug()))),
        several => Err(ERRORS.unsupported(format!("has {} extents, which are other files", several.len()))),
    }
}
