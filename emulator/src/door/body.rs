//! Bodies of requests, read whole: into one buffer, and digested while they come in. Buffers of blocks are used again.

use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use sha2::{Digest as _, Sha256};

use crate::locks::lock;
use crate::state::blocks::BLOCK;
use crate::state::digest::Digest;

/// No service but S3 takes more; what comes after is read but not kept.
const LONGEST: usize = 4 << 20;
/// Buffers that are kept while nobody uses them. A new one costs as many page faults as it has pages.
const KEPT: usize = 16;

/// Buffers of a block's length.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    fn take(self: &Arc<Self>) -> Buffer {
        let bytes = lock(&self.0).pop().unwrap_or_else(|| Vec::with_capacity(BLOCK));
        Buffer { bytes, home: Arc::clone(self) }
    }
}

/// A buffer that goes back when it is dropped.
struct Buffer {
    bytes: Vec<u8>,
    home: Arc<Buffers>,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut kept = lock(&self.home.0);
        if kept.len() < KEPT {
            self.bytes.clear();
            kept.push(std::mem::take(&mut self.bytes));
        }
    }
}

/// Reads a body whole. Its digest is taken while its bytes are still in the processor's caches.
pub(crate) async fn whole(
    mut body: Incoming,
    buffers: &Arc<Buffers>,
) -> Result<(Bytes, Digest), hyper::Error> {
    let mut digest = Sha256::new();
    let expected = body.size_hint().exact();
    if expected == Some(BLOCK as u64) {
        let mut buffer = buffers.take();
        while let Some(frame) = body.frame().await {
            let Ok(part) = frame?.into_data() else { continue };
            digest.update(&part);
            buffer.bytes.extend_from_slice(&part);
        }
        return Ok((Bytes::from_owner(buffer), Digest(digest.finalize().into())));
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(part) = frame?.into_data() else { continue };
        if bytes.len() + part.len() <= LONGEST {
            digest.update(&part);
            bytes.extend_from_slice(&part);
        }
    }
    Ok((bytes.freeze(), Digest(digest.finalize().into())))
}
