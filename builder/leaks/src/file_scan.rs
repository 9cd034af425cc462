//! The scan of one file: its path, its structure and its bytes, read once.

use std::io;
use std::ops::Range;

use amiforge_formats::digest::Digest;
use amiforge_formats::private_key::{KeyKind, identify_binary};
use amiforge_formats::tree::{Content, Printable};
use amiforge_rootfs::secrets::is_excluded;
use sha2::{Digest as _, Sha256};

use crate::accounts::AccountFiles;
use crate::content::{ContentCoverage, ContentFinder, Hit};
use crate::finding::{FindingScope, LeakFinding, SecretFingerprint};
use crate::options::LeakError;
use crate::publication::Publications;
use crate::report::ScannedAmount;
use crate::rule::{self, LeakRule, RuleFilter};
use crate::structure::{RuleSubject, StructureFinder, StructureHit, TEXT_MAX};
use crate::system::VolumeBytes;

/// Bytes that are in memory at a time.
const CHUNK: usize = 4 << 20;

/// Bytes before a literal that a check may look at.
const BEFORE: usize = 8 << 10;

/// Bytes after it: longer than any key in a text.
const AFTER: usize = 64 << 10;

/// Bytes at the start of a file by which a text is distinguished from other content.
const HEAD: usize = 4 << 10;

/// Bytes of a binary file in which a key is looked for.
const KEY_MAX: usize = 64 << 10;

/// Findings of the content of one file; more say nothing more.
const HITS_MAX: usize = 50;

/// The longest file of which a finding states the line.
const LINES_MAX: u64 = 256 << 20;

/// A file with its paths, without the first `/`.
#[derive(Debug)]
pub(crate) struct FileScanResult<'a> {
    pub(crate) paths: Vec<Vec<u8>>,
    pub(crate) content: &'a Content,
}

/// What every file of a tree is scanned with.
#[derive(Debug)]
pub(crate) struct FileScanner<'a> {
    pub(crate) finder: &'a ContentFinder,
    pub(crate) structure: &'a StructureFinder,
    pub(crate) filter: &'a RuleFilter,
    pub(crate) accounts: AccountFiles,
    pub(crate) publications: Publications,
    pub(crate) prefix: &'a str,
    pub(crate) bytes: &'a VolumeBytes<'a>,
}

/// Something in a file before it is known whose the file is.
#[derive(Debug)]
struct RawFinding {
    rule: LeakRule,
    path: usize,
    /// The secret in the file, with its fingerprint.
    secret: Option<(Range<u64>, Option<SecretFingerprint>)>,
    subject: Option<String>,
}

