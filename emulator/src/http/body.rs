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

use crate::digest::BlockDigest;
use crate::sync::lock;

/// No service but S3 takes more; what comes after is read but not kept.
const LONGEST: usize = 4 << 20;
/// Of a longer body no more is read: the connection is closed.
const LONGEST_READ: u64 = 64 << 20;
/// Buffers that are kept while nobody uses them. A new one costs as many page faults as it has pages.
const KEPT: usize = 16;

/// Buffers of a block's length.
#[derive(Debug)]
pub(crate) struct Buffers {
    size: usize,
    unused: Mutex<Vec<Vec<u8>>>,
}

impl Buffers {
    /// No buffers yet; each will hold `size` bytes.
    pub(crate) fn new(size: usize) -> Self {
        Self { size, unused: Mutex::default() }
    }

    fn take(self: &Arc<Self>) -> Buffer {
        let bytes = lock(&self.unused).pop().unwrap_or_else(|| Vec::with_capacity(self.size));
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
        let mut kept = lock(&self.home.unused);
        if kept.len() < KEPT {
            self.bytes.clear();
            kept.push(std::mem::take(&mut self.bytes));
        }
    }
}

/// When something last came of a request.
#[derive(Debug)]
pub(crate) struct Pulse(Mutex<Instant>);

impl Pulse {
    /// A request whose head has just come.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Instant::now())))
    }

    fn beat(&self) {
        *lock(&self.0) = Instant::now();
    }

    /// Counts the time that a request is held up on purpose as none.
    pub(crate) fn hold(&self, time: Duration) {
        *lock(&self.0) = Instant::now() + time;
    }

    /// Waits until nothing has come for so long.
    pub(crate) async fn stopped(&self, limit: Duration) {
        loop {
            let still = limit.saturating_sub(lock(&self.0).elapsed());
            if still.is_zero() {
                return;
            }
            sleep(still).await;
        }
    }
}

/// Why a body did not arrive whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    /// The client went away, or what it sent is no HTTP.
    #[error("the request did not arrive whole")]
    Torn(#[source] hyper::Error),
    /// Nothing came for too long.
    #[error("nothing of the request came for {0:?}")]
    Stalled(Duration),
    /// No service takes so much.
    #[error("the request is longer than {LONGEST_READ} bytes")]
    TooLong,
}

/// A body that arrives. Each part has to come within a limit of time; trailers of HTTP are passed over.
#[derive(Debug)]
pub(crate) struct Arriving {
    body: Incoming,
    pulse: Arc<Pulse>,
    limit: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Arriving {
    /// A body of a request with a pulse, whose parts may be as far apart as `limit`.
    pub(crate) fn new(body: Incoming, pulse: Arc<Pulse>, limit: Duration) -> Self {
        Self { body, pulse, limit, deadline: None }
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = Lost;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Lost>>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(task) else { break };
            self.deadline = None;
            self.pulse.beat();
            match frame {
                Some(Ok(frame)) if !frame.is_data() => {}
                other => return Poll::Ready(other.map(|frame| frame.map_err(Lost::Torn))),
            }
        }
        let limit = self.limit;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(limit)));
        deadline.as_mut().poll(task).map(|()| Some(Err(Lost::Stalled(limit))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Reads a body whole. Its digest is taken while its bytes are still in the processor's caches.
pub(crate) async fn whole(mut body: Arriving, buffers: &Arc<Buffers>) -> Result<(Bytes, BlockDigest), Lost> {
    let mut digest = Sha256::new();
    let expected = body.size_hint().exact();
    if expected == Some(buffers.size as u64) {
        let mut buffer = buffers.take();
        while let Some(frame) = body.frame().await {
            let Ok(part) = frame?.into_data() else { continue };
            digest.update(&part);
            buffer.bytes.extend_from_slice(&part);
        }
        return Ok((Bytes::from_owner(buffer), BlockDigest(digest.finalize().into())));
    }
    let mut bytes = BytesMut::new();
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let Ok(part) = frame?.into_data() else { continue };
        read += part.len() as u64;
        if read > LONGEST_READ {
            return Err(Lost::TooLong);
        }
        if bytes.len() + part.len() <= LONGEST {
            digest.update(&part);
            bytes.extend_from_slice(&part);
        }
    }
    Ok((bytes.freeze(), BlockDigest(digest.finalize().into())))
}
