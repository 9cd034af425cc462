//! The bytes of a partition whose files change: an ext4 file system is amended where it is, a FAT written anew in its place,
//! and no other changes.

use amiforge_formats::digest::Digest;
use amiforge_formats::ext4::patch::{self, Ext4PatchOptions};
use amiforge_formats::plan::{Claims, Data, Plan};
use amiforge_formats::read_at::Window;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_formats::volume::FsKind;
use amiforge_rootfs::sources::image::{KeptDisk, KeptPart};
use amiforge_store::blobs::Blobs;

use super::KeptError;
use super::difference::first_difference;
use super::fat;

/// The files of a partition as they will be there, and its bytes if they change.
///
/// # Errors
/// [`KeptError`], with the first path that would change where nothing can.
pub(super) fn amended(
    disk: &KeptDisk,
    part: &KeptPart,
    tree: Tree,
    blobs: &Blobs,
    time: Time,
) -> Result<(Option<Tree>, Option<Plan>), KeptError> {
    let (Some(own), Some(kind)) = (&part.tree, part.content.kind()) else { return Ok((Some(tree), None)) };
    let Some(metadata) = kind.format().files() else { return Ok((Some(tree), None)) };
    let partition = part.entry.number;
    let differs = first_difference(own, &tree, metadata, blobs);
    let Some(below) = differs.map_err(|source| KeptError::Compare { partition, source })? else {
        return Ok((Some(own.clone()), None));
    };
    let mount = part.mount.as_deref().unwrap_or_default().trim_matches('/').as_bytes();
    let path =
        [mount, below.as_slice()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(&b'/');
    let plan = match kind {
        FsKind::Ext4 => ext4(disk, part, &tree, blobs, time)?,
        FsKind::Fat => fat::written(disk, part, (&tree, path), blobs, time)?,
        _ => return Err(KeptError::Changed { path, partition, found: kind.format().name() }),
    };
    Ok((Some(tree), Some(plan)))
}

/// An ext4 file system, amended.
fn ext4(disk: &KeptDisk, part: &KeptPart, tree: &Tree, blobs: &Blobs, time: Time) -> Result<Plan, KeptError> {
    let partition = part.entry.number;
    let past = || KeptError::Compare { partition, source: std::io::ErrorKind::UnexpectedEof.into() };
    let bytes = disk.bytes(blobs);
    let volume = Window::new(&bytes, part.start, part.len).ok_or_else(past)?;
    let mut claims = Claims::new(part.len);
    disk.claim((part.start, part.len), 0, &mut claims);
    let origin = claims.finish(&Data::Zero).map_err(KeptError::Plan)?;
    // What generation numbers of inodes are derived from needs to be the same for the same image, and nothing else.
    let guid = Digest::of(part.entry.guid.to_string().as_bytes());
    let seed = guid.0.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
    let options = Ext4PatchOptions { time, seed, erase: true };
    let amended = patch::patch_of(&volume, &origin, part.start, tree, blobs, &options);
    Ok(amended.map_err(|source| KeptError::Ext4 { partition, source: Box::new(source) })?.plan)
}
