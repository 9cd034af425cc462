//! newc reader: one entry after the other out of a stream, without buffering them.
//!
//! As strict as the kernel needs it: what it would take for something else, or stop at, is refused. Padding is not
//! looked at, and an archive may lack its trailer, as buffer-format.rst allows.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::io::{self, Read};

use super::{HEADER, MAGIC, TRAILER};
use crate::tree::Printable;

/// First bytes of a header whose entry has a checksum.
const MAGIC_CRC: &[u8; 6] = b"070702";

/// Fields after the magic.
const FIELDS: usize = 13;

/// Hexadecimal digits of a field.
const DIGITS: usize = 8;

/// Names and bodies end at a multiple of this.
const ALIGN: u64 = 4;

/// Longest name with its NUL (Linux `PATH_MAX`); the kernel passes over entries with longer ones.
const PATH_MAX: u32 = 4096;

// Indices of fields.
const INO: usize = 0;
const MODE: usize = 1;
const UID: usize = 2;
const GID: usize = 3;
const NLINK: usize = 4;
const MTIME: usize = 5;
const FILESIZE: usize = 6;
const MAJ: usize = 7;
const MIN: usize = 8;
const RMAJ: usize = 9;
const RMIN: usize = 10;
const NAMESIZE: usize = 11;
const CHKSUM: usize = 12;

// Kinds of nodes in the mode.
const S_IFMT: u32 = 0o170_000;
const S_IFSOCK: u32 = 0o140_000;
const S_IFLNK: u32 = 0o120_000;
const S_IFREG: u32 = 0o100_000;
const S_IFBLK: u32 = 0o060_000;
const S_IFDIR: u32 = 0o040_000;
const S_IFCHR: u32 = 0o020_000;
const S_IFIFO: u32 = 0o010_000;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Dir,
    /// A regular file; its bytes are the body.
    File,
    /// A symbolic link; its target is the body.
    Symlink,
    /// A character device, major and minor number.
    CharDevice(u32, u32),
    /// A block device, major and minor number.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// An entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveEntry {
    /// Its name as stored: not empty, without NUL; it may begin with `/` or `./`.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits with set-id and sticky.
    pub mode: u16,
    /// Owner by number.
    pub uid: u32,
    /// Group by number.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: u32,
    /// Names that the file has; those with the same `id` are one file if there is more than one.
    pub nlink: u32,
    /// Major and minor number of the device that it was on, and its inode there.
    pub id: (u32, u32, u32),
    /// Length of the body in bytes.
    pub len: u32,
}

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CpioReadError {
    /// The bytes could not be read.
    #[error("reading the archive at byte {at}")]
    Io {
        /// Where.
        at: u64,
        /// The error of the stream.
        #[source]
        source: io::Error,
    },
    /// The archive ends within an entry.
    #[error("the archive ends at byte {at}, within an entry")]
    Cut {
        /// Where.
        at: u64,
    },
    /// No header where one has to be.
    #[error("there is no newc header at byte {at} but `{}`", Printable(found))]
    Magic {
        /// Where.
        at: u64,
        /// The stored value.
        found: [u8; 6],
    },
    /// A field is no number.
    #[error(
        "field {field} of the header at byte {at} is `{}`, not eight hexadecimal digits",
        Printable(found)
    )]
    Field {
        /// Where the header is.
        at: u64,
        /// Which field, from 0.
        field: usize,
        /// The stored value.
        found: Vec<u8>,
    },
    /// A name of a length that the kernel passes over.
    #[error("the name at byte {at} has {len} bytes with its NUL; it can have 2 to {PATH_MAX}")]
    NameLen {
        /// Where the header is.
        at: u64,
        /// The length.
        len: u32,
    },
    /// A name that does not end where it should.
    #[error("the name `{}` at byte {at} does not end with its only NUL", Printable(name))]
    Name {
        /// Where the header is.
        at: u64,
        /// The bytes.
        name: Vec<u8>,
    },
    /// No kind of node.
    #[error("`{}` has mode {mode:o}, which is no kind of file", Printable(path))]
    Mode {
        /// Its path.
        path: Vec<u8>,
        /// The mode.
        mode: u32,
    },
    /// A body that it cannot have.
    #[error("`{}` has {len} bytes, which no {kind} has", Printable(path))]
    Body {
        /// Its path.
        path: Vec<u8>,
        /// What it is.
        kind: &'static str,
        /// Length of the body.
        len: u32,
    },
    /// The bytes do not add up.
    #[error("the bytes of `{}` add up to {computed:#x}, and its checksum is {stored:#x}", Printable(path))]
    Checksum {
        /// Its path.
        path: Vec<u8>,
        /// The checksum in the header.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
}

