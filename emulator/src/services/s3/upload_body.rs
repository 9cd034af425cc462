//! Receiving the body of a request into a file or into memory, while its length, digests and checksum are
//! verified.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt as _;
use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::aws_chunked::ChunkDecoder;
use super::call::S3Call;
use super::checksum::RunningChecksum;
use super::errors::S3Error;
use crate::digest::Sha256Digest;
use crate::http::body::{BodyError, RequestBody};
use crate::state::checksum::Algorithm;
use crate::state::objects::ObjectSegment;

/// The maximum size of a document in bytes.
const MAX_DOCUMENT: usize = 2 << 20;
/// The maximum size of a body in bytes.
const MAX_BODY: u64 = 5 << 30;

/// A received body.
pub(crate) struct ReceivedBody {
    /// Its file.
    pub(crate) segment: ObjectSegment,
    /// Its MD5 in hexadecimal with quotation marks.
    pub(crate) etag: String,
    /// The checksum that was sent with it, or the default one.
    pub(crate) checksum: (Algorithm, String),
    /// Whether a checksum was sent with it.
    pub(crate) was_sent: bool,
}

/// The size and digests of a body, computed while it is received.
struct BodyDigests {
    size: u64,
    md5: Md5,
    /// Only computed if the request declares it.
    sha256: Option<Sha256>,
    sum: RunningChecksum,
}

/// The size and digests that a request declares.
struct ExpectedBody {
    algorithm: Algorithm,
    value: Option<String>,
    in_trailer: bool,
    md5: Option<String>,
    sha256: Option<Sha256Digest>,
    size: Option<u64>,
}

/// Receives a body into a new file.
pub(crate) async fn receive(call: &S3Call<'_>, incoming: RequestBody) -> Result<ReceivedBody, S3Error> {
    let (name, path) = call.new_body()?;
    let mut file = File::create_new(&path).map_err(S3Error::io("make a file for the body"))?;
    let write = |bytes: &[u8]| file.write_all(bytes).map_err(S3Error::io("write the body"));
    match read_body(call, incoming, write).await {
        Ok((digests, checksum, was_sent)) => {
            let segment = ObjectSegment { file: name, size: digests.size };
            Ok(ReceivedBody {
                segment,
                etag: format!("\"{}\"", hex(&digests.md5.finalize())),
                checksum,
                was_sent,
            })
        }
        Err(error) => {
            let _ = std::fs::remove_file(&path);
            Err(error)
        }
    }
}

/// Receives a document.
pub(crate) async fn document(call: &S3Call<'_>, incoming: RequestBody) -> Result<String, S3Error> {
    let mut bytes = Vec::new();
    let append = |part: &[u8]| {
        if bytes.len() + part.len() > MAX_DOCUMENT {
            return Err(S3Error::malformed_xml());
        }
        bytes.extend_from_slice(part);
        Ok(())
    };
    read_body(call, incoming, append).await?;
    String::from_utf8(bytes).map_err(|_| S3Error::malformed_xml())
}

async fn read_body(
    call: &S3Call<'_>,
    mut incoming: RequestBody,
    mut sink: impl FnMut(&[u8]) -> Result<(), S3Error>,
) -> Result<(BodyDigests, (Algorithm, String), bool), S3Error> {
    let expected = expected(call)?;
    let mut chunked = chunk_decoder(call);
    let mut digests = BodyDigests {
        size: 0,
        md5: Md5::new(),
        sha256: expected.sha256.map(|_| Sha256::new()),
        sum: RunningChecksum::new(expected.algorithm),
    };
    let mut digest_and_sink = |bytes: &[u8]| {
        digests.take(bytes)?;
        sink(bytes)
    };
    while let Some(frame) = incoming.frame().await {
        let Ok(part) = frame.map_err(body_error)?.into_data() else { continue };
        match &mut chunked {
            Some(chunked) => chunked.feed(&part, &mut digest_and_sink)?,
            None => digest_and_sink(&part)?,
        }
    }
    let trailers = chunked.map_or(Ok(Vec::new()), ChunkDecoder::finish)?;
    let sum = std::mem::replace(&mut digests.sum, RunningChecksum::new(expected.algorithm)).finish();
    expected.check(&digests, &sum, &trailers)?;
    let was_sent = expected.value.is_some() || expected.in_trailer;
    Ok((digests, (expected.algorithm, sum), was_sent))
}