impl FileScanner<'_> {
    /// Scans a file; `buffer` is reused from file to file.
    pub(crate) fn scan(
        &self,
        file: &FileScanResult<'_>,
        buffer: &mut Vec<u8>,
        findings: &mut Vec<LeakFinding>,
        scanned: &mut ScannedAmount,
    ) -> Result<(), LeakError> {
        let shown = |path: &[u8]| format!("{}{}", self.prefix, Printable(path));
        let failed = |source| LeakError::File { file: shown(&file.paths[0]), source };
        scanned.files += 1;
        scanned.bytes += file.content.len();
        if file.content.is_empty() {
            return Ok(());
        }
        let mut raw = Vec::new();
        self.look(file, buffer, &mut raw, scanned).map_err(failed)?;
        if raw.is_empty() {
            return Ok(());
        }
        let package = file.paths.iter().find_map(|path| self.publications.of(path));
        let published = match package {
            Some(package) => package.is_equal(file.content, self.bytes).map_err(failed)?,
            None => false,
        };
        // What a package publishes everybody can read; a private key in it is still the same on all machines.
        raw.retain(|one| !published || is_key(one.rule));
        if raw.is_empty() {
            return Ok(());
        }
        let sha256 = self.digest(file.content).map_err(failed)?.to_string();
        let starts: Vec<u64> = raw.iter().filter_map(|one| Some(one.secret.as_ref()?.0.start)).collect();
        let lines = self.lines(file.content, &starts).map_err(failed)?;
        findings.extend(raw.into_iter().map(|one| {
            let start = one.secret.as_ref().map(|(range, _)| range.start);
            let line = start
                .and_then(|start| lines.as_ref()?.iter().find(|(at, _)| *at == start).map(|(_, line)| *line));
            let what = match &one.subject {
                Some(subject) => format!("{} ({subject})", one.rule.what),
                None => one.rule.what.to_owned(),
            };
            LeakFinding {
                rule: one.rule.id.to_owned(),
                severity: one.rule.severity,
                scope: FindingScope::Image,
                file: shown(&file.paths[one.path]),
                line,
                offset: start,
                what,
                remedy: one.rule.remedy.to_owned(),
                sha256: Some(sha256.clone()),
                secret: one.secret.and_then(|(_, fingerprint)| fingerprint),
                package: package.map(|package| package.package.clone()),
                allowed: None,
            }
        }));
        Ok(())
    }

    /// Everything that any rule says about a file, whoever's it is.
    fn look(
        &self,
        file: &FileScanResult<'_>,
        buffer: &mut Vec<u8>,
        raw: &mut Vec<RawFinding>,
        scanned: &mut ScannedAmount,
    ) -> io::Result<()> {
        let len = file.content.len();
        let mut at = 0_u64;
        let sample = file.paths.iter().all(|path| is_excluded(path));
        let owned = file.paths.iter().any(|path| self.publications.of(path).is_some());
        let settings = file.paths.iter().any(|path| path.starts_with(b"etc/"));
        let mut text = false;
        loop {
            let count = usize::try_from(len - at).unwrap_or(CHUNK).min(CHUNK);
            buffer.resize(count, 0);
            file.content.read_at(self.bytes, at, buffer)?;
            let bytes = buffer.as_slice();
            if at == 0 {
                text = is_text(&bytes[..count.min(HEAD)]);
                self.look_at_start(file, bytes, (text, owned, sample), raw);
                scanned.unopened += u64::from(!owned && is_compressed(bytes));
            }
            // Software's own tests are full of addresses with passwords, as of keys.
            let full = text && !sample && (!owned || settings);
            let coverage = if full { ContentCoverage::Full } else { ContentCoverage::Strict };
            let last = at + count as u64 == len;
            let from = if at == 0 { 0 } else { BEFORE };
            let to = if last { count } else { count - AFTER };
            for hit in self.finder.find(bytes, coverage) {
                let within = (from..to).contains(&hit.secret.start);
                // A frame of PEM in a program of a package is a constant of its parser or a test.
                let key = is_key(hit.rule) && (sample || !text && owned);
                if within && !key && raw.len() < HITS_MAX {
                    raw.push(content_finding(&hit, bytes, at));
                }
            }
            if !owned
                && !text
                && bytes_are_program(bytes, at)
                && raw.iter().all(|one| one.rule.id != "builder-home")
            {
                let home = self.structure.builder_home(bytes, &self.accounts);
                raw.extend(home.map(|hit| structure_finding(hit, 0, bytes, at)));
            }
            if last {
                return Ok(());
            }
            at += (count - AFTER - BEFORE) as u64;
        }
    }

    /// What the path and the first bytes of a file say.
    fn look_at_start(
        &self,
        file: &FileScanResult<'_>,
        bytes: &[u8],
        (text, owned, sample): (bool, bool, bool),
        raw: &mut Vec<RawFinding>,
    ) {
        let plain = |rule: LeakRule| RawFinding { rule, path: 0, secret: None, subject: None };
        for (number, path) in file.paths.iter().enumerate() {
            for row in self.structure.applicable(path) {
                let subject = RuleSubject { path, bytes: &bytes[..bytes.len().min(TEXT_MAX)] };
                raw.extend(
                    row.find(&subject).into_iter().map(|hit| structure_finding(hit, number, bytes, 0)),
                );
            }
        }
        raw.extend(self.structure.core_dump(bytes).map(plain));
        if !text && !sample {
            let kind = identify_binary(&bytes[..bytes.len().min(KEY_MAX)], file.content.len());
            // A program of a package begins as nothing else does.
            let kind =
                kind.filter(|kind| !owned || *kind != KeyKind::OpenPgp || !bytes.starts_with(b"\x7fELF"));
            let rule = kind.map(rule::of_key).filter(|rule| self.filter.includes(rule.id));
            raw.extend(rule.map(plain));
        }
    }

    /// SHA-256 of a content.
    fn digest(&self, content: &Content) -> io::Result<Digest> {
        let mut digest = Sha256::new();
        self.each_chunk(content, content.len(), |bytes| digest.update(bytes))?;
        Ok(Digest(digest.finalize().into()))
    }

    /// The lines of offsets, from 1; none for a file that is too long, or no text.
    fn lines(&self, content: &Content, offsets: &[u64]) -> io::Result<Option<Vec<(u64, u64)>>> {
        let Some(last) = offsets.iter().max().copied().filter(|last| *last <= LINES_MAX) else {
            return Ok(None);
        };
        let mut lines: Vec<(u64, u64)> = offsets.iter().map(|offset| (*offset, 1)).collect();
        let (mut at, mut text) = (0_u64, true);
        self.each_chunk(content, last.max(HEAD as u64).min(content.len()), |bytes| {
            text &= at > 0 || is_text(&bytes[..bytes.len().min(HEAD)]);
            for (offset, line) in &mut lines {
                let end = usize::try_from(offset.saturating_sub(at)).unwrap_or(usize::MAX).min(bytes.len());
                *line += memchr::memchr_iter(b'\n', &bytes[..end]).count() as u64;
            }
            at += bytes.len() as u64;
        })?;
        Ok(text.then_some(lines))
    }

    fn each_chunk(&self, content: &Content, len: u64, mut with: impl FnMut(&[u8])) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK.min(usize::try_from(len).unwrap_or(CHUNK))];
        let mut at = 0;
        while at < len {
            let count = usize::try_from(len - at).unwrap_or(CHUNK).min(buffer.len());
            content.read_at(self.bytes, at, &mut buffer[..count])?;
            with(&buffer[..count]);
            at += count as u64;
        }
        Ok(())
    }
}

