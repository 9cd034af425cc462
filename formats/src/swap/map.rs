//! The map of swap space: a header page, and pages that the kernel writes.

use super::{PAGE, SIGNATURE, SIGNATURE_AT, read};
use crate::map::{MapBuilder, RangeMap, Subject};
use crate::read_at::ReadAt;
use crate::volume::format::FormatError;

/// First byte of the header, and of the list of bad pages behind it (kernel, `union swap_header`).
const HEADER: u64 = 1024;
const BAD_PAGES: u64 = 1536;

/// Maps swap space.
pub(super) fn map(area: &dyn ReadAt) -> Result<RangeMap, FormatError> {
    let swap = read(area)?;
    let named = |name: &'static str| Subject::Structure { name: name.into() };
    let mut builder = MapBuilder::new(area.size());
    builder.padding(0, HEADER, "boot area of the swap space");
    builder.add(HEADER, BAD_PAGES - HEADER, named("swap header"));
    let bad = u64::from(swap.bad_pages).saturating_mul(4);
    builder.add(BAD_PAGES, bad, named("list of bad pages"));
    builder.padding(BAD_PAGES.saturating_add(bad), SIGNATURE_AT as u64, "unused entries of bad pages");
    builder.add(SIGNATURE_AT as u64, SIGNATURE.len() as u64, named("swap signature"));
    let end = swap.pages.saturating_mul(PAGE);
    builder.add(PAGE, end.saturating_sub(PAGE), Subject::Free { what: "pages of swap space" });
    builder.padding(end, area.size(), "behind the last page of swap space");
    Ok(builder.finish(None)?)
}
