//! Initial RAM disks: what the kernel would unpack from one, by name. Owns the way from the bytes of a file to the
//! archives in it, which may follow each other, each compressed or not; keeps no contents.
//!
//! Follows the kernel's `buffer-format.rst` and `init/initramfs.c`.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};

use amiforge_formats::cpio::read::{self as cpio, CpioReader, EntryKind};
use amiforge_formats::tree::Printable;

/// Most entries that are read: hundreds of times those of a large initrd, and few enough to be kept.
const ENTRIES_MAX: usize = 1 << 20;

/// What a name of an initial RAM disk stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InitrdNode {
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits.
    pub mode: u16,
    /// Length in bytes.
    pub len: u32,
}

/// An initial RAM disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InitrdArchive {
    /// Everything in it by its path, without `/` at the start; of entries with the same path the last counts.
    pub names: BTreeMap<Vec<u8>, InitrdNode>,
    /// How each of its archives is packed, in order: `cpio`, `gzip`, `xz` or `zstd`.
    pub archives: Vec<&'static str>,
}

/// Why an initial RAM disk cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitrdReadError {
    /// Neither an archive nor anything that could hold one.
    #[error(
        "there is neither a cpio archive nor a known compression at byte {at}, but `{}`",
        Printable(found)
    )]
    Unknown {
        /// Where.
        at: u64,
        /// The first bytes there.
        found: Vec<u8>,
    },
    /// A compression that the kernel may know and we do not.
    #[error("the archive at byte {at} is packed by {name}, which cannot be read here")]
    Compression {
        /// Where.
        at: u64,
        /// Its name.
        name: &'static str,
    },
    /// An archive that does not start where the kernel looks.
    #[error("the archive at byte {at} does not start at a multiple of four, where the kernel looks")]
    Unaligned {
        /// Where.
        at: u64,
    },
    /// A compressed archive is damaged, or holds too much.
    #[error("unpacking the {name} archive at byte {at}")]
    Unpack {
        /// Where.
        at: u64,
        /// Its compression.
        name: &'static str,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// Something else than archives in a compressed stream.
    #[error(
        "the {name} archive at byte {at} holds something else behind its archives: `{}`",
        Printable(found)
    )]
    Junk {
        /// Where the compressed archive is.
        at: u64,
        /// Its compression.
        name: &'static str,
        /// The first bytes.
        found: Vec<u8>,
    },
    /// An archive is damaged.
    #[error("reading the archive at byte {at}")]
    Archive {
        /// Where, in the file.
        at: u64,
        /// What is wrong.
        #[source]
        source: cpio::CpioReadError,
    },
    /// Too many entries.
    #[error("it has more than {ENTRIES_MAX} entries")]
    TooMany,
    /// No archive at all.
    #[error("there is nothing in it")]
    Empty,
}

/// Reads an initial RAM disk. `most` bounds what comes out of its compressed archives, in bytes.
///
/// # Errors
/// [`InitrdReadError`]; what the kernel would not unpack to its end is refused.
pub fn read(bytes: &[u8], most: u64) -> Result<InitrdArchive, InitrdReadError> {
    let mut initrd = InitrdArchive::default();
    let mut left = most;
    let mut rest = bytes;
    loop {
        rest = rest.trim_start_zeros();
        if rest.is_empty() {
            break;
        }
        let at = (bytes.len() as u64).saturating_sub(rest.len() as u64);
        let form = form(at, rest)?;
        initrd.archives.push(form.name());
        rest = match form {
            ArchiveCompression::Cpio if !at.is_multiple_of(4) => {
                return Err(InitrdReadError::Unaligned { at });
            }
            ArchiveCompression::Cpio => {
                let mut from = rest;
                initrd.archive(&mut from).map_err(|error| error.at(at))?;
                from
            }
            ArchiveCompression::Gzip => {
                let mut from = flate2::bufread::GzDecoder::new(rest);
                initrd.packed(&mut from, &mut left, (at, form.name()))?;
                from.into_inner()
            }
            ArchiveCompression::Xz => {
                let mut from = liblzma::bufread::XzDecoder::new(rest);
                initrd.packed(&mut from, &mut left, (at, form.name()))?;
                from.into_inner()
            }
            ArchiveCompression::Zstd => {
                let from = zstd::stream::read::Decoder::with_buffer(rest);
                let failed = |source| InitrdReadError::Unpack { at, name: form.name(), source };
                let mut from = from.map_err(failed)?.single_frame();
                initrd.packed(&mut from, &mut left, (at, form.name()))?;
                from.finish()
            }
        };
    }
    if initrd.archives.is_empty() { Err(InitrdReadError::Empty) } else { Ok(initrd) }
}

/// How an archive is packed.
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

/// How what follows is packed, by its first bytes.
fn form(at: u64, bytes: &[u8]) -> Result<ArchiveCompression, InitrdReadError> {
    let known: [(&[u8], ArchiveCompression); 5] = [
        (b"070701", ArchiveCompression::Cpio),
        (b"070702", ArchiveCompression::Cpio),
        (&[0x1f, 0x8b], ArchiveCompression::Gzip),
        (b"\xfd7zXZ\0", ArchiveCompression::Xz),
        (&[0x28, 0xb5, 0x2f, 0xfd], ArchiveCompression::Zstd),
    ];
    if let Some((_, form)) = known.into_iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Ok(form);
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
        None => Err(InitrdReadError::Unknown { at, found: bytes.iter().take(6).copied().collect() }),
    }
}

/// What went wrong within an archive, before it is known where that is.
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
    fn archive(&mut self, from: &mut impl Read) -> Result<(), ArchiveError> {
        let mut reader = CpioReader::new(from);
        while let Some(entry) = reader.next_entry().map_err(ArchiveError::Archive)? {
            if self.names.len() >= ENTRIES_MAX {
                return Err(ArchiveError::TooMany);
            }
            let found = InitrdNode { kind: entry.kind, mode: entry.mode, len: entry.len };
            self.names.insert(plain(&entry.path), found);
        }
        Ok(())
    }

    /// Reads the archives of a compressed stream, to its end: its own checksum stands there.
    fn packed(
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
                Some(b'0') => match self.archive(&mut from) {
                    // A fault of the stream is told as one.
                    Err(ArchiveError::Archive(cpio::CpioReadError::Io { source, .. })) => {
                        return Err(failed(source));
                    }
                    other => other.map_err(|error| error.at(at))?,
                },
                Some(_) => {
                    let found = buffer.iter().take(6).copied().collect();
                    return Err(InitrdReadError::Junk { at, name, found });
                }
            }
        }
    }

    /// What a path leads to; links are not followed.
    pub fn get(&self, path: &str) -> Option<&InitrdNode> {
        self.names.get(path.trim_start_matches('/').as_bytes())
    }
}

/// A path without what says that it starts at the root.
fn plain(path: &[u8]) -> Vec<u8> {
    let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    names.collect::<Vec<_>>().join(&b'/')
}

/// A stream that fails rather than give more than is left.
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
            .ok_or_else(|| io::Error::other("more comes out of it than any initial RAM disk has"))?;
        Ok(read)
    }
}

/// Zeros before an archive, which the kernel passes over.
trait TrimZeros {
    fn trim_start_zeros(&self) -> &Self;
}

impl TrimZeros for [u8] {
    fn trim_start_zeros(&self) -> &Self {
        let zeros = self.iter().take_while(|byte| **byte == 0).count();
        self.get(zeros..).unwrap_or_default()
    }
}