/// Whether a rule is about a private key by its structure.
fn is_key(rule: LeakRule) -> bool {
    KeyKind::ALL.iter().any(|kind| kind.name() == rule.id)
}

fn content_finding(hit: &Hit, bytes: &[u8], at: u64) -> RawFinding {
    let fingerprint = SecretFingerprint::of(&bytes[hit.secret.clone()]);
    let range = at + hit.secret.start as u64..at + hit.secret.end as u64;
    // The marker of a key is not the key.
    let fingerprint = (!is_key(hit.rule)).then_some(fingerprint);
    RawFinding { rule: hit.rule, path: 0, secret: Some((range, fingerprint)), subject: None }
}

fn structure_finding(hit: StructureHit, path: usize, bytes: &[u8], at: u64) -> RawFinding {
    let secret = hit.secret.map(|secret| {
        let fingerprint = (!secret.is_empty()).then(|| SecretFingerprint::of(&bytes[secret.clone()]));
        (at + secret.start as u64..at + secret.end as u64, fingerprint)
    });
    RawFinding { rule: hit.rule, path, secret, subject: hit.subject }
}

/// Whether bytes are of a text in any 8-bit encoding: no NUL, few control characters.
fn is_text(head: &[u8]) -> bool {
    let odd = head.iter().filter(|byte| **byte < 0x20 && !b"\t\n\r\x0c\x1b".contains(byte)).count();
    !head.contains(&0) && odd * 50 <= head.len()
}

/// Whether a chunk is one of a program or library: the first begins as one, and further chunks follow only such a one or
/// another binary file.
fn bytes_are_program(bytes: &[u8], at: u64) -> bool {
    at > 0 || [&b"\x7fELF"[..], b"MZ", b"!<arch>\n", b"\0asm"].iter().any(|magic| bytes.starts_with(magic))
}

/// Whether a file is compressed or an archive with compressed content.
fn is_compressed(bytes: &[u8]) -> bool {
    let magics: [&[u8]; 7] = [
        b"\x1f\x8b",
        b"PK\x03\x04",
        b"\xfd7zXZ\0",
        b"\x28\xb5\x2f\xfd",
        b"BZh",
        b"7z\xbc\xaf\x27\x1c",
        b"\x04\x22\x4d\x18",
    ];
    magics.iter().any(|magic| bytes.starts_with(magic))
}
