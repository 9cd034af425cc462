//! A snapshot becomes the volume that a machine would start from: its blocks as they are, and between them what a guest
//! would read there. That is zeros, or on an encrypted volume whatever comes of decrypting what was never encrypted: an
//! image that relies on blocks which nobody wrote must not start.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_image::image::Block;
use amiforge_progress::Monitor;

use super::api::{Ebs, SnapshotCalls, SnapshotState};
use super::error::PublishError;
use super::readback::{self, RequestedBlock};
use super::services::Services;

/// A volume in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeFile {
    /// Its length in bytes.
    pub size: u64,
    /// Blocks that the snapshot holds.
    pub held: u64,
    /// Blocks of garbage.
    pub garbage: u64,
}

/// Writes the volume of a snapshot to a new file.
///
/// # Errors
/// [`PublishError`]; the file may be there then and is of no use.
pub async fn write_volume<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    id: &str,
    out: &Path,
    rate: u32,
    monitor: Monitor<'_>,
) -> Result<VolumeFile, PublishError> {
    let snapshot = services.await_snapshot(id).await?;
    if snapshot.state != SnapshotState::Completed {
        let problem = format!("it is {}, and only a completed snapshot can be read", snapshot.state.as_str());
        return Err(PublishError::InconsistentResponse { snapshot: snapshot.id, problem });
    }
    let list = readback::list_blocks(services, id, monitor.cancel).await?;
    let size = list.volume_gib << 30;
    let failed = |source| PublishError::File { path: out.to_owned(), source };
    let file = File::create_new(out).map_err(failed)?;
    file.set_len(size).map_err(failed)?;
    let held: BTreeSet<u64> = list.blocks.iter().map(|block| block.index).collect();
    let (file, path) = (Arc::new(file), out.to_owned());
    let sink = Arc::clone(&file);
    let take = move |read: RequestedBlock| {
        let fetched = read.bytes?;
        if Block::hashed(fetched.digest) == Block::Zero {
            return Ok(());
        }
        let written = sink.write_all_at(&fetched.bytes, read.index * BLOCK);
        written.map_err(|source| PublishError::File { path: path.clone(), source })
    };
    monitor.progress.begin("reading the snapshot", Some(readback::byte_len(list.blocks.len())));
    let read = readback::read_blocks(services, id, list.blocks, rate, take, monitor).await;
    monitor.progress.end();
    read?;
    let mut garbage = 0;
    if snapshot.encrypted {
        for index in (0..size / BLOCK).filter(|index| !held.contains(index)) {
            file.write_all_at(&garbage_block(id, index), index * BLOCK).map_err(failed)?;
            garbage += 1;
            if monitor.cancel.is_cancelled() {
                return Err(PublishError::Interrupted);
            }
        }
    }
    Ok(VolumeFile { size, held: held.len() as u64, garbage })
}

/// What a block reads as that was never written: words that follow from the snapshot and the place, no two of a block
/// the same.
fn garbage_block(id: &str, index: u64) -> Vec<u8> {
    let seed = Digest::of(format!("{id}#{index}").as_bytes()).0;
    let mut first = [0; 8];
    first.iter_mut().zip(seed).for_each(|(to, from)| *to = from);
    let first = u64::from_le_bytes(first);
    // An odd factor permutes the words, so a counter gives each of them once.
    let value = |at: u64| first.wrapping_add(at).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..BLOCK / 8).flat_map(|at| value(at).to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_a_block_long_follows_from_its_place_and_is_not_zero() {
        let one = garbage_block("snap-1", 7);
        assert_eq!(one.len() as u64, BLOCK);
        assert_eq!(one, garbage_block("snap-1", 7));
        assert_ne!(one, garbage_block("snap-1", 8));
        assert!(one.chunks(8).filter(|value| value.iter().all(|byte| *byte == 0)).count() <= 1);
    }
}
