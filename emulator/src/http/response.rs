//! Responses: their type, their bodies, and their construction.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

/// A response.
pub(crate) type Response = http::Response<ResponseBody>;

/// The body of a response.
#[derive(Debug)]
pub(crate) enum ResponseBody {
    /// The complete body.
    Full(Bytes),
    /// A body of known length that arrives through a channel, because it is too long for memory.
    Stream {
        /// The parts in order; an error closes the connection.
        parts: mpsc::Receiver<std::io::Result<Bytes>>,
        /// The number of bytes still to arrive.
        remaining: u64,
    },
    /// An incomplete body: the connection is closed after `bytes`.
    Truncated {
        /// The bytes that are sent.
        bytes: Bytes,
        /// The length in the headers.
        declared: u64,
    },
}

impl ResponseBody {
    /// The bytes of a complete body.
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

/// Creates a response from a status, a content type and a body.
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

/// Sets a header. A value that is not valid in a header is ignored.
pub(crate) fn with_header(mut response: Response, name: &'static str, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    response
}
