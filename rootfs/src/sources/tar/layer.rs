//! Layers of an image (OCI image format specification 1.1, *Image Layer Filesystem Changeset*): archives whose
//! entries replace those of lower layers, and in which `.wh.name` takes a lower `name` away and `.wh..wh..opq`
//! everything lower in its directory. What the layer itself gives stays, wherever in it the mark stands.

use amiforge_formats::read_at::ReadAt;

use super::entries::Entries;
use super::{End, Place, TarError, plant};
use crate::sources::fault::EntryFault;
use crate::sources::indexed::Planting;
use crate::watch::Watch;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Names that only the storage driver AUFS uses for its own ends.
const AUFS: &[u8] = b".wh..wh.";

/// Lays an archive over what has been planted; its digest vouches that it is complete.
pub(in crate::sources) fn layer(
    archive: &dyn ReadAt,
    place: Place,
    planting: &mut Planting,
    watch: &dyn Watch,
) -> Result<(), TarError> {
    let mut entries = Entries::new(archive, place, End::Vouched);
    while let Some(item) = entries.next(watch)? {
        let at = entries.start();
        let path = entries.path();
        let slash = path.iter().rposition(|byte| *byte == b'/');
        let (above, name) = match slash {
            Some(slash) => path.split_at(slash),
            None => path.split_at(0),
        };
        let name = name.strip_prefix(b"/").unwrap_or(name);
        let done = if name == OPAQUE {
            planting.opaque(above)
        } else if name.starts_with(AUFS) {
            Ok(())
        } else if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            match hidden {
                b"" | b"." | b".." => Err(EntryFault::DotDot),
                hidden => planting.whiteout(above, hidden),
            }
        } else {
            plant(planting, &entries, item)?;
            Ok(())
        };
        done.map_err(|fault| TarError::Entry { path: entries.raw().to_vec(), at, fault: Box::new(fault) })?;
    }
    planting.finish_links().map_err(|(path, at, fault)| TarError::Entry { path, at, fault: Box::new(fault) })
}
