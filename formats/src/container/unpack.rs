//! Compressed units: one at a time, of bounded length, the last few kept unpacked.

use std::io::{self, Read as _};
use std::sync::{Arc, Mutex, PoisonError};

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

/// The longest unit, unpacked: twice the largest cluster of qcow2.
pub const UNIT_MAX: u32 = 4 << 20;

/// Units that are kept.
const SLOTS: usize = 8;

/// Largest window of a zstd frame, as a power of two: that of the longest unit.
const ZSTD_WINDOW: u32 = 22;

/// How a unit is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Deflate without a header (RFC 1951).
    Deflate,
    /// Deflate with header and check sum (RFC 1950).
    Zlib,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Codec {
    /// Unpacks a unit into `out`, which has its full length, and gives how many bytes there were. Bytes behind the
    /// stream are padding.
    ///
    /// # Errors
    /// `InvalidData` when `packed` is no such stream, or holds more than `out` takes.
    pub(super) fn unpack(self, packed: &[u8], out: &mut [u8]) -> io::Result<usize> {
        let damaged = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        match self {
            Self::Deflate | Self::Zlib => {
                let mut flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
                if self == Self::Zlib {
                    flags |= inflate_flags::TINFL_FLAG_PARSE_ZLIB_HEADER;
                }
                let mut state = Box::<DecompressorOxide>::default();
                let (status, _, len) = decompress(&mut state, packed, out, 0, flags);
                match status {
                    TINFLStatus::Done => Ok(len),
                    TINFLStatus::HasMoreOutput => Err(damaged("a compressed unit is longer than it may be")),
                    TINFLStatus::Adler32Mismatch => Err(damaged("a compressed unit has a wrong check sum")),
                    _ => Err(damaged("a compressed unit is not a deflate stream")),
                }
            }
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
                decoder.window_log_max(ZSTD_WINDOW)?;
                let mut done = 0;
                while done < out.len() {
                    match decoder.read(&mut out[done..])? {
                        0 => break,
                        len => done += len,
                    }
                }
                Ok(done)
            }
        }
    }
}

/// A unit that was unpacked, with its first byte on the disk.
type HeldUnit = Option<(u64, Arc<[u8]>)>;

/// Units that were unpacked.
#[derive(Debug)]
pub(super) struct UnpackedUnits(Vec<Mutex<HeldUnit>>);

impl UnpackedUnits {
    /// None yet.
    pub(super) fn new() -> Self {
        Self((0..SLOTS).map(|_| Mutex::new(None)).collect())
    }

    /// The unit that begins at `start` of the disk, or what `unpack` makes of it. Units of one container are of one
    /// length, `unpacked`.
    pub(super) fn get(
        &self,
        start: u64,
        unpacked: u32,
        unpack: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> io::Result<Arc<[u8]>> {
        let number = start / u64::from(unpacked.max(1));
        let slot = &self.0[(number % SLOTS as u64) as usize];
        if let Some((held, unit)) = &*slot.lock().unwrap_or_else(PoisonError::into_inner)
            && *held == start
        {
            return Ok(Arc::clone(unit));
        }
        let unit: Arc<[u8]> = unpack()?.into();
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some((start, Arc::clone(&unit)));
        Ok(unit)
    }
}
