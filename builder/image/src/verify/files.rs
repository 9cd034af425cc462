//! The files of a bundle: their presence, their sums, and the consistency of the manifest.

use std::collections::BTreeSet;
use std::fs::{self, FileType};
use std::io::{self, Read};
use std::path::Path;

use amiforge_formats::digest::Digest;
use amiforge_formats::tree::Printable;
use amiforge_trust::statement::{FOLDER, signature_file};

use super::{BundleDifference, VerifyError, VerifyReport};
use crate::bundle::{self, SumLine};
use crate::image::Aggregate;
use crate::manifest::{Manifest, TEXT_MAX};

/// Names of the regular files of the bundle that are there.
pub(super) type Present = BTreeSet<&'static str>;

/// Lists the files of the bundle, and adds a difference for each that is missing or does not belong.
pub(super) fn present(directory: &Path, report: &mut VerifyReport) -> Result<Present, VerifyError> {
    let failed = |source| VerifyError::Directory { path: directory.to_owned(), source };
    let mut present = Present::new();
    let mut extra = Vec::new();
    for (name, kind) in entries(directory).map_err(failed)? {
        match bundle::names().find(|file| name == file.as_bytes()) {
            None if is_signature(&name) && kind.is_file() => {}
            Some(file) if kind.is_file() => _ = present.insert(file),
            Some(file) => report.differences.push(BundleDifference::NotAFile { name: file.to_owned() }),
            None => extra.push(Printable(&name).to_string()),
        }
    }
    if bundle::FILES.iter().all(|file| !present.contains(file)) {
        return Err(VerifyError::NotABundle { path: directory.to_owned() });
    }
    extra.sort();
    report.differences.extend(extra.into_iter().map(|name| BundleDifference::Extra { name }));
    let missing = bundle::FILES.into_iter().filter(|file| !present.contains(file));
    let missing = missing.filter(|file| {
        let name = (*file).to_owned();
        !report.differences.contains(&BundleDifference::NotAFile { name })
    });
    let missing: Vec<_> = missing.map(|file| BundleDifference::Missing { name: file.to_owned() }).collect();
    report.differences.extend(missing);
    Ok(present)
}

/// Whether this is the name of a file in the folder of signatures, which nothing lists.
fn is_signature(name: &[u8]) -> bool {
    let name = std::str::from_utf8(name).ok().and_then(|name| name.strip_prefix(FOLDER)?.strip_prefix('/'));
    name.is_some_and(|name| signature_file(name).is_some())
}

/// The names of the files of a bundle with their types; those in the folders of signing requests and of signatures with
/// the folder's name.
fn entries(directory: &Path) -> io::Result<Vec<(Vec<u8>, FileType)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        if (name != bundle::SIGNING && name != FOLDER) || !kind.is_dir() {
            all.push((name.into_encoded_bytes(), kind));
            continue;
        }
        for entry in fs::read_dir(entry.path())? {
            let entry = entry?;
            let inner = entry.file_name();
            let name = [name.as_encoded_bytes(), b"/", inner.as_encoded_bytes()].concat();
            all.push((name, entry.file_type()?));
        }
    }
    Ok(all)
}

/// The lines of `SHA256SUMS`.
pub(super) struct Sums {
    /// Its lines; nothing when there is no such file that can be read.
    lines: Option<Vec<SumLine>>,
}

impl Sums {
    /// Reads `SHA256SUMS`.
    pub(super) fn read(
        directory: &Path,
        present: &Present,
        report: &mut VerifyReport,
    ) -> Result<Self, VerifyError> {
        let none = Self { lines: None };
        if !present.contains(bundle::SUMS) {
            return Ok(none);
        }
        let Some(bytes) = bounded(directory, bundle::SUMS, report)? else { return Ok(none) };
        let parsed = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned()).and_then(|text| {
            let lines = bundle::parse_sums(&text).map_err(|error| error.to_string())?;
            if !bundle::is_as_written(&text, &lines) {
                let reason = "its lines are not sorted, in lower case and each with a newline".to_owned();
                report.differences.push(BundleDifference::Sums { reason });
            }
            Ok(lines)
        });
        match parsed {
            Ok(lines) => Ok(Self { lines: Some(lines) }),
            Err(reason) => {
                report.differences.push(BundleDifference::Sums { reason });
                Ok(none)
            }
        }
    }

    /// Compares the digest of a file with its line.
    pub(super) fn compare(&self, name: &str, found: Digest, report: &mut VerifyReport) {
        let Some(lines) = &self.lines else { return };
        let mut own = lines.iter().filter(|sum| sum.name == name);
        let (first, more) = (own.next(), own.count());
        match first {
            Some(sum) if more == 0 && sum.sha256 == found => {}
            Some(sum) if more == 0 => report.differences.push(BundleDifference::Sum {
                name: name.to_owned(),
                expected: sum.sha256.to_string(),
                found: found.to_string(),
            }),
            _ => {
                let lines = more + usize::from(first.is_some());
                report.differences.push(BundleDifference::SumLines { name: name.to_owned(), lines });
            }
        }
    }

    /// Reports lines, and documents of the manifest, for files that are not there or that a bundle does not have.
    pub(super) fn unlisted(&self, present: &Present, manifest: Option<&Manifest>, report: &mut VerifyReport) {
        let lines = || self.lines.iter().flatten();
        let bound = |name: &str| manifest.is_some_and(|manifest| manifest.documents.contains_key(name));
        let listed = |name: &str| lines().any(|sum| sum.name == name) || bound(name);
        let gone = |name: &&str| !present.contains(name) && listed(name);
        let gone = bundle::DOCUMENTS.into_iter().chain(bundle::STATEMENTS).filter(gone);
        report.differences.extend(gone.map(|name| BundleDifference::Missing { name: name.to_owned() }));
        let covered = |name: &str| name != bundle::SUMS && bundle::names().any(|known| known == name);
        let documents = manifest.iter().flat_map(|manifest| manifest.documents.keys());
        let unknown =
            documents.filter(|name| *name != bundle::TREE && !bundle::DOCUMENTS.contains(&name.as_str()));
        report.differences.extend(unknown.map(|name| BundleDifference::Manifest {
            reason: format!("it lists a document `{}`, which no bundle has", Printable(name.as_bytes())),
        }));
        let strange = lines().filter(|sum| !covered(&sum.name));
        report.differences.extend(strange.map(|sum| BundleDifference::Sums {
            reason: format!(
                "it has a line for `{}`, which it does not cover in a bundle",
                Printable(sum.name.as_bytes())
            ),
        }));
    }
}

