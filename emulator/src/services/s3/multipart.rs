//! Multipart uploads: create, upload parts, complete, abort, list.

use http::StatusCode;
use md5::{Digest as _, Md5};

use super::call::S3Call;
use super::checksum::{RunningChecksum, composite};
use super::errors::S3Error;
use super::object::store_object;
use super::upload_body::{self, hex};
use super::xml_reader::XmlElement;
use super::{NAMESPACE, empty, xml};
use crate::http::body::RequestBody;
use crate::http::response::{Response, with_header};
use crate::ids;
use crate::services::xml::Xml;
use crate::state::checksum::{Algorithm, Checksum, ChecksumScope};
use crate::state::objects::{MultipartUpload, ObjectSegment, StoredObject, UploadedPart, object_name};

/// The maximum part number.
const MAX_PART: u64 = 10_000;
/// The minimum size in bytes of every part but the last.
const MIN_PART: u64 = 5 << 20;

/// `CreateMultipartUpload`.
pub(crate) fn create(call: &S3Call<'_>, bucket: &str, key: &str) -> Result<Response, S3Error> {
    call.bucket(bucket)?;
    let unknown =
        |name: &str| S3Error::argument(format!("Checksum algorithm provided is unsupported: {name}"));
    let name = call.header("x-amz-checksum-algorithm");
    let algorithm = name.map(|name| Algorithm::named(name).ok_or_else(|| unknown(name))).transpose()?;
    let scope = match call.header("x-amz-checksum-type") {
        Some("FULL_OBJECT") => Some(ChecksumScope::FullObject),
        Some("COMPOSITE") => Some(ChecksumScope::Composite),
        _ => None,
    };
    let checksum = algorithm.map(|algorithm| (algorithm, scope.unwrap_or(algorithm.scope_of_parts())));
    let upload = MultipartUpload {
        key: key.to_owned(),
        begun: call.now,
        headers: call.stored_headers(),
        tags: call.request_tags()?,
        checksum,
        parts: std::collections::BTreeMap::new(),
    };
    let id = ids::uuid().replace('-', "");
    call.region.object_store.uploads.put(&object_name(bucket, &id), upload)?;
    let mut response = xml(Xml::document("InitiateMultipartUploadResult", NAMESPACE, |xml| {
        xml.value("Bucket", bucket);
        xml.value("Key", key);
        xml.value("UploadId", id);
    }));
    if let Some((algorithm, scope)) = checksum {
        response = with_header(response, "x-amz-checksum-algorithm", algorithm.as_str());
        response = with_header(response, "x-amz-checksum-type", scope.as_str());
    }
    Ok(response)
}

fn upload_id<'c>(call: &'c S3Call<'_>) -> Result<&'c str, S3Error> {
    call.query("uploadId").ok_or_else(S3Error::no_upload)
}

/// The upload of a request, and its table key.
pub(crate) fn find(
    call: &S3Call<'_>,
    bucket: &str,
    key: &str,
) -> Result<(String, std::sync::Arc<MultipartUpload>), S3Error> {
    call.bucket(bucket)?;
    let name = object_name(bucket, upload_id(call)?);
    let upload = call.region.object_store.uploads.find(&name).filter(|upload| upload.key == key);
    upload.map(|upload| (name, upload)).ok_or_else(S3Error::no_upload)
}

/// The part number of a request.
pub(crate) fn part_number(call: &S3Call<'_>) -> Result<u32, S3Error> {
    let number = call.number("partNumber")?.filter(|number| (1..=MAX_PART).contains(number));
    let message = "Part number must be an integer between 1 and 10000, inclusive";
    number.and_then(|number| u32::try_from(number).ok()).ok_or_else(|| S3Error::argument(message))
}

/// `UploadPart`.
pub(crate) async fn put(
    call: &S3Call<'_>,
    bucket: &str,
    key: &str,
    body: RequestBody,
) -> Result<Response, S3Error> {
    let (name, upload) = find(call, bucket, key)?;
    let number = part_number(call)?;
    let received = upload_body::receive(call, body).await?;
    let expected = upload.checksum.map(|(algorithm, _)| algorithm);
    if received.was_sent && expected.is_some_and(|expected| expected != received.checksum.0) {
        call.region.object_store.remove_bodies(&[received.segment])?;
        let message = format!(
            "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
            expected.map_or("", Algorithm::as_str),
            received.checksum.0.as_str()
        );
        return Err(S3Error::new(400, "InvalidRequest", message));
    }
    let response = with_header(empty(StatusCode::OK), "etag", &received.etag);
    let response = with_header(response, received.checksum.0.header(), &received.checksum.1);
    let checksum = Some(received.checksum);
    let part = UploadedPart { segment: received.segment, etag: received.etag, checksum, modified: call.now };
    put_part(call, &name, number, part)?;
    Ok(response)
}

