//! The `.deb` file: an ar archive of a version, a compressed control archive and a compressed data archive (deb(5)).
//!
//! It is read once, from front to back, into one entry of the store (see [`spool`]), so contents of the package's files are
//! slices of it. Knows nothing of what the archives hold.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

pub mod ar;

use std::io::{self, BufReader, Read};
use std::path::Path;

use amiforge_formats::tree::Printable;

use crate::locked::LockedPackage;
use crate::unpack::spool::{self, EntryParts, PackageFileError, ReadFailure};
use amiforge_progress::Monitor;
use amiforge_rootfs::sources::expand::{
    self, Bounds, Compression, ExpandError, HashingReader, PIECE, Stopped,
};
use amiforge_store::{EntryWriter, OpenEntry, PendingRename, Store, StoreError};

/// Bound of a decompressed control archive; the largest of Debian have a few megabytes.
const CONTROL: Bounds = Bounds { free: 16 << 20, ratio: 100, most: 256 << 20 };

/// Longest text of the member `debian-binary`.
const VERSION_MAX: u64 = 64;

/// Why a `.deb` cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DebError {
    /// It is not the one that the lock names, or cannot be read.
    #[error(transparent)]
    File(#[from] PackageFileError),
    /// It is no ar archive.
    #[error("it begins with `{}`: no package, those begin with `!<arch>`", Printable(start))]
    NotADeb {
        /// Its first bytes.
        start: Vec<u8>,
    },
    /// A member's header is none.
    #[error("at byte {at} {error}")]
    Header {
        /// Offset of the header.
        at: u64,
        /// The cause.
        error: ar::HeaderError,
    },
    /// It ends too early.
    #[error("it ends at byte {end}, but {what} reaches to byte {need}")]
    Truncated {
        /// Name of the announced part.
        what: String,
        /// First byte after it.
        need: u64,
        /// First byte after the file.
        end: u64,
    },
    /// A member is not the one required at its position.
    #[error("its member is `{found}` where `{expected}` is required")]
    Order {
        /// Name of the member.
        found: String,
        /// Name of the required member.
        expected: &'static str,
    },
    /// An unknown version of the format.
    #[error("it is of format `{}`, known is 2", Printable(found))]
    Version {
        /// Its text.
        found: Vec<u8>,
    },
    /// A compression that we cannot undo.
    #[error("its member `{member}` is compressed in another way than gzip, xz or zstd")]
    Compression {
        /// Its name.
        member: String,
    },
    /// A member cannot be decompressed.
    #[error("decompressing `{member}`")]
    Expand {
        /// Its name.
        member: String,
        /// The cause.
        #[source]
        source: ExpandError,
    },
    /// An error of the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ReadFailure for DebError {
    fn is_foreign(&self) -> bool {
        match self {
            Self::Store(_) => true,
            Self::Expand { source, .. } => !matches!(source, ExpandError::Corrupt { .. }),
            _ => false,
        }
    }
}

/// Decompresses a package's file into the store, unless its digest is not the one of the lock. The parts of the entry are
/// the control archive and the data archive.
pub(crate) fn expand(
    path: &Path,
    locked: &LockedPackage,
    store: &Store,
    monitor: Monitor<'_>,
) -> Result<(OpenEntry, EntryParts, PendingRename), DebError> {
    let expanded = spool::expand(path, locked, store, monitor, |file| {
        let parts = Members::new(file.input, file.size).both(file.spooling, file.monitor)?;
        Ok::<_, DebError>((parts, ()))
    });
    expanded.map(|(entry, parts, (), naming)| (entry, parts, naming))
}

/// The members of a package's file, one after the other.
struct Members<'h, 'a> {
    input: BufReader<&'h mut HashingReader<'a>>,
    at: u64,
    end: u64,
}

impl<'h, 'a> Members<'h, 'a> {
    fn new(hashing: &'h mut HashingReader<'a>, end: u64) -> Self {
        Self { input: BufReader::with_capacity(PIECE, hashing), at: 0, end }
    }

    /// Decompresses both archives; members that follow them are ignored.
    fn both(mut self, spooling: &mut EntryWriter, monitor: Monitor<'_>) -> Result<EntryParts, DebError> {
        let magic: [u8; 8] = self.array("the magic")?;
        if magic != *ar::MAGIC {
            return Err(DebError::NotADeb { start: magic.to_vec() });
        }
        self.version()?;
        let first = self.archive("control.tar", CONTROL, spooling, monitor)?;
        let second = self.archive("data.tar", Bounds::default(), spooling, monitor)?;
        Ok(EntryParts { first, second })
    }

