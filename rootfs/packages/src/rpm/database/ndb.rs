//! The file `Packages.db`, rpm's own format, which SUSE uses: a table of slots, and blobs of headers.
//!
//! rpm, `lib/backend/ndb/rpmpkg.cc`. Numbers are little-endian; a slot names a header's number, and where its blob begins and
//! how long it is, in units of 16 bytes. Read only.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::error::RpmDatabaseError;
use super::stored::StoredHeader;

const MAGIC: &[u8] = b"RpmP";
const SLOT_MAGIC: &[u8] = b"Slot";
const BLOB_MAGIC: &[u8] = b"BlbS";
/// Bytes of a page of slots.
const PAGE: usize = 4096;
/// Bytes of a slot, of the head of a blob, and of the unit that blobs are counted in.
const UNIT: usize = 16;
/// Slots that the head of the file takes.
const HEAD: usize = 2;

/// Reads the headers of a database.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<StoredHeader>, RpmDatabaseError> {
    let damaged = RpmDatabaseError::Ndb;
    if !bytes.starts_with(MAGIC) {
        return Err(damaged("its first bytes are others"));
    }
    let pages = number(bytes, 12).ok_or(damaged("its head is cut off"))? as usize;
    let slots = pages.checked_mul(PAGE).and_then(|end| bytes.get(..end));
    let slots = slots.ok_or(damaged("it has fewer pages of slots than it says"))?;
    let mut headers = Vec::new();
    // Blobs do not overlap, so they are together no longer than the file.
    let mut room = bytes.len();
    for slot in slots.chunks_exact(UNIT).skip(HEAD) {
        let slot_number = number(slot, 4).unwrap_or(0);
        if !slot.starts_with(SLOT_MAGIC) {
            return Err(damaged("a slot does not begin as one"));
        }
        if slot_number == 0 {
            continue;
        }
        let blob = blob(bytes, slot).ok_or(damaged("a slot names a blob that is not there"))?;
        room = room.checked_sub(blob.len()).ok_or(damaged("its blobs overlap"))?;
        headers.push(StoredHeader::read(slot_number, blob)?);
    }
    headers.sort_by_key(|stored| stored.number);
    Ok(headers)
}

/// The header that a slot names.
fn blob<'a>(bytes: &'a [u8], slot: &[u8]) -> Option<&'a [u8]> {
    let start = (number(slot, 8)? as usize).checked_mul(UNIT)?;
    let head = bytes.get(start..)?;
    let is_of_slot = head.starts_with(BLOB_MAGIC) && number(head, 4) == number(slot, 4);
    let len = number(head, 12)? as usize;
    head.get(UNIT..len.checked_add(UNIT)?).filter(|_| is_of_slot)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|field| u32::from_le_bytes(*field))
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn slots_that_lie_are_refused() {
        let header = [0_u32, 0].iter().flat_map(|count| count.to_be_bytes()).collect::<Vec<u8>>();
        let mut bytes = vec![0; PAGE];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[12] = 1;
        for at in (32..PAGE).step_by(UNIT) {
            bytes[at..at + 4].copy_from_slice(SLOT_MAGIC);
        }
        assert_eq!(read(&bytes).unwrap(), []);
        bytes[36] = 7;
        bytes[40..42].copy_from_slice(&256_u16.to_le_bytes());
        bytes.extend_from_slice(BLOB_MAGIC);
        bytes.extend_from_slice(&[7, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0]);
        bytes.extend_from_slice(&header);
        assert_eq!(read(&bytes).unwrap()[0].number, 7);
        for (at, byte) in [(0, 0), (13, 1), (32, 0), (36, 8), (41, 2), (PAGE, 0), (PAGE + 12, 9)] {
            let mut changed = bytes.clone();
            changed[at] = byte;
            assert!(read(&changed).is_err(), "{at}");
        }
    }
}
