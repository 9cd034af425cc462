//! Reads hand-overs: once from the front ([`Input`], used by [`crate::check`]), or at random ([`Handover`]).

pub(crate) mod body;
mod parts;

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_formats::read_at::ReadAt;
use amiforge_image::image::Block;
use amiforge_progress::Monitor;

use self::body::BodyReader;
use crate::codec::{BLOCK_LEN, ZstdDecoder};
use crate::contents::HandoverContents;
use crate::error::{Damage, HandoverError};
use crate::header::{HEADER_LEN, Header};
use crate::index::{Index, StoredBlock};

pub use body::Input;
pub use parts::{files_of, is_handover, present_files};

/// An open hand-over, whose blocks are read at random. Its index was compared with its header, and agrees with itself.
pub struct Handover {
    /// The path that it was opened by.
    path: PathBuf,
    files: Vec<PartFile>,
    header: Header,
    contents: HandoverContents,
    stored: Vec<StoredBlock>,
    /// Where each stored block begins in the body.
    offsets: Vec<u64>,
    by_digest: HashMap<Digest, usize>,
    /// The first blocks of runs, sorted by index.
    runs: Vec<(u64, Block)>,
    decoders: Mutex<Vec<ZstdDecoder>>,
    /// The block that was decoded last for a read of less than a block.
    last: Mutex<Option<(u64, Vec<u8>)>>,
}

struct PartFile {
    file: File,
    path: PathBuf,
    header: Header,
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover")
            .field("path", &self.path)
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

impl Handover {
    /// Opens a hand-over by its file, any of its parts, or the folder that holds it. The lengths of all parts are
    /// checked, and blocks when they are read.
    ///
    /// # Errors
    /// [`HandoverError`].
    pub fn open(path: &Path) -> Result<Self, HandoverError> {
        let files = files_of(path)?;
        let mut body = BodyReader::open(Input::Files(files.clone()))?;
        let (index, contents) = read_index(&mut body, Monitor::none())?;
        let header = *body.header();
        let files = open_parts(files)?;
        let stored = index.blocks().to_vec();
        let lens = stored.iter().map(|block| u64::from(block.len));
        let offsets =
            lens.scan(header.index_len, |at, len| Some(std::mem::replace(at, at.saturating_add(len))));
        let offsets = offsets.collect();
        let by_digest = contents.needed.iter().enumerate().map(|(at, block)| (block.sha256, at)).collect();
        let runs = contents.manifest.manifest.blocks.runs().iter();
        let runs = runs.scan(0, |next, run| {
            let first = *next;
            *next += run.count;
            Some((first, run.block))
        });
        let runs = runs.collect();
        let (decoders, last) = (Mutex::default(), Mutex::default());
        let path = path.to_owned();
        Ok(Self { path, files, header, contents, stored, offsets, by_digest, runs, decoders, last })
    }

    /// The contents beside the blocks.
    pub fn contents(&self) -> &HandoverContents {
        &self.contents
    }

    /// The header of its first part; its range is that part's.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Number of bytes of all stored blocks.
    pub fn stored_len(&self) -> u64 {
        self.header.body_len - self.header.index_len
    }

    /// Reads a block; the last one is filled up with zeros. Its stored form is compared with the index before it is
    /// decoded, and its bytes with the manifest.
    ///
    /// # Errors
    /// [`HandoverError::Damaged`], [`HandoverError::Parent`] for a block that only the parent has, errors of the file.
    pub fn read_block(&self, index: u64, block: &mut [u8]) -> Result<(), HandoverError> {
        let run = self.runs.partition_point(|(first, _)| *first <= index).checked_sub(1);
        let Some(Block::Data(digest)) = run.map(|run| self.runs[run].1) else {
            block.fill(0);
            return Ok(());
        };
        let Some(&at) = self.by_digest.get(&digest) else {
            let expected = self.contents.parent.as_ref().map_or(Digest([0; 32]), |parent| parent.sha256);
            let given = format!("block {index} is not in it");
            return Err(HandoverError::Parent { expected, given });
        };
        let (entry, offset) = (self.stored[at], self.offsets[at]);
        let mut stored = vec![0; entry.len as usize];
        self.read_body(offset, &mut stored)?;
        let mut decoder = self.decoder()?;
        let checked = decode(&mut decoder, &entry, &stored, index, digest, block);
        self.decoders.lock().unwrap_or_else(PoisonError::into_inner).push(decoder);
        checked.map_err(|damage| {
            let part = self.part_at(offset);
            parts::damaged(&part.path, HEADER_LEN + offset - part.header.start, damage)
        })
    }

