//! The response to `GetObject` and `HeadObject`: headers, and the content of an object or a range of it, read
//! from its files in chunks.

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

/// The size of a chunk in bytes.
const CHUNK: usize = 256 << 10;
/// The maximum number of chunks that wait to be sent.
const MAX_QUEUED: usize = 4;

/// A requested range of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteRange {
    /// The whole object.
    Whole,
    /// From the first byte to the last, both inclusive.
    Range {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: u64,
    },
}

impl ByteRange {
    /// Parses a `Range` header. An invalid one is ignored; one beyond the end is an error.
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

    /// The first byte and the length.
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

/// The headers and the content of an object.
pub(crate) fn send(call: &S3Call<'_>, object: &StoredObject, range: ByteRange) -> Result<Response, S3Error> {
    let mut response = head(call, object, &range);
    let (first, count) = range.bounds(object.size);
    if count == 0 {
        return Ok(response);
    }
    // The files are opened now, so that a missing body is an error response and not a broken connection.
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

/// A range of a file.
#[derive(Debug)]
pub(crate) struct FileRange {
    path: PathBuf,
    at: u64,
    /// The length in bytes.
    pub(crate) len: u64,
}

impl FileRange {
    /// Opens the file at the first byte.
    pub(crate) fn open(&self) -> std::io::Result<File> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.at))?;
        Ok(file)
    }
}

/// The file ranges of a range of an object.
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

/// Sends a file range through the channel. False if the receiver is closed or reading failed.
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