    fn version(&mut self) -> Result<(), DebError> {
        let header = self.header("debian-binary")?;
        if header.name != "debian-binary" || header.size > VERSION_MAX {
            return Err(DebError::Order { found: header.name, expected: "debian-binary" });
        }
        let mut text = Vec::new();
        let read = self.input.by_ref().take(header.size).read_to_end(&mut text);
        read.map_err(|error| self.failed("debian-binary", Stopped::Decoder(error)))?;
        self.step(header.size)?;
        // A minor number may grow without harm.
        if !text.starts_with(b"2.") {
            return Err(DebError::Version { found: text });
        }
        Ok(())
    }

    /// Decompresses the next member, which has to be this archive; gives its decompressed length.
    fn archive(
        &mut self,
        expected: &'static str,
        bounds: Bounds,
        spooling: &mut EntryWriter,
        monitor: Monitor<'_>,
    ) -> Result<u64, DebError> {
        let header = loop {
            let header = self.header(expected)?;
            // Room for signatures and the like.
            if !header.name.starts_with('_') {
                break header;
            }
            self.pass(header.size)?;
        };
        let Some(suffix) = header.name.strip_prefix(expected) else {
            return Err(DebError::Order { found: header.name, expected });
        };
        let (name, size, before) = (header.name.clone(), header.size, spooling.len());
        let mut member = self.input.by_ref().take(size);
        let copied = match suffix {
            "" => expand::copy(&mut member, spooling, size, bounds, monitor),
            ".gz" => expand::decode(&mut member, Compression::Gzip, size, bounds, spooling, monitor),
            ".xz" => expand::decode(&mut member, Compression::Xz, size, bounds, spooling, monitor),
            ".zst" => expand::decode(&mut member, Compression::Zstd, size, bounds, spooling, monitor),
            _ => return Err(DebError::Compression { member: name }),
        };
        let left = member.limit();
        copied.map_err(|stopped| self.failed(&name, stopped))?;
        self.pass_rest(size, left)?;
        Ok(spooling.len().saturating_sub(before))
    }

    /// The header of the next member, whose bytes must all be there.
    fn header(&mut self, expected: &'static str) -> Result<ar::MemberHeader, DebError> {
        let at = self.at;
        let bytes: [u8; ar::HEADER] = self.array(expected)?;
        let header = ar::MemberHeader::parse(&bytes).map_err(|error| DebError::Header { at, error })?;
        let need = self.at.saturating_add(header.size);
        if need > self.end {
            return Err(DebError::Truncated { what: format!("`{}`", header.name), need, end: self.end });
        }
        Ok(header)
    }

    fn array<const LEN: usize>(&mut self, what: &'static str) -> Result<[u8; LEN], DebError> {
        let need = self.at.saturating_add(LEN as u64);
        if need > self.end {
            return Err(DebError::Truncated { what: format!("`{what}`"), need, end: self.end });
        }
        let mut bytes = [0; LEN];
        let read = self.input.read_exact(&mut bytes);
        read.map_err(|error| self.failed(what, Stopped::Decoder(error)))?;
        self.at = need;
        Ok(bytes)
    }

    fn pass(&mut self, size: u64) -> Result<(), DebError> {
        self.pass_rest(size, size)
    }

    /// Passes over the last `left` bytes of a member of `size`.
    fn pass_rest(&mut self, size: u64, left: u64) -> Result<(), DebError> {
        let passed = io::copy(&mut self.input.by_ref().take(left), &mut io::sink());
        passed.map_err(|error| self.failed("a member", Stopped::Decoder(error)))?;
        self.step(size)
    }

    /// Counts a member as read, and passes over the byte that makes its length even; the last may lack it.
    fn step(&mut self, size: u64) -> Result<(), DebError> {
        self.at = self.at.saturating_add(size);
        if !self.at.is_multiple_of(2) && self.at < self.end {
            let [_] = self.array("the padding")?;
        }
        Ok(())
    }

    fn failed(&self, member: &str, stopped: Stopped) -> DebError {
        let format = match member.rsplit_once('.') {
            Some((_, "gz")) => "gzip",
            Some((_, "xz")) => "xz",
            Some((_, "zst")) => "zstd",
            _ => "ar",
        };
        DebError::Expand { member: member.to_owned(), source: self.input.get_ref().explain(stopped, format) }
    }
}
