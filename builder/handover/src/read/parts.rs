//! Which files a hand-over consists of, and the rules that its parts fulfil.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use amiforge_image::bundle;

use crate::error::{Damage, HandoverError, Location};
use crate::header::{HEADER_LEN, Header, MAGIC};
use crate::write::part_path;

/// The end of the names of hand-overs.
const EXTENSION: &str = ".amx";

/// Whether a path names a hand-over: by its first bytes, or by its name where it has lost them; or a folder with one. The
/// folder of a bundle is none, whatever lies in it beside.
pub fn is_handover(path: &Path) -> bool {
    if path.is_dir() {
        let is_bundle =
            [bundle::DISK, bundle::MANIFEST, bundle::SUMS].iter().any(|name| path.join(name).exists());
        return !is_bundle && bases(path).is_ok_and(|bases| !bases.is_empty());
    }
    let mut magic = [0; MAGIC.len()];
    let read = amiforge_progress::regular::open(path).and_then(|mut file| file.read_exact(&mut magic));
    (read.is_ok() && magic == MAGIC) || path.file_name().and_then(|name| base(name.to_str()?)).is_some()
}

/// The files of the hand-over that a path names: a file, any part of one that is split, or the folder of its parts.
///
/// # Errors
/// [`HandoverError::MissingPart`], [`HandoverError::Ambiguous`], and errors of reading the first header.
pub fn files_of(path: &Path) -> Result<Vec<PathBuf>, HandoverError> {
    let parts = part_names(path)?;
    match (1..).zip(&parts).find(|(_, path)| !path.exists()) {
        Some((part, path)) => {
            Err(HandoverError::MissingPart { part, parts: parts.len() as u32, path: path.clone() })
        }
        None => Ok(parts),
    }
}

/// The same as far as they are there: the files before the first that is missing.
///
/// # Errors
/// [`HandoverError::MissingPart`] for the first one, and the others of [`files_of`].
pub fn present_files(path: &Path) -> Result<Vec<PathBuf>, HandoverError> {
    let parts = part_names(path)?;
    let count = parts.len() as u32;
    let present: Vec<_> = parts.iter().take_while(|path| path.exists()).cloned().collect();
    match (present.is_empty(), parts.into_iter().next()) {
        (true, Some(path)) => Err(HandoverError::MissingPart { part: 1, parts: count, path }),
        _ => Ok(present),
    }
}

/// The paths that the parts have.
fn part_names(path: &Path) -> Result<Vec<PathBuf>, HandoverError> {
    let given = if path.is_dir() { only_handover(path)? } else { path.to_owned() };
    let Ok(header) = read_header(&given)? else {
        // What is wrong with the first bytes is said by whoever reads them in their order.
        return Ok(vec![given]);
    };
    let base = split_base(&given).filter(|_| header.parts > 1);
    Ok(match base {
        None => vec![given],
        Some(base) => (1..=header.parts).map(|part| part_path(&base, part)).collect(),
    })
}

/// The path of the whole, of a part.
pub(super) fn split_base(path: &Path) -> Option<PathBuf> {
    let (base, _) = path.to_str()?.rsplit_once('.').filter(|(_, end)| is_number(end))?;
    Some(base.into())
}

/// Whether a part is the one that follows: of the same hand-over, with the number and the range that are due.
pub(super) fn check_next(before: &Header, part: &Header) -> Result<(), Damage> {
    let (found, expected, parts) = (part.part, before.part.saturating_add(1), before.parts);
    if part.index_sha256 != before.index_sha256 {
        return Err(Damage::OtherHandover { found: part.index_sha256, expected: before.index_sha256 });
    }
    if !part.same_whole(before) {
        let rule = format!("the parts before it say {}", before.body_len);
        return Err(Damage::HeaderField { field: "length of the body", value: part.body_len, rule });
    }
    if found != expected {
        return Err(Damage::PartOrder { found, expected, parts });
    }
    if part.start != before.end {
        let rule = format!("the part before it ends at {}", before.end);
        return Err(Damage::HeaderField { field: "start of the range", value: part.start, rule });
    }
    Ok(())
}

/// Whether a part may be the first that is read.
pub(super) fn check_first(part: &Header) -> Result<(), Damage> {
    match part.part {
        1 => Ok(()),
        found => Err(Damage::PartOrder { found, expected: 1, parts: part.parts }),
    }
}

/// Reads the header of a file; what is wrong with it is the inner error.
fn read_header(path: &Path) -> Result<Result<Header, Damage>, HandoverError> {
    let failed = |source| HandoverError::File { path: path.to_owned(), source };
    let mut file = amiforge_progress::regular::open(path).map_err(failed)?;
    let mut bytes = [0; HEADER_LEN as usize];
    match file.read_exact(&mut bytes) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Ok(Err(Damage::Truncated { what: "the header".to_owned(), missing: HEADER_LEN }))
        }
        Err(source) => Err(failed(source)),
        Ok(()) => Ok(Header::decode(&bytes)),
    }
}

/// Damage at a byte of a file.
pub(super) fn damaged(path: &Path, offset: u64, damage: Damage) -> HandoverError {
    HandoverError::damaged(Location { file: path.display().to_string(), offset }, damage)
}

/// The first file that is there of the only hand-over in a folder.
fn only_handover(folder: &Path) -> Result<PathBuf, HandoverError> {
    let bases = bases(folder)?;
    let mut all = bases.iter();
    let (Some((_, name)), None) = (all.next(), all.next()) else {
        return Err(HandoverError::Ambiguous { path: folder.to_owned(), count: distinct(&bases) });
    };
    Ok(folder.join(name))
}

fn distinct(bases: &BTreeSet<(String, String)>) -> usize {
    bases.iter().map(|(base, _)| base).collect::<BTreeSet<_>>().len()
}

/// The names of hand-overs in a folder, each with the name of its first file.
fn bases(folder: &Path) -> Result<BTreeSet<(String, String)>, HandoverError> {
    let failed = |source| HandoverError::File { path: folder.to_owned(), source };
    let mut bases = std::collections::BTreeMap::<String, String>::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let Ok(name) = entry.map_err(failed)?.file_name().into_string() else { continue };
        let Some(base) = base(&name).map(str::to_owned) else { continue };
        let first = bases.entry(base).or_insert_with(|| name.clone());
        if name < *first {
            *first = name;
        }
    }
    Ok(bases.into_iter().collect())
}

/// The name of the hand-over that a file belongs to by its own name.
fn base(name: &str) -> Option<&str> {
    let base = name.rsplit_once('.').filter(|(_, end)| is_number(end)).map_or(name, |(base, _)| base);
    (base.ends_with(EXTENSION) && !name.starts_with('.')).then_some(base)
}

fn is_number(text: &str) -> bool {
    text.len() >= 3 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_parts_lead_to_the_name_of_the_whole() {
        assert_eq!(base("web.amx"), Some("web.amx"));
        assert_eq!(base("web.amx.012"), Some("web.amx"));
        for other in ["web.raw", "web.amx.12", "web.amx.0x1", ".web.amx.partial", ".web.amx", "web"] {
            assert_eq!(base(other), None, "{other}");
        }
    }
}
