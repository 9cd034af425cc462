//! Writes hand-overs: to a file or its parts, in one pass over the image, or to a stream, in two.
//!
//! The index comes first and names the digests of what follows. In a file its place is kept free until the blocks are
//! written. A stream cannot go back, so the blocks are encoded twice: the first time for their lengths and digests. Both
//! give the same bytes, whatever the number of threads.

pub(crate) mod blocks;
mod documents;
mod parts;

use std::io::Write;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_image::bundle;
use amiforge_image::inspect::Medium;
use amiforge_progress::Monitor;

use self::blocks::BlockEncoder;
use self::parts::PartFiles;
pub(crate) use self::parts::part_path;
use crate::contents::{NamedManifest, NeededBlock, needed_blocks};
use crate::error::HandoverError;
use crate::header::{HEADER_LEN, Header};
use crate::index::{self, EncodedDocument, StoredBlock};

/// What is written beside the bundle, and how.
#[derive(Debug, Default)]
pub struct ExportOptions {
    /// For a delta: the manifest text of the image whose blocks are left out.
    pub parent: Option<Vec<u8>>,
    /// Further documents: names in the folder `publication/`, and their bytes.
    pub documents: Vec<(String, Vec<u8>)>,
    /// Threads that read and compress; 0 for one for each processor.
    pub threads: usize,
}

/// Where a hand-over goes.
pub enum Destination<'a> {
    /// A file; with a length, parts of at most so many bytes, with `.001` and so on behind the name.
    File {
        /// The file.
        path: PathBuf,
        /// Maximum length of a part in bytes.
        split: Option<u64>,
    },
    /// A stream.
    Stream(&'a mut dyn Write),
}

/// A hand-over that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The files, in their order; none for a stream.
    pub files: Vec<PathBuf>,
    /// SHA-256 of the index.
    pub index_sha256: Digest,
    /// Length of all parts in bytes.
    pub len: u64,
    /// Number of stored blocks.
    pub blocks: u64,
    /// Digest of the parent's manifest, of a delta.
    pub parent: Option<Digest>,
}

/// What is to be written.
struct Export {
    documents: Vec<EncodedDocument>,
    needed: Vec<NeededBlock>,
    medium: Medium,
    index_len: u64,
    parent: Option<Digest>,
    threads: usize,
}

/// Writes the bundle in a folder as a hand-over. Every file and block is compared with the bundle's digests.
///
/// # Errors
/// [`HandoverError`]; then no file has the final name.
pub fn export(
    folder: &Path,
    options: ExportOptions,
    to: Destination<'_>,
    monitor: Monitor<'_>,
) -> Result<Exported, HandoverError> {
    let export = Export::of(folder, options)?;
    match to {
        Destination::File { path, split } => export.write_file(&path, split, monitor),
        Destination::Stream(out) => export.write_stream(out, monitor),
    }
}

impl Export {
    fn of(folder: &Path, options: ExportOptions) -> Result<Self, HandoverError> {
        let medium = Medium::open(folder).map_err(HandoverError::Image)?;
        let mut documents = documents::of_bundle(folder)?;
        let manifest = documents::manifest(&documents)?;
        let parent = options.parent.as_deref().map(NamedManifest::parse).transpose();
        let parent = parent
            .map_err(|reason| HandoverError::Bundle { name: "the parent's manifest".to_owned(), reason })?;
        let needed = needed_blocks(&manifest, parent.as_ref().map(|parent| &parent.manifest));
        documents.extend(options.documents);
        documents.extend(options.parent.map(|text| (crate::contents::PARENT.to_owned(), text)));
        let documents = documents::encode(documents)?;
        let index_len = index::len(&documents, needed.len() as u64);
        let threads = match options.threads {
            0 => std::thread::available_parallelism().map_or(1, Into::into),
            threads => threads,
        };
        Ok(Self { documents, needed, medium, index_len, parent: parent.map(|parent| parent.sha256), threads })
    }

    fn write_file(
        &self,
        path: &Path,
        split: Option<u64>,
        monitor: Monitor<'_>,
    ) -> Result<Exported, HandoverError> {
        let mut files = PartFiles::create(path, split, self.index_len)?;
        let mut at = self.index_len;
        let blocks = self.encode("writing the hand-over", monitor, |stored| {
            files.write_at(at, stored)?;
            at += stored.len() as u64;
            Ok(())
        })?;
        let bytes = index::encode(&self.documents, &blocks);
        files.write_at(0, &bytes)?;
        let whole = self.header(&bytes, at);
        let (files, len) = files.finish(&whole)?;
        Ok(self.exported(files, &whole, len))
    }

    fn write_stream(&self, out: &mut dyn Write, monitor: Monitor<'_>) -> Result<Exported, HandoverError> {
        let failed = |source| HandoverError::Stream { name: "the output".to_owned(), source };
        let blocks = self.encode("compressing the blocks", monitor, |_| Ok(()))?;
        let bytes = index::encode(&self.documents, &blocks);
        let body_len = blocks.iter().fold(self.index_len, |len, block| len + u64::from(block.len));
        let whole = self.header(&bytes, body_len);
        out.write_all(&whole.encode()).and_then(|()| out.write_all(&bytes)).map_err(failed)?;
        let again =
            self.encode("writing the hand-over", monitor, |stored| out.write_all(stored).map_err(failed))?;
        out.flush().map_err(failed)?;
        if again != blocks {
            // What was written first has been sent already. Its reader finds the difference, too.
            let reason = "was changed while it was read".to_owned();
            return Err(HandoverError::Bundle { name: bundle::DISK.to_owned(), reason });
        }
        Ok(self.exported(Vec::new(), &whole, HEADER_LEN + body_len))
    }

    /// Encodes the blocks and hands over their stored forms, in order.
    fn encode(
        &self,
        step: &str,
        monitor: Monitor<'_>,
        write: impl FnMut(&[u8]) -> Result<(), HandoverError>,
    ) -> Result<Vec<StoredBlock>, HandoverError> {
        monitor.progress.begin(step, Some(self.needed.len() as u64 * BLOCK));
        let encoder = BlockEncoder { medium: &self.medium, needed: &self.needed, threads: self.threads };
        let encoded = encoder.run(monitor, write);
        monitor.progress.end();
        encoded
    }

    /// The header of the whole, as of a single part.
    fn header(&self, index: &[u8], body_len: u64) -> Header {
        let index_sha256 = Digest::of(index);
        Header {
            part: 1,
            parts: 1,
            start: 0,
            end: body_len,
            body_len,
            index_len: self.index_len,
            index_sha256,
        }
    }

    fn exported(&self, files: Vec<PathBuf>, whole: &Header, len: u64) -> Exported {
        let (index_sha256, blocks) = (whole.index_sha256, self.needed.len() as u64);
        Exported { files, index_sha256, len, blocks, parent: self.parent }
    }
}
