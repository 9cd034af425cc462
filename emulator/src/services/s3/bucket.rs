//! Operations on buckets: list, create, head, location, delete.

use http::StatusCode;

use super::address::check_bucket;
use super::call::S3Call;
use super::errors::S3Error;
use super::xml_reader::XmlElement;
use super::{NAMESPACE, empty, xml};
use crate::http::response::{Response, with_header};
use crate::services::xml::Xml;
use crate::state::objects::Bucket;

/// `ListBuckets`.
pub(crate) fn list(call: &S3Call<'_>) -> Result<Response, S3Error> {
    let mut buckets = Vec::new();
    for name in call.state.used_regions() {
        let region = call.state.region(&name)?;
        let all = region.object_store.buckets.all().into_iter();
        let own = all.filter(|(_, bucket)| bucket.owner == call.account);
        buckets.extend(own.map(|(bucket, made)| (bucket, made.created, name.clone())));
    }
    buckets.sort();
    let prefix = call.query("prefix").unwrap_or_default();
    buckets.retain(|(name, ..)| name.starts_with(prefix));
    let body = Xml::document("ListAllMyBucketsResult", NAMESPACE, |xml| {
        xml.element("Buckets", |xml| {
            for (name, created, region) in buckets {
                xml.element("Bucket", |xml| {
                    xml.value("Name", name);
                    xml.value("CreationDate", created.iso());
                    xml.value("BucketRegion", region);
                });
            }
        });
        xml.element("Owner", |xml| xml.value("ID", call.account));
    });
    Ok(super::xml(body))
}

/// `CreateBucket`.
pub(crate) fn create(call: &S3Call<'_>, name: &str, document: &str) -> Result<Response, S3Error> {
    let _guard = crate::sync::lock(&call.region.write_lock);
    check_bucket(name)?;
    check_location(call, document)?;
    match call.state.find_bucket(name)? {
        None => {}
        Some((region, bucket)) if bucket.owner == call.account && region == call.region.name => {
            let message =
                "Your previous request to create the named bucket succeeded and you already own it.";
            return Err(S3Error::new(409, "BucketAlreadyOwnedByYou", message));
        }
        Some(_) => {
            let message = "The requested bucket name is not available. The bucket namespace is shared by all users of \
                           the system. Please select a different name and try again.";
            return Err(S3Error::new(409, "BucketAlreadyExists", message));
        }
    }
    let bucket = Bucket { owner: call.account.to_owned(), created: call.now };
    call.region.object_store.buckets.put(name, bucket)?;
    Ok(with_header(empty(StatusCode::OK), "location", &format!("/{name}")))
}

/// Checks that a location constraint is this region.
fn check_location(call: &S3Call<'_>, document: &str) -> Result<(), S3Error> {
    if document.trim().is_empty() {
        return Ok(());
    }
    let read = XmlElement::read(document)?;
    match read.text_of("LocationConstraint").filter(|location| !location.is_empty()) {
        Some(location) if location != call.region.name => {
            let message = format!(
                "The {location} location constraint is incompatible for the region specific endpoint this request was \
                 sent to."
            );
            Err(S3Error::new(400, "IllegalLocationConstraintException", message))
        }
        _ => Ok(()),
    }
}

/// `HeadBucket`.
pub(crate) fn head(call: &S3Call<'_>, name: &str) -> Result<Response, S3Error> {
    call.bucket(name)?;
    Ok(with_header(empty(StatusCode::OK), "x-amz-bucket-region", &call.region.name))
}

/// `GetBucketLocation`.
pub(crate) fn location(call: &S3Call<'_>, name: &str) -> Result<Response, S3Error> {
    call.bucket(name)?;
    // `us-east-1` is represented by an empty location constraint.
    let location = if call.region.name == "us-east-1" { "" } else { &call.region.name };
    let mut part = Xml::new();
    part.text(location);
    Ok(xml(Xml::document("LocationConstraint", NAMESPACE, |xml| xml.append(&part))))
}

/// `DeleteBucket`.
pub(crate) fn delete(call: &S3Call<'_>, name: &str) -> Result<Response, S3Error> {
    let _guard = crate::sync::lock(&call.region.write_lock);
    call.bucket(name)?;
    if !call.region.object_store.objects_of(name, "").is_empty() {
        let message = "The bucket you tried to delete is not empty";
        return Err(S3Error::new(409, "BucketNotEmpty", message));
    }
    call.region.object_store.buckets.remove(name)?;
    Ok(empty(StatusCode::NO_CONTENT))
}