    fn decoder(&self) -> Result<ZstdDecoder, HandoverError> {
        let free = self.decoders.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let failed = |source| HandoverError::Stream { name: "the decompressor".to_owned(), source };
        free.map_or_else(|| ZstdDecoder::new().map_err(failed), Ok)
    }

    /// The part that holds a byte of the body.
    fn part_at(&self, at: u64) -> &PartFile {
        let after = self.files.partition_point(|part| part.header.start <= at);
        &self.files[after.saturating_sub(1)]
    }

    fn read_body(&self, mut at: u64, buf: &mut [u8]) -> Result<(), HandoverError> {
        let mut buf = buf;
        while !buf.is_empty() {
            let part = self.part_at(at);
            let len = usize::try_from(part.header.end - at).unwrap_or(usize::MAX).min(buf.len());
            let (now, rest) = buf.split_at_mut(len);
            let read = part.file.read_exact_at(now, HEADER_LEN + at - part.header.start);
            read.map_err(|source| HandoverError::File { path: part.path.clone(), source })?;
            at += len as u64;
            buf = rest;
        }
        Ok(())
    }

    /// A part of a block, through the block that was decoded last.
    fn read_part(&self, index: u64, within: usize, buf: &mut [u8]) -> Result<(), HandoverError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_none_or(|(known, _)| *known != index) {
            let mut block = last.take().map_or_else(|| vec![0; BLOCK_LEN], |(_, block)| block);
            self.read_block(index, &mut block)?;
            *last = Some((index, block));
        }
        if let Some((_, block)) = &*last {
            buf.copy_from_slice(&block[within..within + buf.len()]);
        }
        Ok(())
    }
}

impl ReadAt for Handover {
    fn size(&self) -> u64 {
        self.contents.manifest.manifest.size
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64).filter(|end| *end <= self.size());
        end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let (mut at, mut buf) = (offset, buf);
        while !buf.is_empty() {
            let (index, within) = (at / BLOCK, (at % BLOCK) as usize);
            let len = (BLOCK_LEN - within).min(buf.len());
            let (now, rest) = buf.split_at_mut(len);
            let read = if len == BLOCK_LEN {
                self.read_block(index, now)
            } else {
                self.read_part(index, within, now)
            };
            read.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            at += len as u64;
            buf = rest;
        }
        Ok(())
    }

    /// Blocks without data are holes.
    fn data_from(&self, from: u64, to: u64) -> io::Result<Option<Range<u64>>> {
        let to = to.min(self.size());
        let first =
            self.runs.partition_point(|(first, _)| first.saturating_mul(BLOCK) <= from).saturating_sub(1);
        let ends = self.runs.iter().skip(1).map(|(first, _)| first.saturating_mul(BLOCK)).chain([u64::MAX]);
        let runs = self.runs.iter().zip(ends).skip(first);
        let data = runs.map(|((_, block), end)| (matches!(block, Block::Data(_)), end));
        let (mut start, mut at) = (None, from);
        for (is_data, end) in data {
            if at >= to || (start.is_some() && !is_data) {
                break;
            }
            start = start.or(is_data.then_some(at));
            at = end;
        }
        Ok(start.filter(|start| *start < to).map(|start| start..at.min(to)))
    }
}

