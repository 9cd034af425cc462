//! The files of a bundle beside the image: listing, bills of materials, logs, provenance, recipe.

use std::io;
use std::path::Path;

use amiforge_formats::digest::Digest;
use amiforge_formats::tree::Printable;
use amiforge_image::bundle::DISK;

use crate::content::{ContentCoverage, ContentFinder};
use crate::finding::{FindingScope, LeakFinding, SecretFingerprint};

/// Longest file that is read; a manifest of the largest disk is shorter.
const FILE_MAX: u64 = 256 << 20;

/// Files that are read.
const FILES_MAX: usize = 4096;

/// Folders in folders that are read.
const DEPTH_MAX: usize = 4;

/// What the files of a bundle have.
#[derive(Debug, Default)]
pub(crate) struct BundleFindings {
    pub(crate) findings: Vec<LeakFinding>,
    pub(crate) files: u64,
    pub(crate) unread: Vec<String>,
}

/// Scans every file of a bundle but the image. Symbolic links are not followed.
///
/// # Errors
/// Errors of the host, with the path in words.
pub(crate) fn scan(folder: &Path, finder: &ContentFinder) -> io::Result<BundleFindings> {
    let mut out = BundleFindings::default();
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((at, depth)) = folders.pop() {
        let mut entries: Vec<_> = std::fs::read_dir(&at)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let (kind, path) = (entry.file_type()?, entry.path());
            let name = path.strip_prefix(folder).unwrap_or(&path).to_owned();
            if kind.is_dir() && depth < DEPTH_MAX {
                folders.push((path, depth + 1));
            } else if kind.is_file() && name != Path::new(DISK) {
                let shown = Printable(name.as_os_str().as_encoded_bytes()).to_string();
                if entry.metadata()?.len() > FILE_MAX || out.files as usize >= FILES_MAX {
                    out.unread.push(format!("`{shown}` of the bundle is too long to be looked at"));
                    continue;
                }
                out.files += 1;
                out.findings.extend(findings(&shown, &std::fs::read(&path)?, finder));
            }
        }
    }
    Ok(out)
}

/// What a file has.
fn findings(name: &str, bytes: &[u8], finder: &ContentFinder) -> Vec<LeakFinding> {
    let hits = finder.find(bytes, ContentCoverage::Full);
    let sha256 = (!hits.is_empty()).then(|| Digest::of(bytes).to_string());
    let matched = hits.into_iter().map(|hit| LeakFinding {
        rule: hit.rule.id.to_owned(),
        severity: hit.rule.severity,
        scope: FindingScope::Bundle,
        file: name.to_owned(),
        line: Some(memchr::memchr_iter(b'\n', &bytes[..hit.secret.start]).count() as u64 + 1),
        offset: Some(hit.secret.start as u64),
        what: hit.rule.what.to_owned(),
        remedy: hit.rule.remedy.to_owned(),
        sha256: sha256.clone(),
        secret: Some(SecretFingerprint::of(&bytes[hit.secret])),
        package: None,
        allowed: None,
    });
    matched.collect()
}
