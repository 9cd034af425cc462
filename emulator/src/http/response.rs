//! Answers: their type, their bodies, and how they are made.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

/// An answer.
pub(crate) type Response = http::Response<ReplyBody>;

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    /// All of it.
    Whole(Bytes),
    /// What comes through a channel, of a known length: for what is too long to be in memory.
    Piped {
        /// Gives the parts in order; an error ends the connection.
        parts: mpsc::Receiver<std::io::Result<Bytes>>,
        /// Bytes still to come.
        left: u64,
    },
    /// Less than was promised: the connection breaks after `bytes`.
    Short {
        /// What is sent.
        bytes: Bytes,
        /// What the headers promise.
        promised: u64,
    },
}

impl ReplyBody {
    /// The bytes, if they are all here.
    pub(crate) fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Whole(bytes) => Some(bytes),
            Self::Piped { .. } | Self::Short { .. } => None,
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Piped { parts, left } => parts.poll_recv(task).map(|part| {
                let part = part?;
                if let Ok(bytes) = &part {
                    *left = left.saturating_sub(bytes.len() as u64);
                }
                Some(part.map(Frame::data))
            }),
            Self::Short { bytes, .. } if bytes.is_empty() => {
                Poll::Ready(Some(Err(std::io::ErrorKind::UnexpectedEof.into())))
            }
            Self::Short { bytes, promised } => {
                *promised = promised.saturating_sub(bytes.len() as u64);
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Piped { left, .. } => SizeHint::with_exact(*left),
            Self::Short { promised, .. } => SizeHint::with_exact(*promised),
        }
    }
}

/// An answer with a status, a type of content and a body.
pub(crate) fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = http::Response::new(ReplyBody::Whole(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// An answer with another header. A value that cannot be one is left out.
pub(crate) fn with(mut response: Response, name: &'static str, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    response
}
