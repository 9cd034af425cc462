//! Sends the bytes of an object, all or a range, from its files in pieces; and the headers that tell of them.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use tokio::sync::mpsc;

use super::call::S3Call;
use super::empty;
use super::errors::S3Error;
use crate::http::response::{ReplyBody, Response, with};
use crate::state::objects::StoredObject;

/// Bytes of a piece.
const PIECE: usize = 256 << 10;
/// Pieces that wait to be sent, at most.
const WAITING: usize = 4;

/// Which bytes are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Span {
    /// All of them.
    Whole,
    /// From a first to a last, both inside.
    Range {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
}

impl Span {
    /// Reads a `Range` header. One that cannot be read is passed over; one beyond the end is refused.
    pub(crate) fn read(header: Option<&str>, size: u64) -> Result<Self, S3Error> {
        let Some(range) = header.and_then(|header| header.strip_prefix("bytes=")) else {
            return Ok(Self::Whole);
        };
        let Some((first, last)) = range.split_once('-') else { return Ok(Self::Whole) };
        let beyond = || S3Error::new(416, "InvalidRange", "The requested range is not satisfiable");
        match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(first), _) if first >= size => Err(beyond()),
            (Ok(first), Ok(last)) if last >= first => Ok(Self::Range { first, last: last.min(size - 1) }),
            (Ok(first), Err(_)) if last.is_empty() => Ok(Self::Range { first, last: size - 1 }),
            (Err(_), Ok(0)) if first.is_empty() => Err(beyond()),
            (Err(_), Ok(_)) if first.is_empty() && size == 0 => Err(beyond()),
            (Err(_), Ok(count)) if first.is_empty() => {
                Ok(Self::Range { first: size.saturating_sub(count), last: size - 1 })
            }
            _ => Ok(Self::Whole),
        }
    }

    /// The first byte and how many.
    pub(crate) fn bounds(self, size: u64) -> (u64, u64) {
        match self {
            Self::Whole => (0, size),
            Self::Range { first, last } => (first, last - first + 1),
        }
    }
}

/// The headers of an object.
pub(crate) fn head(call: &S3Call<'_>, object: &StoredObject, span: &Span) -> Response {
    let status = if *span == Span::Whole { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT };
    let mut response = empty(status);
    for (name, value) in &object.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response = with(response, "etag", &object.etag);
    response = with(response, "last-modified", &http_date(object.modified.0 / 1000));
    response = with(response, "accept-ranges", "bytes");
    let (first, count) = span.bounds(object.size);
    response = with(response, "content-length", &count.to_string());
    if let Span::Range { last, .. } = span {
        response = with(response, "content-range", &format!("bytes {first}-{last}/{}", object.size));
    }
    if !object.tags.is_empty() {
        response = with(response, "x-amz-tagging-count", &object.tags.len().to_string());
    }
    match &object.checksum {
        Some(checksum) if call.header("x-amz-checksum-mode") == Some("ENABLED") && *span == Span::Whole => {
            let response = with(response, checksum.algorithm.header(), &checksum.value);
            with(response, "x-amz-checksum-type", checksum.scope.word())
        }
        _ => response,
    }
}

/// The headers and the bytes of an object.
pub(crate) fn send(call: &S3Call<'_>, object: &StoredObject, span: Span) -> Result<Response, S3Error> {
    let mut response = head(call, object, &span);
    let (first, count) = span.bounds(object.size);
    if count == 0 {
        return Ok(response);
    }
    // Opened now, so that a body that is missing is an answer and not a broken connection.
    let opened = files(call, object, first, count).into_iter().map(|one| Ok((one.open()?, one.len)));
    let opened = opened.collect::<Result<Vec<_>, _>>().map_err(S3Error::io("read the body"))?;
    let (sender, parts) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        for (file, len) in opened {
            if !pump(file, len, &sender) {
                return;
            }
        }
    });
    *response.body_mut() = ReplyBody::Piped { parts, left: count };
    Ok(response)
}

/// Bytes that stand together in a file.
#[derive(Debug)]
pub(crate) struct FileSpan {
    path: PathBuf,
    at: u64,
    /// How many.
    pub(crate) len: u64,
}

impl FileSpan {
    /// The file, at the first byte.
    pub(crate) fn open(&self) -> std::io::Result<File> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.at))?;
        Ok(file)
    }
}

/// Where the bytes of a range stand.
pub(crate) fn files(call: &S3Call<'_>, object: &StoredObject, first: u64, count: u64) -> Vec<FileSpan> {
    let (mut skip, mut left, mut files) = (first, count, Vec::new());
    for segment in &object.segments {
        if skip >= segment.size {
            skip -= segment.size;
            continue;
        }
        let len = (segment.size - skip).min(left);
        if len > 0 {
            files.push(FileSpan { path: call.region.object_store.body(segment), at: skip, len });
        }
        skip = 0;
        left -= len;
    }
    files
}

/// Sends a part of a file. False when nobody wants more.
fn pump(mut file: File, mut left: u64, sender: &mpsc::Sender<std::io::Result<Bytes>>) -> bool {
    while left > 0 {
        let mut piece = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
        let read = file.read_exact(&mut piece);
        left -= piece.len() as u64;
        let failed = read.is_err();
        if sender.blocking_send(read.map(|()| piece.into())).is_err() || failed {
            return false;
        }
    }
    true
}

/// `Sat, 21 Nov 2026 12:00:00 GMT` (RFC 9110, 5.6.7).
pub(crate) fn http_date(seconds: u64) -> String {
    let iso = crate::clock::Moment(seconds * 1000).iso();
    let day = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(seconds / 86_400 % 7) as usize];
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = iso[5..7].parse::<usize>().map_or("Jan", |month| months[month - 1]);
    format!("{day}, {} {month} {} {} GMT", &iso[8..10], &iso[..4], &iso[11..19])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_browsers_mean_them() {
        let range = |first, last| Span::Range { first, last };
        for (header, span) in [
            (None, Ok(Span::Whole)),
            (Some("bytes=0-0"), Ok(range(0, 0))),
            (Some("bytes=5-"), Ok(range(5, 9))),
            (Some("bytes=5-100"), Ok(range(5, 9))),
            (Some("bytes=-3"), Ok(range(7, 9))),
            (Some("bytes=-30"), Ok(range(0, 9))),
            (Some("bytes=9-5"), Ok(Span::Whole)),
            (Some("lines=1-2"), Ok(Span::Whole)),
            (Some("bytes=10-"), Err("InvalidRange")),
            (Some("bytes=-0"), Err("InvalidRange")),
        ] {
            assert_eq!(Span::read(header, 10).map_err(|fault| fault.code), span, "{header:?}");
        }
        assert_eq!(Span::read(Some("bytes=-1"), 0).map_err(|fault| fault.code), Err("InvalidRange"));
    }

    #[test]
    fn dates_of_headers() {
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