/// Reads the index, compares it with the header and its documents with each other.
pub(crate) fn read_index(
    body: &mut BodyReader<'_>,
    monitor: Monitor<'_>,
) -> Result<(Index, HandoverContents), HandoverError> {
    const PIECE: u64 = 1 << 20;
    let (at, header) = (body.location(), *body.header());
    let wrong = |damage| HandoverError::damaged(at.clone(), damage);
    let mut bytes = Vec::new();
    // Memory is taken as bytes arrive: the length may be a lie.
    while (bytes.len() as u64) < header.index_len {
        if monitor.cancel.is_cancelled() {
            return Err(HandoverError::Interrupted);
        }
        let filled = bytes.len();
        bytes.resize(filled + (header.index_len - filled as u64).min(PIECE) as usize, 0);
        body.read(&mut bytes[filled..], "the index")?;
    }
    let computed = Digest::of(&bytes);
    if computed != header.index_sha256 {
        return Err(wrong(Damage::IndexDigest { stated: header.index_sha256, computed }));
    }
    let index = Index::decode(bytes).map_err(|reason| wrong(Damage::Index(reason)))?;
    let stored =
        index.blocks().iter().fold(header.index_len, |len, block| len.saturating_add(block.len.into()));
    if stored != header.body_len {
        let reason =
            format!("with its blocks it has {stored} bytes, and the header says {}", header.body_len);
        return Err(wrong(Damage::Index(reason)));
    }
    let contents = HandoverContents::of(&index).map_err(wrong)?;
    Ok((index, contents))
}

/// Compares a stored block with the index, decodes it and compares it with the manifest.
pub(crate) fn decode(
    decoder: &mut ZstdDecoder,
    entry: &StoredBlock,
    stored: &[u8],
    index: u64,
    sha256: Digest,
    block: &mut [u8],
) -> Result<(), Damage> {
    let computed = Digest::of(stored);
    if computed != entry.sha256 {
        return Err(Damage::Stored { block: index, stated: entry.sha256, computed });
    }
    let decoded = decoder.decode(entry.encoding, stored, block);
    decoded.map_err(|reason| Damage::Encoding { block: index, reason })?;
    let computed = Digest::of(block);
    if computed != sha256 {
        return Err(Damage::Block { block: index, stated: sha256, computed });
    }
    Ok(())
}

/// Opens all parts, and compares their headers with each other and their lengths with the headers.
fn open_parts(paths: Vec<PathBuf>) -> Result<Vec<PartFile>, HandoverError> {
    let mut parts: Vec<PartFile> = Vec::new();
    for path in paths {
        let failed = |source| HandoverError::File { path: path.clone(), source };
        let file = amiforge_progress::regular::open(&path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        let mut bytes = [0; HEADER_LEN as usize];
        if len < HEADER_LEN {
            let damage = Damage::Truncated { what: "the header".to_owned(), missing: HEADER_LEN - len };
            return Err(parts::damaged(&path, len, damage));
        }
        file.read_exact_at(&mut bytes, 0).map_err(failed)?;
        let header = Header::decode(&bytes);
        let header = header.and_then(|header| {
            let before = parts.last().map(|part| &part.header);
            before
                .map_or_else(|| parts::check_first(&header), |before| parts::check_next(before, &header))?;
            Ok(header)
        });
        let header = header.map_err(|damage| parts::damaged(&path, 0, damage))?;
        let what = format!("part {} of {}", header.part, header.parts);
        let due = HEADER_LEN + header.end - header.start;
        if len < due {
            return Err(parts::damaged(&path, len, Damage::Truncated { what, missing: due - len }));
        }
        if len > due {
            return Err(parts::damaged(&path, due, Damage::Trailing { what }));
        }
        parts.push(PartFile { file, path, header });
    }
    Ok(parts)
}
