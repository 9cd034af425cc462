//! Request bodies: received within a time limit, and read whole into one buffer while the digest is computed.
//! Buffers of the size of a block are reused.

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

/// The largest body that a service other than S3 accepts. Later bytes are read and discarded.
const MAX_BODY: usize = 4 << 20;
/// The largest body that is read at all; the connection of a longer one is closed.
const MAX_DRAINED: u64 = 64 << 20;
/// The largest number of unused buffers. A new buffer costs one page fault for each of its pages.
const MAX_UNUSED: usize = 16;

/// A pool of buffers of one size.
#[derive(Debug)]
pub(crate) struct BufferPool {
    size: usize,
    unused: Mutex<Vec<Vec<u8>>>,
}

impl BufferPool {
    /// An empty pool; each buffer will hold `size` bytes.
    pub(crate) fn new(size: usize) -> Self {
        Self { size, unused: Mutex::default() }
    }

    fn take(self: &Arc<Self>) -> PooledBuffer {
        let bytes = lock(&self.unused).pop().unwrap_or_else(|| Vec::with_capacity(self.size));
        PooledBuffer { bytes, pool: Arc::clone(self) }
    }
}

/// A buffer that returns to its pool when it is dropped.
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

/// The time at which the last part of a request arrived.
#[derive(Debug)]
pub(crate) struct ActivityTimer(Mutex<Instant>);

impl ActivityTimer {
    /// A timer for a request whose head has just arrived.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Instant::now())))
    }

    fn reset(&self) {
        *lock(&self.0) = Instant::now();
    }

    /// Extends the time limit by the duration of a scripted delay.
    pub(crate) fn extend(&self, time: Duration) {
        *lock(&self.0) = Instant::now() + time;
    }

    /// Waits until no part has arrived for `limit`.
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

/// A reason why a body is incomplete.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The client closed the connection or violated HTTP.
    #[error("the request is incomplete")]
    Interrupted(#[source] hyper::Error),
    /// No part arrived within this time limit.
    #[error("no part of the request arrived within {0:?}")]
    TimedOut(Duration),
    /// The body is larger than every service accepts.
    #[error("the request is longer than {MAX_DRAINED} bytes")]
    TooLong,
}

/// A request body that is being received. Each part has to arrive within a time limit; HTTP trailers are
/// ignored.
#[derive(Debug)]
pub(crate) struct RequestBody {
    body: Incoming,
    timer: Arc<ActivityTimer>,
    limit: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    /// A body whose parts may be up to `limit` apart. Each part resets `timer`.
    pub(crate) fn new(body: Incoming, timer: Arc<ActivityTimer>, limit: Duration) -> Self {
        Self { body, timer, limit, deadline: None }
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
            self.timer.reset();
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

/// Reads a body to its end. The digest is computed while the bytes are still in the processor's caches.
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