/// Adds a part to an upload, replacing the one with the same number.
pub(crate) fn put_part(
    call: &S3Call<'_>,
    name: &str,
    number: u32,
    part: UploadedPart,
) -> Result<(), S3Error> {
    let segment = part.segment.clone();
    let old = call
        .region
        .object_store
        .uploads
        .edit(name, |upload| Ok::<_, S3Error>(upload.parts.insert(number, part)))?;
    match old {
        // The upload was aborted or completed meanwhile.
        None => {
            call.region.object_store.remove_bodies(&[segment])?;
            Err(S3Error::no_upload())
        }
        Some(Some(old)) => Ok(call.region.object_store.remove_bodies(&[old.segment])?),
        Some(None) => Ok(()),
    }
}

/// `CompleteMultipartUpload`.
pub(crate) fn complete(
    call: &S3Call<'_>,
    bucket: &str,
    key: &str,
    document: &str,
) -> Result<Response, S3Error> {
    let (name, upload) = find(call, bucket, key)?;
    let selected_parts = select_parts(&upload, &XmlElement::read(document)?)?;
    let checksum = checksum(call, &upload, &selected_parts)?;
    let mut md5 = Md5::new();
    for part in &selected_parts {
        let digits = part.etag.trim_matches('"').as_bytes();
        let bytes =
            digits.chunks(2).filter_map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        md5.update(bytes.collect::<Vec<u8>>());
    }
    let object = StoredObject {
        size: selected_parts.iter().map(|part| part.segment.size).sum(),
        etag: format!("\"{}-{}\"", hex(&md5.finalize()), selected_parts.len()),
        modified: call.now,
        segments: selected_parts.iter().map(|part| part.segment.clone()).collect(),
        headers: upload.headers.clone(),
        checksum: Some(checksum),
        tags: upload.tags.clone(),
    };
    let used = object.segments.clone();
    // The upload record is removed first: a concurrent completion must not find parts that belong to the
    // object.
    call.region.object_store.uploads.remove(&name)?.ok_or_else(S3Error::no_upload)?;
    let etag = object.etag.clone();
    store_object(call, bucket, key, object)?;
    let unused: Vec<ObjectSegment> = upload
        .parts
        .values()
        .map(|part| part.segment.clone())
        .filter(|segment| !used.contains(segment))
        .collect();
    call.region.object_store.remove_bodies(&unused)?;
    Ok(xml(Xml::document("CompleteMultipartUploadResult", NAMESPACE, |xml| {
        xml.value("Location", format!("/{bucket}/{key}"));
        xml.value("Bucket", bucket);
        xml.value("Key", key);
        xml.value("ETag", etag);
    })))
}

/// The parts of a completion document, in order.
fn select_parts(upload: &MultipartUpload, document: &XmlElement) -> Result<Vec<UploadedPart>, S3Error> {
    let (mut parts, mut last) = (Vec::<UploadedPart>::new(), 0_u32);
    for element in document.all("Part") {
        let number = element.text_of("PartNumber").and_then(|number| number.parse::<u32>().ok());
        let (Some(number), Some(etag)) = (number, element.text_of("ETag")) else {
            return Err(S3Error::malformed_xml());
        };
        if number <= last {
            let message =
                "The list of parts was not in ascending order. Parts must be ordered by part number.";
            return Err(S3Error::new(400, "InvalidPartOrder", message));
        }
        last = number;
        let part = upload.parts.get(&number);
        let part = part.filter(|part| part.etag.trim_matches('"') == etag.trim_matches('"'));
        let agrees = |part: &&UploadedPart| {
            let Some((algorithm, value)) = &part.checksum else { return true };
            element.text_of(&algorithm.element()).is_none_or(|declared| declared == value)
        };
        let part = part.filter(agrees).ok_or_else(|| {
            let message = "One or more of the specified parts could not be found. The part may not have been \
                           uploaded, or the specified entity tag may not match the part's entity tag.";
            S3Error::new(400, "InvalidPart", message)
        })?;
        parts.push(part.clone());
    }
    let Some((_, before)) = parts.split_last() else { return Err(S3Error::malformed_xml()) };
    if before.iter().any(|part| part.segment.size < MIN_PART) {
        let message = "Your proposed upload is smaller than the minimum allowed size";
        return Err(S3Error::new(400, "EntityTooSmall", message));
    }
    Ok(parts)
}

