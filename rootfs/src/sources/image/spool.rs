//! Unpacking: compressed ranges of a disk into an entry of the store, on all processors. Knows no files.

use amiforge_progress::Monitor;
use amiforge_store::EntryWriter;

use super::error::DiskSourceError;
use super::open::OpenDisk;
use crate::sources::SourceError;
use crate::sources::expand::PIECE;

/// Pieces that a thread unpacks while those before are written.
const AHEAD: usize = 4;

/// A piece of the disk: first byte and length.
type DiskPiece = (u64, usize);

/// Writes ranges of the disk, each its first byte and its end, into an entry, one after the other.
///
/// # Errors
/// When the container is damaged, or the store cannot be written.
pub(super) fn spool(
    ranges: &[(u64, u64)],
    disk: &OpenDisk,
    spooling: &mut EntryWriter,
    monitor: Monitor<'_>,
) -> Result<(), SourceError> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let pieces: Vec<DiskPiece> = ranges.iter().flat_map(|range| pieces(*range)).collect();
    let mut ready: Vec<Vec<u8>> = Vec::new();
    for batch in pieces.chunks(workers * AHEAD) {
        let next = std::thread::scope(|scope| {
            let shares = batch.chunks(batch.len().div_ceil(workers).max(1));
            let running: Vec<_> =
                shares.map(|share| scope.spawn(move || unpack(share, disk, monitor))).collect();
            write(&ready, spooling, monitor)?;
            let mut next = Vec::with_capacity(batch.len());
            for thread in running {
                let ended = || std::io::Error::other("a thread that unpacks ended early");
                next.append(&mut thread.join().unwrap_or_else(|_| Err(DiskSourceError::Read(ended())))?);
            }
            Ok::<_, SourceError>(next)
        });
        ready = next?;
    }
    write(&ready, spooling, monitor)
}

/// A range in pieces.
fn pieces((start, end): (u64, u64)) -> impl Iterator<Item = DiskPiece> {
    let piece = move |at| (at, usize::try_from(end - at).unwrap_or(PIECE).min(PIECE));
    (start..end).step_by(PIECE).map(piece)
}

fn unpack(
    pieces: &[DiskPiece],
    disk: &OpenDisk,
    monitor: Monitor<'_>,
) -> Result<Vec<Vec<u8>>, DiskSourceError> {
    let unpack = |(at, len): &DiskPiece| {
        if monitor.cancel.is_cancelled() {
            return Err(DiskSourceError::Interrupted);
        }
        let mut bytes = vec![0; *len];
        disk.reader().read_exact_at(*at, &mut bytes).map_err(DiskSourceError::Read)?;
        Ok(bytes)
    };
    pieces.iter().map(unpack).collect()
}

fn write(ready: &[Vec<u8>], spooling: &mut EntryWriter, monitor: Monitor<'_>) -> Result<(), SourceError> {
    for bytes in ready {
        spooling.write(bytes)?;
        monitor.progress.advance(bytes.len() as u64);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_of_a_range_cover_it() {
        let piece = PIECE as u64;
        assert_eq!(pieces((5, 5)).count(), 0);
        assert_eq!(pieces((5, 6)).collect::<Vec<_>>(), [(5, 1)]);
        let all: Vec<_> = pieces((7, 7 + 2 * piece + 3)).collect();
        assert_eq!(all, [(7, PIECE), (7 + piece, PIECE), (7 + 2 * piece, 3)]);
    }
}
