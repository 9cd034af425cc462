//! A FAT whose files change: written anew in its place, with its id and its label.

use amiforge_formats::guid::Guid;
use amiforge_formats::plan::{Plan, SourceId};
use amiforge_formats::read_at::{ReadAt as _, Window};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{ChangeGroups, Tree};
use amiforge_formats::volume::{FsKind, VolumeDraft, VolumeIds, VolumeOptions};
use amiforge_rootfs::sources::image::{KeptDisk, KeptPart};
use amiforge_store::blobs::Blobs;

use super::KeptError;

/// Where a boot sector names what made it (Microsoft, FAT specification 1.03: `BS_OEMName`).
const MAKER: std::ops::Range<usize> = 3..11;

/// The bytes of a FAT that holds `tree`; `path` is the first path that changes.
///
/// # Errors
/// [`KeptError::Syslinux`], [`KeptError::Fat`].
pub(super) fn written(
    disk: &KeptDisk,
    part: &KeptPart,
    (tree, path): (&Tree, Vec<u8>),
    blobs: &Blobs,
    time: Time,
) -> Result<Plan, KeptError> {
    let partition = part.entry.number;
    let compare = |source| KeptError::Compare { partition, source };
    let bytes = disk.bytes(blobs);
    let window = Window::new(&bytes, part.start, part.len);
    let window = window.ok_or_else(|| compare(std::io::ErrorKind::UnexpectedEof.into()))?;
    let mut sector = [0; 512];
    window.read_exact_at(0, &mut sector).map_err(compare)?;
    if [b"SYSLINUX", b"EXTLINUX"].contains(&sector[MAKER].first_chunk().unwrap_or(&[0; 8])) {
        return Err(KeptError::Syslinux { path, partition });
    }
    let read = FsKind::Fat.format().read(&window, SourceId(0));
    let read = read.map_err(|error| compare(std::io::Error::other(error)))?;
    let options = VolumeOptions::Fat32 {
        label: String::from_utf8_lossy(&read.label).trim_end().to_owned(),
        volume_id: read.id.as_deref().and_then(volume_id),
    };
    let ids = VolumeIds { uuid: Guid::derive("", ""), hash_seed: Guid::derive("", "") };
    let failed = |source| KeptError::Fat { partition, source };
    let groups = ChangeGroups::default();
    let draft = VolumeDraft::new(&options, (tree, &groups), &ids, time).map_err(failed)?;
    draft.plan(part.start, part.len).map_err(failed)
}

/// A volume id as `/dev/disk/by-uuid` has it.
fn volume_id(text: &str) -> Option<u32> {
    let (high, low) = text.split_once('-')?;
    u32::from_str_radix(&format!("{high}{low}"), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_volume_is_read_from_its_name() {
        assert_eq!(volume_id("1A2B-3C4D"), Some(0x1a2b_3c4d));
        assert_eq!(volume_id("1A2B3C4D"), None);
    }
}
