//! Answers: their type, their bodies, and how they are made.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

/// An answer.
pub(crate) type Response = http::Response<ResponseBody>;

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum ResponseBody {
    /// All of it.
    Full(Bytes),
    /// What comes through a channel, of a known length: for what is too long to be in memory.
    Stream {
        /// Gives the parts in order; an error ends the connection.
        parts: mpsc::Receiver<std::io::Result<Bytes>>,
        /// Bytes still to come.
        remaining: u64,
    },
    /// Less than was promised: the connection breaks after `bytes`.
    Truncated {
        /// What is sent.
        bytes: Bytes,
        /// What the headers promise.
        declared: u64,
    },
}

impl ResponseBody {
    /// The bytes, if they are all here.
    pub(crate) fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Full(bytes) => Some(bytes),
            Self::Stream { .. } | Self::Truncated { .. } => None,
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match self.get_mut() {
            Self::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Stream { parts, remaining } => parts.poll_recv(task).map(|part| {
                let part = part?;
                if let Ok(bytes) = &part {
                    *remaining = remaining.saturating_sub(bytes.len() as u64);
                }
                Some(part.map(Frame::data))
            }),
            Self::Truncated { bytes, .. } if bytes.is_empty() => {
                Poll::Ready(Some(Err(std::io::ErrorKind::UnexpectedEof.into())))
            }
            Self::Truncated { bytes, declared } => {
                *declared = declared.saturating_sub(bytes.len() as u64);
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Full(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream { remaining, .. } => SizeHint::with_exact(*remaining),
            Self::Truncated { declared, .. } => SizeHint::with_exact(*declared),
        }
    }
}

/// An answer with a status, a type of content and a body.
pub(crate) fn new_response(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response {
    let mut response = http::Response::new(ResponseBody::Full(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// An answer with another header. A value that cannot be one is left out.
pub(crate) fn with_header(mut response: Response, name: &'static str, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    response
}
