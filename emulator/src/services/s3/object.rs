//! Operations on one object: put, get, head, copy, tag, delete.

use std::sync::Arc;

use http::StatusCode;

use super::address::decode;
use super::call::{S3Call, check_tags};
use super::errors::S3Error;
use super::response_body::{self, ByteRange};
use super::upload_body::{self, ReceivedBody};
use super::xml_reader::XmlElement;
use super::{NAMESPACE, empty, xml};
use crate::http::body::RequestBody;
use crate::http::response::{Response, with_header};
use crate::services::xml::Xml;
use crate::state::checksum::{Checksum, ChecksumScope};
use crate::state::objects::{ObjectSegment, StoredObject, object_name};
use crate::sync;

/// `PutObject`.
pub(crate) async fn put(
    call: &S3Call<'_>,
    bucket: &str,
    key: &str,
    body: RequestBody,
) -> Result<Response, S3Error> {
    call.bucket(bucket)?;
    let tags = call.request_tags()?;
    let received = upload_body::receive(call, body).await?;
    let object = StoredObject {
        size: received.segment.size,
        etag: received.etag.clone(),
        modified: call.now,
        segments: vec![received.segment.clone()],
        headers: call.stored_headers(),
        checksum: Some(Checksum {
            algorithm: received.checksum.0,
            value: received.checksum.1.clone(),
            scope: ChecksumScope::FullObject,
        }),
        tags,
    };
    store_object(call, bucket, key, object)?;
    Ok(put_response(&received))
}

/// Stores an object if the conditions of the request hold, otherwise removes its bodies.
pub(crate) fn store_object(
    call: &S3Call<'_>,
    bucket: &str,
    key: &str,
    object: StoredObject,
) -> Result<(), S3Error> {
    let _guard = sync::lock(&call.region.write_lock);
    let allowed = call.bucket(bucket).and_then(|_| check_write(call, bucket, key));
    if let Err(error) = allowed {
        call.region.object_store.remove_bodies(&object.segments)?;
        return Err(error);
    }
    Ok(call.region.object_store.put(bucket, key, object)?)
}

/// Checks the conditions of a write: `If-None-Match: *` and `If-Match`.
fn check_write(call: &S3Call<'_>, bucket: &str, key: &str) -> Result<(), S3Error> {
    let existing = call.region.object_store.object(bucket, key, call.now);
    let failed = |condition: &str| {
        let message = format!("At least one of the pre-conditions you specified did not hold: {condition}");
        Err(S3Error::new(412, "PreconditionFailed", message))
    };
    if call.header("if-none-match").is_some() && existing.is_some() {
        return failed("If-None-Match");
    }
    match (call.header("if-match"), existing) {
        (Some(_), None) => Err(S3Error::no_key()),
        (Some(etag), Some(object)) if !same_tag(etag, &object.etag) => failed("If-Match"),
        _ => Ok(()),
    }
}

fn same_tag(one: &str, other: &str) -> bool {
    one.trim_matches('"') == other.trim_matches('"')
}

fn put_response(received: &ReceivedBody) -> Response {
    let response = with_header(empty(StatusCode::OK), "etag", &received.etag);
    let (algorithm, value) = &received.checksum;
    with_header(
        with_header(response, algorithm.header(), value),
        "x-amz-checksum-type",
        ChecksumScope::FullObject.as_str(),
    )
}

/// `GetObject`.
pub(crate) fn get(call: &S3Call<'_>, bucket: &str, key: &str) -> Result<Response, S3Error> {
    let object = call.object(bucket, key)?;
    check_read(call, &object)?;
    let range = ByteRange::read(call.header("range"), object.size)?;
    response_body::send(call, &object, range)
}

/// `HeadObject`.
pub(crate) fn head(call: &S3Call<'_>, bucket: &str, key: &str) -> Result<Response, S3Error> {
    let object = call.object(bucket, key)?;
    check_read(call, &object)?;
    let range = ByteRange::read(call.header("range"), object.size)?;
    Ok(response_body::head(call, &object, &range))
}

/// Checks the conditions of a read: `If-Match` and `If-None-Match`.
fn check_read(call: &S3Call<'_>, object: &StoredObject) -> Result<(), S3Error> {
    if call.header("if-match").is_some_and(|tag| !same_tag(tag, &object.etag)) {
        let message = "At least one of the pre-conditions you specified did not hold: If-Match";
        return Err(S3Error::new(412, "PreconditionFailed", message));
    }
    if call.header("if-none-match").is_some_and(|tag| tag == "*" || same_tag(tag, &object.etag)) {
        return Err(S3Error::new(304, "NotModified", "Not Modified"));
    }
    Ok(())
}

