//! Bodies of requests: how they arrive, within a limit of time, and how they are read whole: into one buffer, and
//! digested while they come in. Buffers of blocks are used again.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use sha2::{Digest as _, Sha256};
use tokio::time::{Sleep, sleep};

use crate::digest::Sha256Digest;
use crate::sync::lock;

/// No service but S3 takes more; what comes after is read but not kept.
const MAX_BODY: usize = 4 << 20;
/// Of a longer body no more is read: the connection is closed.
const MAX_DRAINED: u64 = 64 << 20;
/// Buffers that are kept while nobody uses them. A new one costs as many page faults as it has pages.
const MAX_UNUSED: usize = 16;

/// Buffers of a block's length.
#[derive(Debug)]
pub(crate) struct BufferPool {
    size: usize,
    unused: Mutex<Vec<Vec<u8>>>,
}

impl BufferPool {
    /// No buffers yet; each will hold `size` bytes.
    pub(crate) fn new(size: usize) -> Self {
        Self { size, unused: Mutex::default() }
    }

    fn take(self: &Arc<Self>) -> PooledBuffer {
        let bytes = lock(&self.unused).pop().unwrap_or_else(|| Vec::with_capacity(self.size));
        PooledBuffer { bytes, pool: Arc::clone(self) }
    }
}

/// A buffer that goes back when it is dropped.
struct PooledBuffer {
    bytes: Vec<u8>,
    pool: Arc<BufferPool>,
}

impl AsRef<[u8]> for PooledBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        let mut unused = lock(&self.pool.unused);
        if unused.len() < MAX_UNUSED {
            self.bytes.clear();
            unused.push(std::mem::take(&mut self.bytes));
        }
    }
}

/// When something last came of a request.
#[derive(Debug)]
pub(crate) struct ActivityTimer(Mutex<Instant>);

impl ActivityTimer {
    /// A request whose head has just come.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Instant::now())))
    }

    fn reset(&self) {
        *lock(&self.0) = Instant::now();
    }

    /// Counts the time that a request is held up on purpose as none.
    pub(crate) fn extend(&self, time: Duration) {
        *lock(&self.0) = Instant::now() + time;
    }

    /// Waits until nothing has come for so long.
    pub(crate) async fn expired(&self, limit: Duration) {
        loop {
            let remaining = limit.saturating_sub(lock(&self.0).elapsed());
            if remaining.is_zero() {
                return;
            }
            sleep(remaining).await;
        }
    }
}

/// Why a body did not arrive whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The client went away, or what it sent is no HTTP.
    #[error("the request did not arrive whole")]
    Interrupted(#[source] hyper::Error),
    /// Nothing came for too long.
    #[error("nothing of the request came for {0:?}")]
    TimedOut(Duration),
    /// No service takes so much.
    #[error("the request is longer than {MAX_DRAINED} bytes")]
    TooLong,
}

/// A body that arrives. Each part has to come within a limit of time; trailers of HTTP are passed over.
#[derive(Debug)]
pub(crate) struct RequestBody {
    body: Incoming,
    pulse: Arc<ActivityTimer>,
    limit: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    /// A body of a request with a pulse, whose parts may be as far apart as `limit`.
    pub(crate) fn new(body: Incoming, pulse: Arc<ActivityTimer>, limit: Duration) -> Self {
        Self { body, pulse, limit, deadline: None }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(task) else { break };
            self.deadline = None;
            self.pulse.reset();
            match frame {
                Some(Ok(frame)) if !frame.is_data() => {}
                other => return Poll::Ready(other.map(|frame| frame.map_err(BodyError::Interrupted))),
            }
        }
        let limit = self.limit;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(limit)));
        deadline.as_mut().poll(task).map(|()| Some(Err(BodyError::TimedOut(limit))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Reads a body whole. Its digest is taken while its bytes are still in the processor's caches.
pub(crate) async fn read_whole(
    mut body: RequestBody,
    buffers: &Arc<BufferPool>,
) -> Result<(Bytes, Sha256Digest), BodyError> {
    let mut digest = Sha256::new();
    let expected = body.size_hint().exact();
    if expected == Some(buffers.size as u64) {
        let mut buffer = buffers.take();
        while let Some(frame) = body.frame().await {
            let Ok(part) = frame?.into_data() else { continue };
            digest.update(&part);
            buffer.bytes.extend_from_slice(&part);
        }
        return Ok((Bytes::from_owner(buffer), Sha256Digest(digest.finalize().into())));
    }
    let mut bytes = BytesMut::new();
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let Ok(part) = frame?.into_data() else { continue };
        read += part.len() as u64;
        if read > MAX_DRAINED {
            return Err(BodyError::TooLong);
        }
        if bytes.len() + part.len() <= MAX_BODY {
            digest.update(&part);
            bytes.extend_from_slice(&part);
        }
    }
    Ok((bytes.freeze(), Sha256Digest(digest.finalize().into())))
}
