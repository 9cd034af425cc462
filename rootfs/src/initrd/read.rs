//! Reads initial RAM disks: the entries that the kernel would unpack, by path, without their contents. A file may have
//! several cpio archives in a row, each compressed or not.
//!
//! Follows the kernel's `buffer-format.rst` and `init/initramfs.c`.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};

use amiforge_formats::cpio::read::{self as cpio, CpioReader, EntryKind};
use amiforge_formats::tree::Printable;

/// Most entries that are read: hundreds of times those of a large initrd, and few enough to hold in memory.
const ENTRIES_MAX: usize = 1 << 20;

/// An entry of an initial RAM disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InitrdEntry {
    /// Type of the file.
    pub kind: EntryKind,
    /// Permission bits.
    pub mode: u16,
    /// Length in bytes.
    pub len: u32,
}

/// An initial RAM disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InitrdArchive {
    /// All entries by path, without a leading `/`; of entries with the same path the last counts.
    pub entries: BTreeMap<Vec<u8>, InitrdEntry>,
    /// Compression of each of its archives, in order: `cpio`, `gzip`, `xz` or `zstd`.
    pub archives: Vec<&'static str>,
}

/// Why an initial RAM disk cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitrdReadError {
    /// The bytes are neither an archive nor of a known compression.
    #[error(
        "there is neither a cpio archive nor a known compression at byte {at}, but `{}`",
        Printable(bytes)
    )]
    Unknown {
        /// Offset in the file.
        at: u64,
        /// The first bytes at this offset.
        bytes: Vec<u8>,
    },
    /// A compression that the kernel may support and this reader does not.
    #[error("the archive at byte {at} is packed by {name}, which cannot be read here")]
    Compression {
        /// Offset in the file.
        at: u64,
        /// Name of the compression.
        name: &'static str,
    },
    /// An archive does not start at a multiple of four bytes.
    #[error("the archive at byte {at} does not start at a multiple of four, where the kernel looks")]
    Unaligned {
        /// Offset in the file.
        at: u64,
    },
    /// A compressed archive is damaged, or larger than the limit.
    #[error("unpacking the {name} archive at byte {at}")]
    Unpack {
        /// Offset in the file.
        at: u64,
        /// Name of the compression.
        name: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A compressed stream has other bytes behind its archives.
    #[error("the {name} archive at byte {at} has other bytes behind its archives: `{}`", Printable(bytes))]
    TrailingBytes {
        /// Offset of the compressed archive in the file.
        at: u64,
        /// Name of the compression.
        name: &'static str,
        /// The first of the other bytes.
        bytes: Vec<u8>,
    },
    /// An archive is damaged.
    #[error("reading the archive at byte {at}")]
    Archive {
        /// Offset in the file.
        at: u64,
        /// Why.
        #[source]
        source: cpio::CpioReadError,
    },
    /// It has too many entries.
    #[error("it has more than {ENTRIES_MAX} entries")]
    TooMany,
    /// It has no archive.
    #[error("it is empty")]
    Empty,
}

/// Reads an initial RAM disk. `limit` is the greatest size of all its compressed archives together, in bytes after
/// decompression.
///
/// # Errors
/// [`InitrdReadError`]; a file that the kernel would not unpack completely is refused.
pub fn read(bytes: &[u8], limit: u64) -> Result<InitrdArchive, InitrdReadError> {
    let mut initrd = InitrdArchive::default();
    let mut left = limit;
    let mut rest = bytes;
    loop {
        rest = rest.trim_start_zeros();
        if rest.is_empty() {
            break;
        }
        let at = (bytes.len() as u64).saturating_sub(rest.len() as u64);
        let compression = detect(at, rest)?;
        initrd.archives.push(compression.name());
        rest = match compression {
            ArchiveCompression::Cpio if !at.is_multiple_of(4) => {
                return Err(InitrdReadError::Unaligned { at });
            }
            ArchiveCompression::Cpio => {
                let mut from = rest;
                initrd.read_archive(&mut from).map_err(|error| error.at(at))?;
                from
            }
            ArchiveCompression::Gzip => {
                let mut from = flate2::bufread::GzDecoder::new(rest);
                initrd.read_compressed(&mut from, &mut left, (at, compression.name()))?;
                from.into_inner()
            }
            ArchiveCompression::Xz => {
                let mut from = liblzma::bufread::XzDecoder::new(rest);
                initrd.read_compressed(&mut from, &mut left, (at, compression.name()))?;
                from.into_inner()
            }
            ArchiveCompression::Zstd => {
                let from = zstd::stream::read::Decoder::with_buffer(rest);
                let failed = |source| InitrdReadError::Unpack { at, name: compression.name(), source };
                let mut from = from.map_err(failed)?.single_frame();
                initrd.read_compressed(&mut from, &mut left, (at, compression.name()))?;
                from.finish()
            }
        };
    }
    if initrd.archives.is_empty() { Err(InitrdReadError::Empty) } else { Ok(initrd) }
}

