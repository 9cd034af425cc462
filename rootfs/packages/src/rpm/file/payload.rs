//! The payload: a cpio archive of the newc form, or of rpm's stripped form, whose members have only the index of their file
//! in the header (rpm, `docs/manual/format_v4.md`, `large_files.md`).
//!
//! What a file is comes from the header alone; the payload has contents. A member that the header does not name, one that
//! is there twice or of another length than the header says, content with another digest, a link with another target,
//! a file that is missing: each is refused. Files of one device and number are hard links of each other; only the last
//! of them has the content. Members of files that a package owns without bringing them, which rpm before 4.11 wrote, are
//! passed over.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::HashMap;

use amiforge_formats::cpio::TRAILER;
use amiforge_store::FileDigests;

use super::cursor::PayloadCursor;
use super::digest::RunningDigest;
use super::payload_error::{MAGIC, RpmPayloadError};
use super::pieces::{PayloadPieces, PieceStop};
use crate::rpm::package::{FilePresence, RpmFileEntry};

/// Fields of a newc header after the magic number, of eight hexadecimal digits each.
const FIELDS: usize = 13;
/// Digits of a field.
const DIGITS: usize = 8;
/// The field with the length of a body.
const FILESIZE: usize = 6;
/// The field with the length of a name, its NUL included.
const NAMESIZE: usize = 11;
/// Longest name with its NUL.
const NAME_MAX: u64 = 4096 + 2;

/// Type bits of a mode.
pub(crate) const S_IFMT: u16 = 0o170_000;
/// A regular file.
pub(crate) const S_IFREG: u16 = 0o100_000;
/// A symbolic link.
pub(crate) const S_IFLNK: u16 = 0o120_000;

/// Where the content of a file is in the decompressed payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PayloadExtent {
    /// First byte.
    pub(crate) at: u64,
    /// Length in bytes.
    pub(crate) len: u64,
    /// Its digests, if they were taken with the one that the header states.
    pub(crate) digests: Option<FileDigests>,
}

/// The files of a package, as the payload's members refer to them.
pub(super) struct PayloadFiles<'f> {
    files: &'f [RpmFileEntry],
    /// Number of the last hard link of each file; its own where it has none.
    last: Vec<usize>,
    /// Whether each file has hard links.
    linked: Vec<bool>,
    /// Algorithm of the files' digests.
    algorithm: u64,
}

/// Whether contents are compared with the digests of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentCheck {
    /// They are.
    Digests,
    /// They were when they were put into the store.
    Done,
}

impl<'f> PayloadFiles<'f> {
    /// Finds the hard links among files. `algorithm` is that of their digests.
    pub(super) fn new(files: &'f [RpmFileEntry], algorithm: u64) -> Result<Self, RpmPayloadError> {
        let last = last_links(files);
        let mut linked = vec![false; files.len()];
        let pairs = last.iter().enumerate().filter(|(number, last)| number != *last);
        for number in pairs.flat_map(|(number, last)| [number, *last]) {
            if let Some(linked) = linked.get_mut(number) {
                *linked = true;
            }
        }
        for (file, last) in files.iter().zip(&last) {
            let Some(other) = files.get(*last) else { continue };
            if (file.size, &file.digest) != (other.size, &other.digest) {
                return Err(RpmPayloadError::Link { one: file.path.clone(), other: other.path.clone() });
            }
        }
        Ok(Self { files, last, linked, algorithm })
    }

    /// Reads the payload to its end: the content of each file, by its number in the header. Hard links have one content.
    pub(super) fn read(
        &self,
        pieces: &mut impl PayloadPieces,
        check: ContentCheck,
    ) -> Result<Vec<Option<PayloadExtent>>, PieceStop> {
        let by_path: HashMap<&[u8], usize> =
            self.files.iter().enumerate().map(|(number, file)| (relative(&file.path), number)).collect();
        let mut reading = PayloadReading { files: self, by_path, pieces: PayloadCursor::new(pieces), check };
        let mut found = vec![false; self.files.len()];
        let mut contents = vec![None; self.files.len()];
        while let Some(member) = reading.member()? {
            let Some(file) = self.files.get(member.number) else { continue };
            match found.get_mut(member.number) {
                Some(found) if !*found => *found = true,
                _ => return Err(RpmPayloadError::Twice { path: file.path.clone() }.into()),
            }
            let range = reading.body(file, &member)?;
            let last = self.last.get(member.number).copied().unwrap_or(member.number);
            if let (Some(range), Some(slot)) = (range, contents.get_mut(last)) {
                *slot = Some(range);
            }
        }
        reading.pieces.end()?;
        self.complete(&found, contents).map_err(PieceStop::Payload)
    }

