//! Layers of an image (OCI image format specification 1.1, *Image Layer Filesystem Changeset*): archives whose
//! entries replace those of lower layers, and in which `.wh.name` removes a lower `name` and `.wh..wh..opq`
//! everything lower in its directory. Entries of the layer itself remain, wherever in it the marker is.
//!
//! All other names that begin with `.wh..wh.` belong to the storage driver AUFS. They are no part of the file system,
//! but `.wh..wh.plnk` may hold the file that a hard link of the layer names, so they go when the layer is read.

use std::collections::BTreeSet;

use amiforge_formats::read_at::ReadAt;
use amiforge_progress::Monitor;

use super::entries::{Entries, EntryAction};
use super::error::TarError;
use super::insert;
use super::location::{ArchiveLocation, End};
use crate::sources::entry_error::EntryError;
use crate::sources::indexed::Inserter;
use crate::sources::names::split;
use crate::sources::warning::Tally;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Names that only the storage driver AUFS uses for its own ends.
const AUFS: &[u8] = b".wh..wh.";

/// Applies an archive over the entries so far; its digest proves that it is complete. Returns warnings.
pub(in crate::sources) fn layer(
    archive: &dyn ReadAt,
    location: ArchiveLocation,
    inserter: &mut Inserter,
    monitor: Monitor<'_>,
) -> Result<Tally, TarError> {
    let mut entries = Entries::new(archive, location, End::Unmarked);
    let mut leftovers = BTreeSet::new();
    while let Some(item) = entries.next(monitor)? {
        take(inserter, &entries, item, &mut leftovers)?;
    }
    inserter.finish_links().map_err(|(path, at, error)| TarError::Entry {
        path,
        at,
        error: Box::new(error),
    })?;
    for name in &leftovers {
        inserter.discard(name);
    }
    Ok(entries.take_tally())
}

/// Takes one entry; a name of AUFS at the top of the layer is noted to be discarded.
fn take(
    inserter: &mut Inserter,
    entries: &Entries<'_>,
    item: EntryAction,
    leftovers: &mut BTreeSet<Vec<u8>>,
) -> Result<(), TarError> {
    let path = entries.path();
    let (above, name) = split(path);
    let top = path.split(|byte| *byte == b'/').next().unwrap_or(path);
    let done = if name == OPAQUE {
        inserter.opaque(above)
    } else if top.starts_with(AUFS) {
        leftovers.insert(top.to_vec());
        return insert(inserter, entries, item);
    } else if path.split(|byte| *byte == b'/').any(|name| name.starts_with(AUFS)) {
        Ok(())
    } else if let Some(hidden) = name.strip_prefix(WHITEOUT) {
        match hidden {
            b"" | b"." | b".." => Err(EntryError::DotDot),
            hidden => inserter.whiteout(above, hidden),
        }
    } else {
        return insert(inserter, entries, item);
    };
    done.map_err(|error| TarError::Entry {
        path: entries.raw().to_vec(),
        at: entries.start(),
        error: Box::new(error),
    })
}
