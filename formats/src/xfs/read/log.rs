//! The state of the log: whether the last record of it is that of an unmount, so that nothing is left to be replayed.
//!
//! The first word of every block of 512 bytes of a log is the number of the round in which it was written (in a header the
//! second word is), so the end of what was written last is where that number falls. "Journaling Log" in the specification.

use super::error::XfsReadError;
use super::superblock::XfsSuperblock;
use super::{checksum, read_exact};
use crate::fields;
use crate::read_at::ReadAt;
use crate::xfs::spec::{BASIC_BLOCK, LOG_CYCLE_SIZE, LOG_RECORD_MAGIC, LOG_UNMOUNT};

/// Blocks before the end that the record of an unmount begins in: padded to the longest stripe unit, with its header.
const LOOK_BACK: u64 = 2 * (256 << 10) / BASIC_BLOCK;
/// Longest record: the greatest buffer of the log.
const RECORD_MOST: u64 = 256 << 10;

/// The log in blocks of 512 bytes.
struct XfsLog<'a, R: ?Sized> {
    image: &'a R,
    start: u64,
    blocks: u64,
    uuid: [u8; 16],
}

/// Whether something would have to be replayed.
pub(super) fn is_dirty<R: ReadAt + ?Sized>(
    image: &R,
    superblock: &XfsSuperblock,
) -> Result<bool, XfsReadError> {
    let Some(start) = superblock.linear(superblock.log_start, superblock.log_blocks.into()) else {
        return Err(XfsReadError::ExternalLog);
    };
    let log = XfsLog {
        image,
        start: superblock.offset_of(start),
        blocks: superblock.offset_of(superblock.log_blocks.into()) / BASIC_BLOCK,
        uuid: superblock.uuid.to_bytes(),
    };
    if log.blocks == 0 {
        return Ok(true);
    }
    let (first, last) = (log.cycle(0)?, log.cycle(log.blocks - 1)?);
    if first == 0 {
        // A log that was zeroed and never used.
        return Ok(last != 0);
    }
    let head = if first == last { log.blocks } else { log.first_with(last)? };
    log.last_record_is_not_unmount(head)
}

impl<R: ReadAt + ?Sized> XfsLog<'_, R> {
    fn block(&self, block: u64) -> Result<[u8; BASIC_BLOCK as usize], XfsReadError> {
        let mut bytes = [0; BASIC_BLOCK as usize];
        read_exact(self.image, self.start.saturating_add(block % self.blocks * BASIC_BLOCK), &mut bytes)?;
        Ok(bytes)
    }

    fn cycle(&self, block: u64) -> Result<u32, XfsReadError> {
        let bytes = self.block(block)?;
        let at = if fields::be32(&bytes, 0) == LOG_RECORD_MAGIC { 4 } else { 0 };
        Ok(fields::be32(&bytes, at))
    }

    /// The first block of the round that the log ends with, by bisection.
    fn first_with(&self, cycle: u32) -> Result<u64, XfsReadError> {
        let (mut before, mut after) = (0, self.blocks - 1);
        while after - before > 1 {
            let middle = before.midpoint(after);
            if self.cycle(middle)? == cycle { after = middle } else { before = middle }
        }
        Ok(after)
    }

    /// Looks for the record that ends at `head`, which may have begun before the end of the log.
    fn last_record_is_not_unmount(&self, head: u64) -> Result<bool, XfsReadError> {
        for back in 1..=LOOK_BACK.min(self.blocks) {
            let at = (head + self.blocks - back) % self.blocks;
            let header = self.block(at)?;
            if fields::be32(&header, 0) == LOG_RECORD_MAGIC {
                return Ok(!self.is_unmount(at, &header, back)?);
            }
        }
        Ok(true)
    }

    /// Whether a record `len` blocks long with its headers is that of an unmount, and whole.
    fn is_unmount(
        &self,
        at: u64,
        header: &[u8; BASIC_BLOCK as usize],
        len: u64,
    ) -> Result<bool, XfsReadError> {
        let (version, body) = (fields::be32(header, 8), u64::from(fields::be32(header, 12)));
        let size = fields::be32(header, 320);
        let headers = if version & 2 != 0 && size > LOG_CYCLE_SIZE {
            u64::from(size.div_ceil(LOG_CYCLE_SIZE))
        } else {
            1
        };
        let one_operation = fields::be32(header, 40) == 1;
        let ours = fields::array::<16>(header, 304) == self.uuid;
        if !ours || !one_operation || body == 0 || body > RECORD_MOST {
            return Ok(false);
        }
        if headers + body.div_ceil(BASIC_BLOCK) != len || !self.is_whole(at, headers, body)? {
            return Ok(false);
        }
        let operation = self.block(at + headers)?;
        Ok(fields::u8(&operation, 9) & LOG_UNMOUNT != 0)
    }

    /// Whether the checksum of a record is right; 0 means that the writer made none.
    fn is_whole(&self, at: u64, headers: u64, body: u64) -> Result<bool, XfsReadError> {
        let mut bytes = Vec::new();
        for block in 0..headers + body.div_ceil(BASIC_BLOCK) {
            bytes.extend(self.block(at + block)?);
        }
        let header = bytes.get(..HEADER_SUMMED).unwrap_or(&bytes);
        let stored = fields::u32(header, RECORD_CHECKSUM);
        let mut crc = checksum::compute(header, RECORD_CHECKSUM);
        for block in 1..headers as usize {
            let from = block * BASIC_BLOCK as usize;
            crc = crc32c::crc32c_append(crc, bytes.get(from..from + EXTENDED_SUMMED).unwrap_or(&[]));
        }
        let from = headers as usize * BASIC_BLOCK as usize;
        crc = crc32c::crc32c_append(crc, bytes.get(from..from + body as usize).unwrap_or(&[]));
        Ok(stored == 0 || stored == crc)
    }
}

/// Where a header has the checksum, and how many bytes of it and of an extended header are under it.
const RECORD_CHECKSUM: usize = 32;
const HEADER_SUMMED: usize = 328;
const EXTENDED_SUMMED: usize = 260;