    /// Whether every file was there; hard links get the content of their last.
    fn complete(
        &self,
        found: &[bool],
        mut contents: Vec<Option<PayloadExtent>>,
    ) -> Result<Vec<Option<PayloadExtent>>, RpmPayloadError> {
        let missing = |path: &[u8]| Err(RpmPayloadError::Missing { path: path.to_vec() });
        for (number, (file, found)) in self.files.iter().zip(found).enumerate() {
            if file.presence == FilePresence::Ghost {
                continue;
            }
            let content = self.last.get(number).and_then(|last| contents.get(*last)).copied().flatten();
            if !found || (is_regular(file) && content.is_none()) {
                return missing(&file.path);
            }
            if let Some(slot) = contents.get_mut(number) {
                *slot = content;
            }
        }
        Ok(contents)
    }
}

/// The number of the last hard link of each file; its own where it has none.
pub(crate) fn last_links(files: &[RpmFileEntry]) -> Vec<usize> {
    let linked = |file: &RpmFileEntry| has_content(file) && file.inode.1 != 0;
    let mut sets = HashMap::new();
    for (number, file) in files.iter().enumerate().filter(|(_, file)| linked(file)) {
        sets.insert(file.inode, number);
    }
    let last = |(number, file): (usize, &RpmFileEntry)| {
        if linked(file) { sets.get(&file.inode).copied().unwrap_or(number) } else { number }
    };
    files.iter().enumerate().map(last).collect()
}

/// Whether the payload has content of a file.
pub(super) fn has_content(file: &RpmFileEntry) -> bool {
    is_regular(file) && file.presence != FilePresence::Ghost
}

fn is_regular(file: &RpmFileEntry) -> bool {
    file.mode & S_IFMT == S_IFREG
}

/// A path as it is compared: without what an archive or a header puts before it.
fn relative(path: &[u8]) -> &[u8] {
    let path = path.strip_prefix(b".").filter(|rest| rest.first() == Some(&b'/')).unwrap_or(path);
    path.strip_prefix(b"/").unwrap_or(path)
}

/// A member of the payload.
struct PayloadMember {
    /// Number of its file in the header.
    number: usize,
    /// Length of its body; none in the stripped form.
    len: Option<u64>,
}

/// A payload that is being read.
struct PayloadReading<'f, 'p, P> {
    files: &'f PayloadFiles<'f>,
    by_path: HashMap<&'f [u8], usize>,
    pieces: PayloadCursor<'p, P>,
    check: ContentCheck,
}

impl<P: PayloadPieces> PayloadReading<'_, '_, P> {
    /// The next member; none at the end.
    fn member(&mut self) -> Result<Option<PayloadMember>, PieceStop> {
        self.pieces.align()?;
        let at = self.pieces.at();
        let magic: [u8; MAGIC] = self.pieces.array()?;
        match &magic {
            b"07070X" => self.stripped(at),
            b"070701" | b"070702" => self.named(at),
            _ => Err(RpmPayloadError::Magic { at, found: magic }.into()),
        }
    }

    /// A member of the stripped form.
    fn stripped(&mut self, at: u64) -> Result<Option<PayloadMember>, PieceStop> {
        let digits: [u8; DIGITS] = self.pieces.array()?;
        let number = number(&digits, at)?;
        self.pieces.align()?;
        if number == u64::from(u32::MAX) {
            return Ok(None);
        }
        let index = usize::try_from(number).ok().filter(|index| *index < self.files.files.len());
        let unknown = || RpmPayloadError::Unknown { name: format!("number {number}").into_bytes() };
        Ok(Some(PayloadMember { number: index.ok_or_else(unknown)?, len: None }))
    }

