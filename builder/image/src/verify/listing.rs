//! `tree.txt` against what the readers see in the image.

use std::collections::BTreeMap;

use amiforge_formats::dump;
use amiforge_formats::tree::Printable;
use amiforge_formats::volume::format::FileMetadata;

use super::formats::SeenFileSystem;
use super::{BundleDifference, VerifyReport};

/// The folder that mke2fs and every ext4 writer makes by itself; a listing may lack it.
const LOST_AND_FOUND: &str = "/lost+found ";

/// A part of the listing: the lines of one file system with their numbers, by the part that is compared.
type Lines = BTreeMap<String, (u64, String)>;

/// Compares every file system with its part of the listing.
pub(super) fn compare(listing: &[u8], seen: &[SeenFileSystem], report: &mut VerifyReport) {
    let text = String::from_utf8_lossy(listing);
    let mut parts = parts(&text);
    for volume in seen {
        let part = parts.remove(volume.id.as_str());
        let Some(tree) = &volume.tree else { continue };
        let dump = dump::to_string(tree);
        let found = keyed(dump.lines().map(|line| (0, line)), volume.metadata).0;
        let (listed, repeated) = keyed(part.unwrap_or_default().into_iter(), volume.metadata);
        report.differences.extend(repeated.into_iter().map(|(line, text)| BundleDifference::Listing {
            location: volume.location.clone(),
            line: Some(line),
            text,
        }));
        report.names += found.len() as u64;
        compare_lines(&volume.location, &listed, &found, report);
    }
    for (id, lines) in parts {
        // A part without lines is that of a file system without files, and no other.
        let head = (0, id);
        let empty = lines.is_empty() && !seen.iter().any(|volume| volume.id == id);
        let lines = if empty { vec![head] } else { lines };
        let unexpected = lines.into_iter().map(|(line, text)| BundleDifference::Listing {
            location: format!("`{}`", Printable(id.as_bytes())),
            line: Some(line),
            text: text.to_owned(),
        });
        report.differences.extend(unexpected);
    }
}

/// The numbered lines of each file system, by the name of its partition.
fn parts(text: &str) -> BTreeMap<&str, Vec<(u64, &str)>> {
    let mut parts: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    let mut id = "";
    for (number, line) in (1..).zip(text.split_terminator('\n')) {
        let head = line.strip_prefix("# ").and_then(|head| head.split(' ').next());
        match head.filter(|name| !parts.contains_key(name)) {
            Some(name) => {
                id = name;
                // A file system without a file still has a part.
                parts.insert(id, Vec::new());
            }
            // The head of a part that has begun before is a line like no file has.
            None => parts.entry(id).or_default().push((number, line)),
        }
    }
    parts
}

/// The lines by what is compared of them, and those that are there more than once.
fn keyed<'a>(
    lines: impl Iterator<Item = (u64, &'a str)>,
    metadata: FileMetadata,
) -> (Lines, Vec<(u64, String)>) {
    let (mut all, mut repeated) = (Lines::new(), Vec::new());
    for (number, line) in lines {
        repeated.extend(all.insert(key(line, metadata), (number, line.to_owned())));
    }
    (all, repeated)
}

/// The part of a line that is compared.
fn key(line: &str, metadata: FileMetadata) -> String {
    let fields: Vec<_> = line.split(' ').collect();
    match (metadata, fields.as_slice()) {
        // Path, kind, mode, owner, time, and for a file its size.
        (FileMetadata::NamesAndSizes, [path, "file", _, _, _, size, ..]) => format!("{path} file {size}"),
        (FileMetadata::NamesAndSizes, [path, kind, ..]) => format!("{path} {kind}"),
        _ => line.to_owned(),
    }
}

fn compare_lines(location: &str, listed: &Lines, found: &Lines, report: &mut VerifyReport) {
    let location = || location.to_owned();
    for (key, (line, text)) in listed {
        if !found.contains_key(key) {
            let text = text.clone();
            report.differences.push(BundleDifference::Listing {
                location: location(),
                line: Some(*line),
                text,
            });
        }
    }
    for (key, (_, text)) in found {
        if !listed.contains_key(key) && !text.starts_with(LOST_AND_FOUND) {
            report.differences.push(BundleDifference::Listing {
                location: location(),
                line: None,
                text: text.clone(),
            });
        }
    }
}
