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
use crate::http::response::{Response, ResponseBody, with_header};
use crate::state::objects::StoredObject;

/// Bytes of a piece.
const CHUNK: usize = 256 << 10;
/// Pieces that wait to be sent, at most.
const MAX_QUEUED: usize = 4;

/// Which bytes are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteRange {
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

impl ByteRange {
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
pub(crate) fn head(call: &S3Call<'_>, object: &StoredObject, range: &ByteRange) -> Response {
    let status = if *range == ByteRange::Whole { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT };
    let mut response = empty(status);
    for (name, value) in &object.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response = with_header(response, "etag", &object.etag);
    response = with_header(response, "last-modified", &http_date(object.modified.0 / 1000));
    response = with_header(response, "accept-ranges", "bytes");
    let (first, count) = range.bounds(object.size);
    response = with_header(response, "content-length", &count.to_string());
    if let ByteRange::Range { last, .. } = range {
        response = with_header(response, "content-range", &format!("bytes {first}-{last}/{}", object.size));
    }
    if !object.tags.is_empty() {
        response = with_header(response, "x-amz-tagging-count", &object.tags.len().to_string());
    }
    match &object.checksum {
        Some(checksum)
            if call.header("x-amz-checksum-mode") == Some("ENABLED") && *range == ByteRange::Whole =>
        {
            let response = with_header(response, checksum.algorithm.header(), &checksum.value);
            with_header(response, "x-amz-checksum-type", checksum.scope.as_str())
        }
        _ => response,
    }
}

/// The headers and the bytes of an object.
pub(crate) fn send(call: &S3Call<'_>, object: &StoredObject, range: ByteRange) -> Result<Response, S3Error> {
    let mut response = head(call, object, &range);
    let (first, count) = range.bounds(object.size);
    if count == 0 {
        return Ok(response);
    }
    // Opened now, so that a body that is missing is an answer and not a broken connection.
    let opened = file_ranges(call, object, first, count).into_iter().map(|one| Ok((one.open()?, one.len)));
    let opened = opened.collect::<Result<Vec<_>, _>>().map_err(S3Error::io("read the body"))?;
    let (sender, parts) = mpsc::channel(MAX_QUEUED);
    tokio::task::spawn_blocking(move || {
        for (file, len) in opened {
            if !send_file(file, len, &sender) {
                return;
            }
        }
    });
    *response.body_mut() = ResponseBody::Stream { parts, remaining: count };
    Ok(response)
}

/// Bytes that stand together in a file.
#[derive(Debug)]
pub(crate) struct FileRange {
    path: PathBuf,
    at: u64,
    /// How many.
    pub(crate) len: u64,
}

impl FileRange {
    /// The file, at the first byte.
    pub(crate) fn open(&self) -> std::io::Result<File> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.at))?;
        Ok(file)
    }
}

/// Where the bytes of a range stand.
pub(crate) fn file_ranges(
    call: &S3Call<'_>,
    object: &StoredObject,
    first: u64,
    count: u64,
) -> Vec<FileRange> {
    let (mut skip, mut left, mut files) = (first, count, Vec::new());
    for segment in &object.segments {
        if skip >= segment.size {
            skip -= segment.size;
            continue;
        }
        let len = (segment.size - skip).min(left);
        if len > 0 {
            files.push(FileRange { path: call.region.object_store.body(segment), at: skip, len });
        }
        skip = 0;
        left -= len;
    }
    files
}

/// Sends a part of a file. False when nobody wants more.
fn send_file(mut file: File, mut left: u64, sender: &mpsc::Sender<std::io::Result<Bytes>>) -> bool {
    while left > 0 {
        let mut chunk = vec![0; CHUNK.min(usize::try_from(left).unwrap_or(CHUNK))];
        let read = file.read_exact(&mut chunk);
        left -= chunk.len() as u64;
        let failed = read.is_err();
        if sender.blocking_send(read.map(|()| chunk.into())).is_err() || failed {
            return false;
        }
    }
    true
}

/// `Sat, 21 Nov 2026 12:00:00 GMT` (RFC 9110, 5.6.7).
pub(crate) fn http_date(seconds: u64) -> String {
    let iso = crate::clock::Timestamp(seconds * 1000).iso();
    let day = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(seconds / 86_400 % 7) as usize];
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = iso[5..7].parse::<usize>().map_or("Jan", |month| months[month - 1]);
    format!("{day}, {} {month} {} {} GMT", &iso[8..10], &iso[..4], &iso[11..19])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_rfc_9110() {
        let range = |first, last| ByteRange::Range { first, last };
        for (header, range) in [
            (None, Ok(ByteRange::Whole)),
            (Some("bytes=0-0"), Ok(range(0, 0))),
            (Some("bytes=5-"), Ok(range(5, 9))),
            (Some("bytes=5-100"), Ok(range(5, 9))),
            (Some("bytes=-3"), Ok(range(7, 9))),
            (Some("bytes=-30"), Ok(range(0, 9))),
            (Some("bytes=9-5"), Ok(ByteRange::Whole)),
            (Some("lines=1-2"), Ok(ByteRange::Whole)),
            (Some("bytes=10-"), Err("InvalidRange")),
            (Some("bytes=-0"), Err("InvalidRange")),
        ] {
            assert_eq!(ByteRange::read(header, 10).map_err(|error| error.code), range, "{header:?}");
        }
        assert_eq!(ByteRange::read(Some("bytes=-1"), 0).map_err(|error| error.code), Err("InvalidRange"));
    }

    #[test]
    fn dates_of_headers() {
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
