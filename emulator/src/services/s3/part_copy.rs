//! `UploadPartCopy`: a part copied from an existing object, which `aws s3 cp` uses for large objects.

use std::fs::File;
use std::io::{BufReader, Read as _, Write as _};

use md5::{Digest as _, Md5};

use super::NAMESPACE;
use super::call::S3Call;
use super::checksum::RunningChecksum;
use super::errors::S3Error;
use super::multipart;
use super::object;
use super::response_body::{self, ByteRange};
use super::upload_body::hex;
use crate::http::response::Response;
use crate::services::xml::Xml;
use crate::state::checksum::Algorithm;
use crate::state::objects::{ObjectSegment, UploadedPart};

/// The number of bytes copied at a time.
const CHUNK: usize = 1 << 20;

/// `UploadPartCopy`.
pub(crate) fn copy(call: &S3Call<'_>, bucket: &str, key: &str, from: &str) -> Result<Response, S3Error> {
    let (name, upload) = multipart::find(call, bucket, key)?;
    let number = multipart::part_number(call)?;
    let (_, source) = object::source(call, from)?;
    let range = ByteRange::read(call.header("x-amz-copy-source-range"), source.size)?;
    let (first, count) = range.bounds(source.size);
    let algorithm = upload.checksum.map_or(Algorithm::Crc64Nvme, |(algorithm, _)| algorithm);
    let part = copied(call, &response_body::file_ranges(call, &source, first, count), algorithm)?;
    let etag = part.etag.clone();
    multipart::put_part(call, &name, number, part)?;
    Ok(super::xml(Xml::document("CopyPartResult", NAMESPACE, |xml| {
        xml.value("ETag", etag);
        xml.value("LastModified", call.now.iso());
    })))
}

/// Creates a part from the content of file ranges.
fn copied(
    call: &S3Call<'_>,
    files: &[response_body::FileRange],
    algorithm: Algorithm,
) -> Result<UploadedPart, S3Error> {
    let (file, path) = call.new_body()?;
    let mut sink = File::create_new(path).map_err(S3Error::io("make a file for the body"))?;
    let (mut md5, mut sum, mut size) = (Md5::new(), RunningChecksum::new(algorithm), 0);
    let mut chunk = vec![0; CHUNK];
    for range in files {
        let mut source = BufReader::new(range.open().map_err(S3Error::io("read a body"))?).take(range.len);
        loop {
            let read = source.read(&mut chunk).map_err(S3Error::io("read a body"))?;
            if read == 0 {
                break;
            }
            sink.write_all(&chunk[..read]).map_err(S3Error::io("write the body"))?;
            md5.update(&chunk[..read]);
            sum.update(&chunk[..read]);
            size += read as u64;
        }
    }
    let etag = format!("\"{}\"", hex(&md5.finalize()));
    let checksum = Some((algorithm, sum.finish()));
    Ok(UploadedPart { segment: ObjectSegment { file, size }, etag, checksum, modified: call.now })
}