/// Reads a text of the bundle and compares its sum; nothing when it is missing or too long.
pub(super) fn text(
    directory: &Path,
    name: &'static str,
    present: &Present,
    sums: &Sums,
    report: &mut VerifyReport,
) -> Result<Option<Vec<u8>>, VerifyError> {
    if !present.contains(name) {
        return Ok(None);
    }
    let text = bounded(directory, name, report)?;
    if let Some(text) = &text {
        sums.compare(name, Digest::of(text), report);
    }
    Ok(text)
}

/// Reads a document of the bundle and compares it with its sum and with the manifest, which binds it to the image.
/// Manifests of older builds bind none.
pub(super) fn document(
    directory: &Path,
    name: &'static str,
    present: &Present,
    sums: &Sums,
    manifest: Option<&Manifest>,
    report: &mut VerifyReport,
) -> Result<Option<Vec<u8>>, VerifyError> {
    let Some(text) = text(directory, name, present, sums, report)? else { return Ok(None) };
    let bound = manifest.filter(|manifest| !manifest.documents.is_empty());
    let Some(manifest) = bound else { return Ok(Some(text)) };
    let found = Digest::of(&text);
    match manifest.documents.get(name) {
        Some(expected) if *expected == found => {}
        Some(expected) => report.differences.push(BundleDifference::Document {
            name: name.to_owned(),
            expected: expected.to_string(),
            found: found.to_string(),
        }),
        None => report.differences.push(BundleDifference::Unbound { name: name.to_owned() }),
    }
    Ok(Some(text))
}

/// Reads a file that should be no longer than a manifest may be.
fn bounded(directory: &Path, name: &str, report: &mut VerifyReport) -> Result<Option<Vec<u8>>, VerifyError> {
    let path = directory.join(name);
    let read = || {
        let file = amiforge_progress::regular::open(&path)?;
        let len = file.metadata()?.len();
        let mut bytes = Vec::new();
        if len <= TEXT_MAX {
            file.take(TEXT_MAX).read_to_end(&mut bytes)?;
        }
        Ok((len, bytes))
    };
    let (len, bytes) =
        read().map_err(|source: io::Error| VerifyError::File { path: path.clone(), source })?;
    if len > TEXT_MAX {
        report.differences.push(BundleDifference::TooLong { name: name.to_owned(), len, limit: TEXT_MAX });
        return Ok(None);
    }
    Ok(Some(bytes))
}

/// Compares the values that the manifest has twice: its text with its contents, its digests with its blocks.
pub(super) fn within_manifest(manifest: &Manifest, text: &[u8], report: &mut VerifyReport) {
    if manifest.to_text().as_bytes() != text {
        report.differences.push(BundleDifference::ManifestText { tool: manifest.tool.clone() });
    }
    let blocks = &manifest.blocks;
    let aggregate = |aggregate: Aggregate| format!("{} over {} blocks", aggregate.sha256, aggregate.blocks);
    let pairs = [
        ("merkle_root", manifest.merkle_root.to_string(), blocks.merkle_root().to_string()),
        ("ebs.without_free", aggregate(manifest.without_free), aggregate(blocks.without_free())),
        ("ebs.without_zero", aggregate(manifest.without_zero), aggregate(blocks.without_zero())),
    ];
    for (key, found, expected) in pairs {
        if found != expected {
            report.differences.push(BundleDifference::ManifestValue { key: key.to_owned(), expected, found });
        }
    }
}