/// A header: its magic, and its fields.
type CpioHeader = ([u8; 6], [u32; FIELDS]);

/// The body of the entry that is being read.
#[derive(Debug)]
struct EntryBody {
    left: u64,
    /// Of an entry with a checksum: its path, the stored and the computed one.
    sum: Option<(Vec<u8>, u32, u32)>,
}

/// Reads an archive entry by entry; the body of the last one is read through [`Read`], or passed over by going on.
#[derive(Debug)]
pub struct CpioReader<R> {
    from: R,
    /// Bytes read so far.
    at: u64,
    body: EntryBody,
    ended: bool,
}

impl<R: Read> CpioReader<R> {
    /// A reader of the archive that starts with the next byte of a stream.
    pub fn new(from: R) -> Self {
        Self { from, at: 0, body: EntryBody { left: 0, sum: None }, ended: false }
    }

    /// Goes on to the next entry; `None` at the trailer, or at the end of the stream where an entry could begin.
    ///
    /// # Errors
    /// [`CpioReadError`]; the reader is of no use afterwards.
    pub fn next_entry(&mut self) -> Result<Option<ArchiveEntry>, CpioReadError> {
        if self.ended {
            return Ok(None);
        }
        self.finish_body()?;
        let at = self.at;
        let Some((magic, fields)) = self.header()? else {
            self.ended = true;
            return Ok(None);
        };
        let path = self.name(at, field(&fields, NAMESIZE))?;
        self.align()?;
        if path == TRAILER {
            self.ended = true;
            return Ok(None);
        }
        let entry = entry(path, &fields)?;
        // Of files only: GNU cpio gives links none, and the kernel asks for none.
        let sum = (magic == *MAGIC_CRC && entry.kind == EntryKind::File)
            .then(|| (entry.path.clone(), field(&fields, CHKSUM), 0));
        self.body = EntryBody { left: entry.len.into(), sum };
        Ok(Some(entry))
    }

    /// Bytes read so far; after the end, where the archive ends, padding included.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// Passes over what is left of a body.
    fn finish_body(&mut self) -> Result<(), CpioReadError> {
        let mut buf = [0; 4096];
        while self.body.left > 0 {
            let at = self.at;
            let read = self.read(&mut buf).map_err(|source| CpioReadError::Io { at, source })?;
            if read == 0 {
                return Err(CpioReadError::Cut { at: self.at });
            }
        }
        if let Some((path, stored, computed)) = self.body.sum.take()
            && stored != computed
        {
            return Err(CpioReadError::Checksum { path, stored, computed });
        }
        self.align()
    }

    /// Reads a header; `None` when the stream ends before it.
    fn header(&mut self) -> Result<Option<CpioHeader>, CpioReadError> {
        let at = self.at;
        let mut magic = [0; 6];
        let read = self.fill(&mut magic)?;
        if read == 0 {
            return Ok(None);
        }
        if read < magic.len() {
            return Err(CpioReadError::Cut { at: self.at });
        }
        if magic != *MAGIC && magic != *MAGIC_CRC {
            return Err(CpioReadError::Magic { at, found: magic });
        }
        let mut digits = [0; HEADER - MAGIC.len()];
        self.whole(&mut digits)?;
        let mut fields = [0; FIELDS];
        for (number, (field, digits)) in fields.iter_mut().zip(digits.chunks_exact(DIGITS)).enumerate() {
            *field = hex(digits).ok_or_else(|| CpioReadError::Field {
                at,
                field: number,
                found: digits.to_vec(),
            })?;
        }
        Ok(Some((magic, fields)))
    }

