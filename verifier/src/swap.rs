//! Swap space: the header of version 1 (Linux, `union swap_header`).

use alloc::format;

use crate::bytes::{array, le32, part, uuid_text};
use crate::listing::Volume;
use crate::report::Log;
use crate::source::{bytes_at, ByteSource, ReadFailure};

/// Bytes of a page.
const PAGE: u64 = 4096;

/// Checks the header.
///
/// # Errors
/// [`ReadFailure`].
pub fn check(volume: &dyn ByteSource, log: &mut Log<'_>) -> Result<Option<Volume>, ReadFailure> {
    let page = bytes_at(volume, 0, PAGE as usize)?;
    if part(&page, 4086, 10) != b"SWAPSPACE2" {
        log.wrong(4086, "it has no signature of swap space");
        return Ok(None);
    }
    log.equal(1024, "the version of the header", 1, le32(&page, 1024));
    let last = volume.size() / PAGE;
    log.equal(1028, "the last page", last.saturating_sub(1), u64::from(le32(&page, 1028)));
    // Pages that a disk cannot keep are listed behind the header: room for 637.
    if le32(&page, 1032) > 637 {
        log.wrong(1032, format!("it has {} bad pages", le32(&page, 1032)));
    }
    Ok(Some(Volume { id: Some(uuid_text(array(&page, 1036))), entries: None, names_only: false }))
}
