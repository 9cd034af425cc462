//! The one pass over the whole image: its SHA-256, and the digest of every block.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};

use crate::bytes::hex;
use crate::digest::Sha;
use crate::manifest::{BlockRun, Claims, BLOCK};
use crate::report::{Log, Report};
use crate::source::{ByteSource, ReadFailure};

/// Zeros, for what is not read.
static ZEROS: [u8; 65536] = [0; 65536];

/// Whether bytes are zeros.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    let mut chunks = bytes.chunks_exact(16);
    chunks.all(|chunk| chunk.try_into().map_or(true, |chunk| u128::from_ne_bytes(chunk) == 0))
        && bytes.chunks_exact(16).remainder().iter().all(|byte| *byte == 0)
}

/// Digests the image and compares it with the manifest; gives its SHA-256.
pub(crate) fn pass(image: &dyn ByteSource, claims: Option<&Claims>, report: &mut Report) -> Option<Sha> {
    let mut log = report.part("disk.raw", 0);
    if let Some(claims) = claims {
        log.equal(None, "it has another length", claims.size, image.size());
    }
    // A file that was made longer may be so long that it takes hours.
    if claims.is_some_and(|claims| image.size() > claims.size) {
        return None;
    }
    let (whole, blocks) = match digest(image) {
        Ok(digests) => digests,
        Err(failure) => {
            log.unread(&failure);
            return None;
        }
    };
    if let Some(claims) = claims {
        compare(claims, &blocks, &mut log);
        log.equal(None, "it has another SHA-256 than the manifest says", hex(&claims.sha256), hex(&whole));
        report.did(format!("disk.raw: {} blocks and the whole", blocks.len()));
    }
    Some(whole)
}

/// Compares every block, `None` being one of zeros.
fn compare(claims: &Claims, blocks: &[Option<Sha>], log: &mut Log<'_>) {
    let mut actual = blocks.iter().zip(0_u64..);
    let text = |digest: &Option<Sha>| digest.map_or_else(|| String::from("zeros"), |digest| hex(&digest));
    for run in &claims.blocks {
        let (expected, count) = match run {
            BlockRun::Data(digest) => (Some(*digest), 1),
            BlockRun::Empty(count, _) => (None, *count),
        };
        for _ in 0..count {
            let Some((digest, index)) = actual.next() else { return };
            let at = index.saturating_mul(BLOCK);
            log.equal(at, &format!("block {index} differs"), text(&expected), text(digest));
        }
    }
}

/// The length of a block that begins at an offset.
fn block_len(image: &dyn ByteSource, at: u64) -> usize {
    image.size().saturating_sub(at).min(BLOCK) as usize
}

/// The bytes of a block, `None` where it is in a hole.
fn block(image: &dyn ByteSource, at: u64, hole: &mut u64) -> Result<Option<Vec<u8>>, ReadFailure> {
    let len = block_len(image, at);
    if *hole <= at {
        *hole = image.hole_end(at).unwrap_or(at);
    }
    if *hole >= at.saturating_add(len as u64) {
        return Ok(None);
    }
    let mut bytes = alloc::vec![0; len];
    image.read(at, &mut bytes)?;
    Ok((!is_zero(&bytes)).then_some(bytes))
}

/// The digest of a block, the last one filled up with zeros.
fn block_digest(bytes: &[u8]) -> Sha {
    let mut hash = Sha256::new();
    hash.update(bytes);
    zeros(&mut hash, (BLOCK as usize).saturating_sub(bytes.len()));
    hash.finalize().into()
}

/// Hashes so many zeros.
fn zeros(hash: &mut Sha256, count: usize) {
    let mut rest = count;
    while rest > 0 {
        let some = rest.min(ZEROS.len());
        hash.update(ZEROS.get(..some).unwrap_or(&ZEROS));
        rest = rest.saturating_sub(some);
    }
}

/// Hashes all bytes in order; gives every block with data to `each`.
fn walk(image: &dyn ByteSource, mut each: impl FnMut(Option<Vec<u8>>)) -> Result<Sha, ReadFailure> {
    let (mut whole, mut at, mut hole) = (Sha256::new(), 0, 0);
    while at < image.size() {
        let bytes = block(image, at, &mut hole)?;
        if let Some(bytes) = &bytes {
            whole.update(bytes);
        } else {
            zeros(&mut whole, block_len(image, at));
        }
        each(bytes);
        at = at.saturating_add(BLOCK);
    }
    Ok(whole.finalize().into())
}

type Digests = (Sha, Vec<Option<Sha>>);

#[cfg(not(feature = "std"))]
fn digest(image: &dyn ByteSource) -> Result<Digests, ReadFailure> {
    let mut blocks = Vec::new();
    let whole = walk(image, |bytes| blocks.push(bytes.map(|bytes| block_digest(&bytes))))?;
    Ok((whole, blocks))
}

/// The whole is hashed on this thread, the blocks on another, so that both together take as long as one.
#[cfg(feature = "std")]
fn digest(image: &dyn ByteSource) -> Result<Digests, ReadFailure> {
    use std::sync::mpsc::sync_channel;
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel::<Option<Vec<u8>>>(16);
        let worker = scope.spawn(move || {
            receive.iter().map(|bytes| bytes.map(|bytes| block_digest(&bytes))).collect::<Vec<_>>()
        });
        let whole = walk(image, |bytes| {
            // The other end is there until this one is dropped.
            let _ = send.send(bytes);
        });
        drop(send);
        let blocks =
            worker.join().map_err(|_| ReadFailure { offset: 0, reason: String::from("a thread failed") })?;
        Ok((whole?, blocks))
    })
}