/// The error response for an incomplete body.
#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn body_error(why: BodyError) -> S3Error {
    match why {
        BodyError::TimedOut(_) => S3Error::new(
            400,
            "RequestTimeout",
            "Your socket connection to the server was not read from or written to within the timeout period. Idle \
             connections will be closed.",
        ),
        BodyError::Interrupted(_) | BodyError::TooLong => S3Error::incomplete(),
    }
}

impl BodyDigests {
    fn take(&mut self, bytes: &[u8]) -> Result<(), S3Error> {
        self.size += bytes.len() as u64;
        if self.size > MAX_BODY {
            let message = "Your proposed upload exceeds the maximum allowed size";
            return Err(S3Error::new(400, "EntityTooLarge", message));
        }
        self.md5.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        self.sum.update(bytes);
        Ok(())
    }
}

fn chunk_decoder(call: &S3Call<'_>) -> Option<ChunkDecoder> {
    let name = call.header("x-amz-content-sha256").unwrap_or_default();
    match name {
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Some(ChunkDecoder::new(None)),
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" | "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => {
            Some(ChunkDecoder::new(Some(call.seed.clone())))
        }
        _ => None,
    }
}

fn expected(call: &S3Call<'_>) -> Result<ExpectedBody, S3Error> {
    let trailer = call.header("x-amz-trailer").and_then(Algorithm::of_header);
    let mut sent =
        Algorithm::all().into_iter().filter_map(|one| Some((one, call.header(one.header())?.to_owned())));
    let header = sent.next();
    if sent.next().is_some() || (header.is_some() && trailer.is_some()) {
        let message = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
        return Err(S3Error::new(400, "InvalidRequest", message));
    }
    let algorithm =
        header.as_ref().map(|(algorithm, _)| *algorithm).or(trailer).unwrap_or(Algorithm::Crc64Nvme);
    let size = call
        .header("x-amz-decoded-content-length")
        .map(|text| text.parse().map_err(|_| S3Error::incomplete()));
    Ok(ExpectedBody {
        algorithm,
        value: header.map(|(_, value)| value),
        in_trailer: trailer.is_some(),
        md5: call.header("content-md5").map(str::to_owned),
        sha256: call.header("x-amz-content-sha256").and_then(Sha256Digest::from_hex),
        size: size.transpose()?,
    })
}

impl ExpectedBody {
    fn check(&self, digests: &BodyDigests, sum: &str, trailers: &[(String, String)]) -> Result<(), S3Error> {
        if self.size.is_some_and(|size| size != digests.size) {
            return Err(S3Error::incomplete());
        }
        let sha256 = digests.sha256.clone().map(|sha256| Sha256Digest(sha256.finalize().into()));
        if self.sha256 != sha256 {
            let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
            return Err(S3Error::new(400, "XAmzContentSHA256Mismatch", message));
        }
        if let Some(declared) = &self.md5 {
            let bytes = STANDARD.decode(declared).ok().filter(|bytes| bytes.len() == 16);
            let bytes = bytes.ok_or_else(|| {
                S3Error::new(400, "InvalidDigest", "The Content-MD5 you specified is not valid.")
            })?;
            if bytes.as_slice() != digests.md5.clone().finalize().as_slice() {
                let message = "The Content-MD5 you specified did not match what we received.";
                return Err(S3Error::new(400, "BadDigest", message));
            }
        }
        let name = self.algorithm.header();
        let trailer = trailers.iter().find(|(other, _)| other == name).map(|(_, value)| value);
        if self.in_trailer && trailer.is_none() {
            return Err(S3Error::new(
                400,
                "MalformedTrailerError",
                "The trailing checksum that was announced is missing",
            ));
        }
        match self.value.as_ref().or(trailer) {
            Some(declared) if declared != sum => {
                let name = self.algorithm.as_str();
                let message = format!("The {name} you specified did not match the calculated checksum.");
                Err(S3Error::new(400, "BadDigest", message))
            }
            _ => Ok(()),
        }
    }
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