/// The checksum of the object.
fn checksum(
    call: &S3Call<'_>,
    upload: &MultipartUpload,
    parts: &[UploadedPart],
) -> Result<Checksum, S3Error> {
    let (algorithm, scope) = upload.checksum.unwrap_or((Algorithm::Crc64Nvme, ChecksumScope::FullObject));
    let sums: Option<Vec<String>> = parts
        .iter()
        .map(|part| {
            part.checksum.as_ref().filter(|(other, _)| *other == algorithm).map(|(_, value)| value.clone())
        })
        .collect();
    if scope == ChecksumScope::Composite {
        let value = sums.and_then(|sums| composite(algorithm, &sums));
        let missing = || {
            S3Error::new(400, "InvalidRequest", "The upload was created with a checksum that a part lacks")
        };
        return Ok(Checksum { algorithm, value: value.ok_or_else(missing)?, scope });
    }
    let mut sum = RunningChecksum::new(algorithm);
    for part in parts {
        read_into(&call.region.object_store.body(&part.segment), &mut sum)
            .map_err(S3Error::io("read a part"))?;
    }
    let value = sum.finish();
    match call.header(algorithm.header()) {
        Some(declared) if declared != value => {
            let message =
                format!("The {} you specified did not match the calculated checksum.", algorithm.as_str());
            Err(S3Error::new(400, "BadDigest", message))
        }
        _ => Ok(Checksum { algorithm, value, scope }),
    }
}

fn read_into(path: &std::path::Path, sum: &mut RunningChecksum) -> std::io::Result<()> {
    let mut file = std::fs::File::open(path)?;
    let mut chunk = vec![0; 1 << 20];
    loop {
        let read = std::io::Read::read(&mut file, &mut chunk)?;
        if read == 0 {
            return Ok(());
        }
        sum.update(&chunk[..read]);
    }
}

/// `AbortMultipartUpload`.
pub(crate) fn abort(call: &S3Call<'_>, bucket: &str, key: &str) -> Result<Response, S3Error> {
    let (name, _) = find(call, bucket, key)?;
    let upload = call.region.object_store.uploads.remove(&name)?.ok_or_else(S3Error::no_upload)?;
    let segments: Vec<ObjectSegment> = upload.parts.values().map(|part| part.segment.clone()).collect();
    call.region.object_store.remove_bodies(&segments)?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// `ListParts`.
pub(crate) fn parts(call: &S3Call<'_>, bucket: &str, key: &str) -> Result<Response, S3Error> {
    let (_, upload) = find(call, bucket, key)?;
    let after = call.number("part-number-marker")?.unwrap_or(0);
    let max = call.number("max-parts")?.unwrap_or(1000).min(1000) as usize;
    let rest = upload.parts.iter().filter(|(number, _)| u64::from(**number) > after);
    let rest: Vec<_> = rest.collect();
    let truncated = rest.len() > max;
    let page = &rest[..rest.len().min(max)];
    Ok(xml(Xml::document("ListPartsResult", NAMESPACE, |xml| {
        xml.value("Bucket", bucket);
        xml.value("Key", key);
        xml.value("UploadId", upload_id(call).unwrap_or_default());
        xml.value("PartNumberMarker", after);
        xml.optional("NextPartNumberMarker", page.last().map(|(number, _)| number));
        xml.value("MaxParts", max);
        xml.value("IsTruncated", truncated);
        for (number, part) in page {
            xml.element("Part", |xml| {
                xml.value("PartNumber", number);
                xml.value("LastModified", part.modified.iso());
                xml.value("ETag", &part.etag);
                xml.value("Size", part.segment.size);
                if let Some((algorithm, value)) = &part.checksum {
                    xml.value(&algorithm.element(), value);
                }
            });
        }
    })))
}

/// `ListMultipartUploads`.
pub(crate) fn list(call: &S3Call<'_>, bucket: &str) -> Result<Response, S3Error> {
    call.bucket(bucket)?;
    let (begin, prefix) = (object_name(bucket, ""), call.query("prefix").unwrap_or_default());
    let all = call.region.object_store.uploads.all().into_iter();
    let own = all.filter_map(|(name, upload)| Some((name.strip_prefix(&begin)?.to_owned(), upload)));
    let mut own: Vec<_> = own.filter(|(_, upload)| upload.key.starts_with(prefix)).collect();
    own.sort_by(|a, b| (&a.1.key, a.1.begun).cmp(&(&b.1.key, b.1.begun)));
    Ok(xml(Xml::document("ListMultipartUploadsResult", NAMESPACE, |xml| {
        xml.value("Bucket", bucket);
        xml.value("Prefix", prefix);
        xml.value("IsTruncated", false);
        for (id, upload) in own {
            xml.element("Upload", |xml| {
                xml.value("UploadId", id);
                xml.value("Key", &upload.key);
                xml.value("Initiated", upload.begun.iso());
                xml.value("StorageClass", "STANDARD");
            });
        }
    })))
}
