//! Layers of an image (OCI image format specification 1.1, *Image Layer Filesystem Changeset*): archives whose
//! entries replace those of lower layers, and in which `.wh.name` takes a lower `name` away and `.wh..wh..opq`
//! everything lower in its directory. What the layer itself gives stays, wherever in it the mark stands.
//!
//! All other names that begin with `.wh..wh.` belong to the storage driver AUFS. They are no part of the file system,
//! but `.wh..wh.plnk` may hold the file that a hard link of the layer names, so they go when the layer is read.

use std::collections::BTreeSet;

use amiforge_formats::read_at::ReadAt;
use amiforge_progress::Monitor;

use super::entries::{Entries, EntryAction};
use super::{ArchiveLocation, End, TarError, plant};
use crate::sources::fault::EntryFault;
use crate::sources::indexed::Inserter;
use crate::sources::names::split;
use crate::sources::warning::Tally;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Names that only the storage driver AUFS uses for its own ends.
const AUFS: &[u8] = b".wh..wh.";

/// Lays an archive over what has been planted; its digest vouches that it is complete. Gives what was remarkable.
pub(in crate::sources) fn layer(
    archive: &dyn ReadAt,
    place: ArchiveLocation,
    planting: &mut Inserter,
    monitor: Monitor<'_>,
) -> Result<Tally, TarError> {
    let mut entries = Entries::new(archive, place, End::Vouched);
    let mut leftovers = BTreeSet::new();
    while let Some(item) = entries.next(monitor)? {
        take(planting, &entries, item, &mut leftovers)?;
    }
    planting.finish_links().map_err(|(path, at, fault)| TarError::Entry {
        path,
        at,
        fault: Box::new(fault),
    })?;
    for name in &leftovers {
        planting.discard(name);
    }
    Ok(entries.take_tally())
}

/// Takes one entry; a name of AUFS at the top of the layer is noted to be discarded.
fn take(
    planting: &mut Inserter,
    entries: &Entries<'_>,
    item: EntryAction,
    leftovers: &mut BTreeSet<Vec<u8>>,
) -> Result<(), TarError> {
    let path = entries.path();
    let (above, name) = split(path);
    let top = path.split(|byte| *byte == b'/').next().unwrap_or(path);
    let done = if name == OPAQUE {
        planting.opaque(above)
    } else if top.starts_with(AUFS) {
        leftovers.insert(top.to_vec());
        return plant(planting, entries, item);
    } else if path.split(|byte| *byte == b'/').any(|name| name.starts_with(AUFS)) {
        Ok(())
    } else if let Some(hidden) = name.strip_prefix(WHITEOUT) {
        match hidden {
            b"" | b"." | b".." => Err(EntryFault::DotDot),
            hidden => planting.whiteout(above, hidden),
        }
    } else {
        return plant(planting, entries, item);
    };
    done.map_err(|fault| TarError::Entry {
        path: entries.raw().to_vec(),
        at: entries.start(),
        fault: Box::new(fault),
    })
}
