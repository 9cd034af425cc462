//! Bodies of requests, read whole: into one buffer, and digested while they come in.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use sha2::{Digest as _, Sha256};

use crate::state::digest::Digest;

/// No service but S3 takes more; what comes after is read but not kept.
const LONGEST: usize = 4 << 20;

/// Reads a body whole. Its digest is taken while its bytes are still in the processor's caches.
pub(crate) async fn whole(mut body: Incoming) -> Result<(Bytes, Digest), hyper::Error> {
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(LONGEST).min(LONGEST);
    let mut bytes = BytesMut::with_capacity(expected);
    let mut digest = Sha256::new();
    while let Some(frame) = body.frame().await {
        let Ok(part) = frame?.into_data() else { continue };
        if bytes.len() + part.len() <= LONGEST {
            digest.update(&part);
            bytes.extend_from_slice(&part);
        }
    }
    Ok((bytes.freeze(), Digest(digest.finalize().into())))
}