/// `CopyObject`. The bodies are hard-linked, because bodies are never changed.
pub(crate) fn copy(call: &S3Call<'_>, bucket: &str, key: &str, from: &str) -> Result<Response, S3Error> {
    call.bucket(bucket)?;
    let (name, source) = source(call, from)?;
    let same = (name.0.as_str(), name.1.as_str()) == (bucket, key);
    let replace = call.header("x-amz-metadata-directive") == Some("REPLACE");
    if same && !replace {
        let message = "This copy request is illegal because it is trying to copy an object to itself without changing \
                       the object's metadata, storage class, website redirect location or encryption attributes.";
        return Err(S3Error::new(400, "InvalidRequest", message));
    }
    let mut object = StoredObject::clone(&source);
    object.modified = call.now;
    object.segments = source.segments.iter().map(|segment| link(call, segment)).collect::<Result<_, _>>()?;
    if replace {
        object.headers = call.stored_headers();
    }
    if call.header("x-amz-tagging-directive") == Some("REPLACE") {
        object.tags = call.request_tags()?;
    }
    let (etag, modified) = (object.etag.clone(), object.modified);
    store_object(call, bucket, key, object)?;
    Ok(xml(Xml::document("CopyObjectResult", NAMESPACE, |xml| {
        xml.value("ETag", etag);
        xml.value("LastModified", modified.iso());
    })))
}

/// The object of `x-amz-copy-source`, with its bucket and key.
pub(crate) fn source(
    call: &S3Call<'_>,
    from: &str,
) -> Result<((String, String), Arc<StoredObject>), S3Error> {
    let (path, _) = from.split_once('?').unwrap_or((from, ""));
    let path = decode(path.strip_prefix('/').unwrap_or(path))?;
    let (bucket, key) = path.split_once('/').ok_or_else(|| S3Error::argument("Invalid copy source"))?;
    Ok(((bucket.to_owned(), key.to_owned()), call.object(bucket, key)?))
}

fn link(call: &S3Call<'_>, segment: &ObjectSegment) -> Result<ObjectSegment, S3Error> {
    let (file, path) = call.new_body()?;
    std::fs::hard_link(call.region.object_store.body(segment), path).map_err(S3Error::io("link a body"))?;
    Ok(ObjectSegment { file, size: segment.size })
}

/// `DeleteObject`. Deleting a missing object succeeds.
pub(crate) fn delete(call: &S3Call<'_>, bucket: &str, key: &str) -> Result<Response, S3Error> {
    let _guard = sync::lock(&call.region.write_lock);
    call.bucket(bucket)?;
    call.region.object_store.remove(bucket, key)?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// `DeleteObjects`.
pub(crate) fn delete_many(call: &S3Call<'_>, bucket: &str, document: &str) -> Result<Response, S3Error> {
    let _guard = sync::lock(&call.region.write_lock);
    call.bucket(bucket)?;
    let read = XmlElement::read(document)?;
    let quiet = read.text_of("Quiet") == Some("true");
    let keys: Vec<&str> =
        read.all("Object").filter_map(|object| object.child("Key")).map(|key| key.text.as_str()).collect();
    if keys.is_empty() || keys.len() > 1000 {
        return Err(S3Error::malformed_xml());
    }
    for key in &keys {
        call.region.object_store.remove(bucket, key)?;
    }
    Ok(xml(Xml::document("DeleteResult", NAMESPACE, |xml| {
        for key in keys.iter().filter(|_| !quiet) {
            xml.element("Deleted", |xml| xml.value("Key", key));
        }
    })))
}

/// `GetObjectTagging`.
pub(crate) fn tags(call: &S3Call<'_>, bucket: &str, key: &str) -> Result<Response, S3Error> {
    let object = call.object(bucket, key)?;
    Ok(xml(Xml::document("Tagging", NAMESPACE, |xml| {
        xml.element("TagSet", |xml| {
            for (key, value) in &object.tags {
                xml.element("Tag", |xml| {
                    xml.value("Key", key);
                    xml.value("Value", value);
                });
            }
        });
    })))
}

/// `PutObjectTagging`.
pub(crate) fn set_tags(
    call: &S3Call<'_>,
    bucket: &str,
    key: &str,
    document: &str,
) -> Result<Response, S3Error> {
    let _guard = sync::lock(&call.region.write_lock);
    let mut object = StoredObject::clone(&*call.object(bucket, key)?);
    let read = XmlElement::read(document)?;
    let set = read.child("TagSet").ok_or_else(S3Error::malformed_xml)?;
    let pair = |tag: &XmlElement| Some((tag.child("Key")?.text.clone(), tag.child("Value")?.text.clone()));
    let tags = set.all("Tag").map(|tag| pair(tag).ok_or_else(S3Error::malformed_xml));
    object.tags = tags.collect::<Result<_, _>>()?;
    check_tags(&object.tags)?;
    call.region.object_store.objects.put(&object_name(bucket, key), object)?;
    Ok(empty(StatusCode::OK))
}
