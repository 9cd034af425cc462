//! Names of entries as paths of a tree.

use amiforge_formats::tree::NAME_MAX;

use super::entry_error::{EntryError, PATH_LONGEST};

/// Makes the path of an entry: names joined by single `/`, without `.`; empty for the root. Leading slashes are
/// stripped, as GNU tar does; returns whether there were any.
///
/// # Errors
/// `..`, NUL bytes, and names or paths that are too long.
pub fn clean(raw: &[u8], path: &mut Vec<u8>) -> Result<bool, EntryError> {
    path.clear();
    if raw.contains(&0) {
        return Err(EntryError::Nul);
    }
    for name in raw.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".") {
        if name == b".." {
            return Err(EntryError::DotDot);
        }
        if name.len() > NAME_MAX {
            return Err(EntryError::NameTooLong { len: name.len() });
        }
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
    }
    if path.len() > PATH_LONGEST {
        return Err(EntryError::TooLong {
            what: "a path",
            size: path.len() as u64,
            max: PATH_LONGEST as u64,
        });
    }
    Ok(raw.first() == Some(&b'/'))
}

/// Splits a clean path into the directory and the last name; both are empty for the root.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => {
            (path.get(..slash).unwrap_or(path), path.get(slash.saturating_add(1)..).unwrap_or(path))
        }
        None => (path.get(..0).unwrap_or(path), path),
    }
}