/// Compression of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ArchiveCompression {
    Cpio,
    Gzip,
    Xz,
    Zstd,
}

impl ArchiveCompression {
    fn name(self) -> &'static str {
        match self {
            Self::Cpio => "cpio",
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }
}

/// The compression of an archive from its first bytes.
fn detect(at: u64, bytes: &[u8]) -> Result<ArchiveCompression, InitrdReadError> {
    let known: [(&[u8], ArchiveCompression); 5] = [
        (b"070701", ArchiveCompression::Cpio),
        (b"070702", ArchiveCompression::Cpio),
        (&[0x1f, 0x8b], ArchiveCompression::Gzip),
        (b"\xfd7zXZ\0", ArchiveCompression::Xz),
        (&[0x28, 0xb5, 0x2f, 0xfd], ArchiveCompression::Zstd),
    ];
    if let Some((_, compression)) = known.into_iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Ok(compression);
    }
    let others: [(&[u8], &'static str); 5] = [
        (b"BZh", "bzip2"),
        (&[0x5d, 0, 0], "lzma"),
        (&[0x89, b'L', b'Z', b'O'], "lzo"),
        (&[0x02, 0x21, 0x4c, 0x18], "lz4"),
        (&[0x04, 0x22, 0x4d, 0x18], "lz4"),
    ];
    match others.into_iter().find(|(magic, _)| bytes.starts_with(magic)) {
        Some((_, name)) => Err(InitrdReadError::Compression { at, name }),
        None => Err(InitrdReadError::Unknown { at, bytes: bytes.iter().take(6).copied().collect() }),
    }
}

/// An error in an archive whose offset in the file is not known yet.
enum ArchiveError {
    Archive(cpio::CpioReadError),
    TooMany,
}

impl ArchiveError {
    fn at(self, at: u64) -> InitrdReadError {
        match self {
            Self::Archive(source) => InitrdReadError::Archive { at, source },
            Self::TooMany => InitrdReadError::TooMany,
        }
    }
}

impl InitrdArchive {
    /// Reads one archive up to its trailer.
    fn read_archive(&mut self, from: &mut impl Read) -> Result<(), ArchiveError> {
        let mut reader = CpioReader::new(from);
        while let Some(entry) = reader.next_entry().map_err(ArchiveError::Archive)? {
            if self.entries.len() >= ENTRIES_MAX {
                return Err(ArchiveError::TooMany);
            }
            let node = InitrdEntry { kind: entry.kind, mode: entry.mode, len: entry.len };
            self.entries.insert(normalize_path(&entry.path), node);
        }
        Ok(())
    }

    /// Reads the archives of a compressed stream to its end, where its checksum is.
    fn read_compressed(
        &mut self,
        from: &mut impl Read,
        left: &mut u64,
        (at, name): (u64, &'static str),
    ) -> Result<(), InitrdReadError> {
        let failed = |source| InitrdReadError::Unpack { at, name, source };
        let mut from = BufReader::with_capacity(1 << 16, BoundedReader { from, left });
        loop {
            let zeros = from.fill_buf().map_err(failed)?.iter().take_while(|byte| **byte == 0).count();
            from.consume(zeros);
            let buffer = from.fill_buf().map_err(failed)?;
            match buffer.first() {
                None => return Ok(()),
                Some(0) => {}
                Some(b'0') => match self.read_archive(&mut from) {
                    // An error of the stream is reported as one.
                    Err(ArchiveError::Archive(cpio::CpioReadError::Io { source, .. })) => {
                        return Err(failed(source));
                    }
                    other => other.map_err(|error| error.at(at))?,
                },
                Some(_) => {
                    let bytes = buffer.iter().take(6).copied().collect();
                    return Err(InitrdReadError::TrailingBytes { at, name, bytes });
                }
            }
        }
    }

    /// The entry of a path; links are not followed.
    pub fn get(&self, path: &str) -> Option<&InitrdEntry> {
        self.entries.get(path.trim_start_matches('/').as_bytes())
    }
}

/// A path without leading or repeated `/` and without `.`.
fn normalize_path(path: &[u8]) -> Vec<u8> {
    let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    names.collect::<Vec<_>>().join(&b'/')
}

/// A stream that fails when more bytes are read than are left.
struct BoundedReader<'a, R> {
    from: R,
    left: &'a mut u64,
}

impl<R: Read> Read for BoundedReader<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buf)?;
        *self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::other("it is larger than any initial RAM disk"))?;
        Ok(read)
    }
}

/// Skips the zeros before an archive, as the kernel does.
trait TrimZeros {
    fn trim_start_zeros(&self) -> &Self;
}

impl TrimZeros for [u8] {
    fn trim_start_zeros(&self) -> &Self {
        let zeros = self.iter().take_while(|byte| **byte == 0).count();
        self.get(zeros..).unwrap_or_default()
    }
}