    /// A member of the newc form.
    fn named(&mut self, at: u64) -> Result<Option<PayloadMember>, PieceStop> {
        let fields: [u8; FIELDS * DIGITS] = self.pieces.array()?;
        let field = |index: usize| {
            let digits = fields.chunks_exact(DIGITS).nth(index).unwrap_or_default();
            number(digits, at)
        };
        let (len, name_len) = (field(FILESIZE)?, field(NAMESIZE)?);
        if name_len == 0 || name_len > NAME_MAX {
            return Err(RpmPayloadError::NameLength { at, len: name_len }.into());
        }
        let mut name = vec![0; usize::try_from(name_len).unwrap_or_default()];
        self.pieces.fill(&mut name)?;
        self.pieces.align()?;
        name.pop();
        if name == TRAILER {
            return Ok(None);
        }
        let number = self.by_path.get(relative(&name)).copied();
        let number = number.ok_or(RpmPayloadError::Unknown { name })?;
        Ok(Some(PayloadMember { number, len: Some(len) }))
    }

    /// Reads a member's body, and returns where it is if it is a file's content.
    fn body(
        &mut self,
        file: &RpmFileEntry,
        member: &PayloadMember,
    ) -> Result<Option<PayloadExtent>, PieceStop> {
        let shared = self.files.last.get(member.number) != Some(&member.number);
        let expected = match file.mode & S_IFMT {
            _ if file.presence == FilePresence::Ghost => member.len.unwrap_or(0),
            // The content of hard links may be with any of them, where members have a length.
            S_IFREG if shared && member.len.unwrap_or(0) == 0 => 0,
            S_IFREG | S_IFLNK => file.size,
            _ => 0,
        };
        let len = member.len.unwrap_or(expected);
        // Of hard links all but one are empty, the last too if another has the content.
        let empty_link = len == 0 && self.files.linked.get(member.number) == Some(&true);
        if len != expected && !empty_link {
            return Err(RpmPayloadError::Size { path: file.path.clone(), expected, actual: len }.into());
        }
        let at = self.pieces.at();
        if file.presence == FilePresence::Ghost {
            self.pieces.pass(len, None)?;
            return Ok(None);
        }
        match file.mode & S_IFMT {
            S_IFLNK => self.target(file, len).map(|()| None),
            S_IFREG if len == file.size => {
                self.content(file, len).map(|digests| Some(PayloadExtent { at, len, digests }))
            }
            _ => self.pieces.pass(len, None).map(|()| None),
        }
    }

    /// Passes over a file's content, which has to have the digest that the header states.
    fn content(&mut self, file: &RpmFileEntry, len: u64) -> Result<Option<FileDigests>, PieceStop> {
        if file.digest.is_empty() || self.check == ContentCheck::Done {
            return self.pieces.pass(len, None).map(|()| None);
        }
        let algorithm = self.files.algorithm;
        let digest = RunningDigest::of_content(algorithm);
        let mut digest = digest.ok_or(RpmPayloadError::Algorithm(algorithm))?;
        self.pieces.pass(len, Some(&mut digest))?;
        let (actual, digests) = digest.finish_content();
        if !actual.eq_ignore_ascii_case(&file.digest) {
            let (path, expected) = (file.path.clone(), file.digest.clone());
            return Err(RpmPayloadError::Digest { path, expected, actual }.into());
        }
        Ok(digests)
    }

    fn target(&mut self, file: &RpmFileEntry, len: u64) -> Result<(), PieceStop> {
        let mut target = vec![0; usize::try_from(len.min(NAME_MAX)).unwrap_or_default()];
        self.pieces.fill(&mut target)?;
        if target != file.target {
            let (path, expected) = (file.path.clone(), file.target.clone());
            return Err(RpmPayloadError::Target { path, expected, actual: target }.into());
        }
        Ok(())
    }
}

/// Eight hexadecimal digits.
fn number(digits: &[u8], at: u64) -> Result<u64, PieceStop> {
    let wrong = || RpmPayloadError::Number { at, found: digits.to_vec() };
    let add = |sum: u64, digit: &u8| {
        let value = char::from(*digit).to_digit(16)?;
        sum.checked_mul(16)?.checked_add(u64::from(value))
    };
    let number = digits.iter().try_fold(0, add);
    Ok(number.ok_or_else(wrong)?)
}
