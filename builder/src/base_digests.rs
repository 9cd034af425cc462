//! The digests of the file of a base image, all taken while it is imported: of the file, which the recipe pins; of its blocks,
//! by which a build knows a kept disk again; of the contents of the files in it, which bills of materials name. The digest of
//! the file is a chain through every byte and keeps one core busy; the others meanwhile do the rest.

use std::fs::File;
use std::path::Path;

use amiforge_formats::plan::{Claims, Data};
use amiforge_image::image::{self, EmitError, EmitOptions};
use amiforge_progress::{CancelToken, Monitor};
use amiforge_rootfs::sources::image::{ImageDigests, data_ranges};
use amiforge_store::blobs::{Blobs, WholeFile};
use amiforge_store::digests::of_ranges;

/// Takes the digests of a file of `len` bytes; `contents` are ranges in it, each its first byte and its length. Holes are not
/// read.
///
/// # Errors
/// [`EmitError::Read`], [`EmitError::Interrupted`].
pub fn take(
    (file, path, len): (&File, &Path, u64),
    contents: &[(u64, u64)],
    monitor: Monitor<'_>,
) -> Result<ImageDigests, EmitError> {
    let unread = |source| EmitError::Read { offset: 0, source };
    let mut blobs = Blobs::new();
    let source = blobs.add(file.try_clone().map_err(unread)?, path);
    let mut claims = Claims::new(len);
    for range in data_ranges(file, len).map_err(unread)? {
        claims.claim(range.start, range.end - range.start, Data::Slice { source, at: range.start });
    }
    let plan = claims.finish(&Data::Zero).map_err(|error| unread(std::io::Error::other(error)))?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let stop = CancelToken::new();
    let (emitted, taken) = std::thread::scope(|scope| {
        let taken = scope.spawn(|| of_ranges(file, contents, threads.saturating_sub(1), &stop));
        let emitted = image::digest(&plan, &blobs, &EmitOptions { threads: threads.min(2) }, monitor);
        if emitted.is_err() {
            stop.cancel();
        }
        let ended = || Err(std::io::Error::other("the thread that takes digests ended early"));
        (emitted, taken.join().unwrap_or_else(|_| ended()))
    });
    let emitted = emitted?;
    let contents = contents.iter().zip(taken.map_err(unread)?);
    Ok(ImageDigests {
        file: WholeFile { len, sha256: emitted.plain, root: emitted.blocks.merkle_root() },
        contents: contents.map(|((at, len), digests)| (*at, *len, digests)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use amiforge_formats::digest::Digest;

    use super::*;

    #[test]
    fn the_digests_are_those_of_the_bytes_with_holes_as_zeros() {
        let file = tempfile::tempfile().unwrap();
        let len = 5 << 20;
        file.set_len(len + 100).unwrap();
        let bytes: Vec<u8> = (0..200_000_u32).map(|at| (at % 249) as u8).collect();
        file.write_all_at(&bytes, 3 << 20).unwrap();
        file.write_all_at(b"end", len + 97).unwrap();
        let mut whole = vec![0; len as usize + 100];
        file.read_exact_at(&mut whole, 0).unwrap();
        let contents = [(0, 10), (3 << 20, 200_000), (len + 97, 3)];
        let taken = take((&file, Path::new("disk"), len + 100), &contents, Monitor::none()).unwrap();
        assert_eq!(taken.file.sha256, Digest::of(&whole));
        let of = taken.contents.iter().map(|(at, len, digests)| (*at, *len, digests.sha256));
        let expected = [
            (0, 10, Digest::of(&[0; 10])),
            (3 << 20, 200_000, Digest::of(&bytes)),
            (len + 97, 3, Digest::of(b"end")),
        ];
        assert_eq!(of.collect::<Vec<_>>(), expected);
        assert_eq!(taken.file.len, len + 100);
    }
}