    /// Reads a name of `len` bytes with its NUL.
    fn name(&mut self, at: u64, len: u32) -> Result<Vec<u8>, CpioReadError> {
        if !(2..=PATH_MAX).contains(&len) {
            return Err(CpioReadError::NameLen { at, len });
        }
        let mut name = vec![0; len as usize];
        self.whole(&mut name)?;
        if name.pop() != Some(0) || name.contains(&0) {
            return Err(CpioReadError::Name { at, name });
        }
        Ok(name)
    }

    /// Passes over the padding; the stream may end without it.
    fn align(&mut self) -> Result<(), CpioReadError> {
        let mut pad = [0; ALIGN as usize];
        let short = self.at.next_multiple_of(ALIGN).saturating_sub(self.at);
        let pad = pad.get_mut(..short as usize).unwrap_or_default();
        self.fill(pad).map(|_| ())
    }

    /// Fills a buffer, or fails.
    fn whole(&mut self, buf: &mut [u8]) -> Result<(), CpioReadError> {
        if self.fill(buf)? == buf.len() { Ok(()) } else { Err(CpioReadError::Cut { at: self.at }) }
    }

    /// Reads as much as there is, up to a whole buffer.
    fn fill(&mut self, buf: &mut [u8]) -> Result<usize, CpioReadError> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.from.read(rest) {
                Ok(0) => break,
                Ok(read) => {
                    done = done.saturating_add(read);
                    self.at = self.at.saturating_add(read as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(CpioReadError::Io { at: self.at, source }),
            }
        }
        Ok(done)
    }
}

/// The body of the entry that [`CpioReader::next_entry`] gave last.
impl<R: Read> Read for CpioReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.body.left).unwrap_or(usize::MAX).min(buf.len());
        let Some(part) = buf.get_mut(..most).filter(|part| !part.is_empty()) else { return Ok(0) };
        let read = self.from.read(part)?;
        self.at = self.at.saturating_add(read as u64);
        self.body.left = self.body.left.saturating_sub(read as u64);
        if let Some((_, _, computed)) = &mut self.body.sum {
            let bytes = part.iter().take(read);
            *computed = bytes.fold(*computed, |sum, byte| sum.wrapping_add(u32::from(*byte)));
        }
        Ok(read)
    }
}

/// A field by its index.
fn field(fields: &[u32; FIELDS], at: usize) -> u32 {
    fields.get(at).copied().unwrap_or_default()
}

/// A number of eight hexadecimal digits of either case.
fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
}

/// The fields of a header.
fn entry(path: Vec<u8>, fields: &[u32; FIELDS]) -> Result<ArchiveEntry, CpioReadError> {
    let field = |at| field(fields, at);
    let mode = field(MODE);
    let device = (field(RMAJ), field(RMIN));
    let (kind, word) = match mode & S_IFMT {
        S_IFDIR => (EntryKind::Dir, "directory"),
        S_IFREG => (EntryKind::File, "file"),
        S_IFLNK => (EntryKind::Symlink, "link"),
        S_IFCHR => (EntryKind::CharDevice(device.0, device.1), "device"),
        S_IFBLK => (EntryKind::BlockDevice(device.0, device.1), "device"),
        S_IFIFO => (EntryKind::Fifo, "pipe"),
        S_IFSOCK => (EntryKind::Socket, "socket"),
        _ => return Err(CpioReadError::Mode { path, mode }),
    };
    let len = field(FILESIZE);
    let fits = match kind {
        EntryKind::File => true,
        EntryKind::Symlink => (1..PATH_MAX).contains(&len),
        _ => len == 0,
    };
    if !fits || mode & !(S_IFMT | 0o7777) != 0 {
        return Err(if fits {
            CpioReadError::Mode { path, mode }
        } else {
            CpioReadError::Body { path, kind: word, len }
        });
    }
    Ok(ArchiveEntry {
        path,
        kind,
        mode: (mode & 0o7777) as u16,
        uid: field(UID),
        gid: field(GID),
        mtime: field(MTIME),
        nlink: field(NLINK),
        id: (field(MAJ), field(MIN), field(INO)),
        len,
    })
}
