//! S3: the operations for bundles and stored images (API version 2006-03-01, REST with XML).
//!
//! Implemented here instead of taken from a crate: the server authenticates a request before its service is
//! chosen and passes the body on unread, and a local region needs no versions, policies, locks or storage
//! classes.

mod address;
mod aws_chunked;
mod bucket;
mod call;
mod checksum;
mod errors;
mod list;
mod multipart;
mod object;
mod part_copy;
mod response_body;
mod server_side;
mod upload_body;
mod xml_reader;

use http::{Method, StatusCode};

use self::address::Address;
use self::call::S3Call;
use self::list::ListVersion;
use crate::http::body::RequestBody;
use crate::http::request::{Payload, SignedRequest};
use crate::http::response::{Response, ResponseBody, new_response, with_header};
use crate::state::{Region, State};

pub(crate) use self::errors::S3Error;
pub(crate) use self::errors::{deny, error_response, fail, reject};
pub(crate) use self::server_side::{ObjectWriter, reader};

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// The query parameters that select an operation besides the method and the address.
const SUBRESOURCES: [&str; 30] = [
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "delete",
    "encryption",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "renameObject",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versioning",
    "versions",
    "website",
];

/// The properties of a request that select its operation.
struct S3Request<'a> {
    method: &'a Method,
    bucket: Option<&'a str>,
    key: Option<&'a str>,
    subresource: Option<&'static str>,
}

/// The name of the requested operation; empty or approximate if it cannot be determined.
pub(crate) fn action(request: &SignedRequest) -> String {
    let host = request.header("host").unwrap_or_default();
    let method = request.parts.method.as_str();
    let Ok(address) = Address::read(request.parts.uri.path(), host) else { return method.to_owned() };
    let query = request.query();
    let has = |name: &str| query.iter().any(|(other, _)| other == name);
    let subresource = SUBRESOURCES.into_iter().find(|name| has(name));
    let form = if has("list-type") { ListVersion::V2 } else { ListVersion::V1 };
    let copies = request.header("x-amz-copy-source").is_some();
    let name = match (&address.bucket, &address.key) {
        (None, _) => (method == "GET").then_some("ListBuckets"),
        (Some(_), None) => bucket_action(method, subresource, form),
        (Some(_), Some(_)) => object_action(method, subresource, copies),
    };
    name.unwrap_or(method).to_owned()
}

/// The bucket and the key in the address of a request.
pub(crate) fn names_of_path(request: &SignedRequest) -> Vec<String> {
    let host = request.header("host").unwrap_or_default();
    let address = Address::read(request.parts.uri.path(), host);
    address.map_or_else(|_| Vec::new(), |address| address.bucket.into_iter().chain(address.key).collect())
}

fn bucket_action(method: &str, subresource: Option<&str>, form: ListVersion) -> Option<&'static str> {
    Some(match (method, subresource) {
        ("GET", None) if form == ListVersion::V2 => "ListObjectsV2",
        ("GET", None) => "ListObjects",
        ("GET", Some("location")) => "GetBucketLocation",
        ("GET", Some("uploads")) => "ListMultipartUploads",
        ("HEAD", None) => "HeadBucket",
        ("PUT", None) => "CreateBucket",
        ("DELETE", None) => "DeleteBucket",
        ("POST", Some("delete")) => "DeleteObjects",
        _ => return None,
    })
}

fn object_action(method: &str, subresource: Option<&str>, copies: bool) -> Option<&'static str> {
    Some(match (method, subresource) {
        ("GET", None) => "GetObject",
        ("HEAD", None) => "HeadObject",
        ("DELETE", None) => "DeleteObject",
        ("PUT", None) if copies => "CopyObject",
        ("PUT", None) => "PutObject",
        ("GET", Some("tagging")) => "GetObjectTagging",
        ("PUT", Some("tagging")) => "PutObjectTagging",
        ("POST", Some("uploads")) => "CreateMultipartUpload",
        ("PUT", Some("uploadId")) if copies => "UploadPartCopy",
        ("PUT", Some("uploadId")) => "UploadPart",
        ("POST", Some("uploadId")) => "CompleteMultipartUpload",
        ("DELETE", Some("uploadId")) => "AbortMultipartUpload",
        ("GET", Some("uploadId")) => "ListParts",
        _ => return None,
    })
}

/// Responds to a request.
pub(crate) async fn respond(state: &State, region: &Region, request: SignedRequest) -> Response {
    let call = S3Call::new(state, region, &request.account, &request);
    let is_head = request.parts.method == Method::HEAD;
    let id = request.request_id.clone();
    let host = request.header("host").unwrap_or_default();
    let address = Address::read(request.parts.uri.path(), host);
    let method = request.parts.method.clone();
    let Payload::Streaming(body) = request.payload else {
        return error_response(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            "the body was read already",
            &id,
        );
    };
    let result = match &address {
        Ok(address) => {
            let subresource = SUBRESOURCES.into_iter().find(|name| call.query(name).is_some());
            let (bucket, key) = (address.bucket.as_deref(), address.key.as_deref());
            perform(&call, &S3Request { method: &method, bucket, key, subresource }, body).await
        }
        Err(error) => Err(error.clone()),
    };
    match result {
        Ok(response) => with_header(response, "x-amz-request-id", &id),
        Err(error) => refusal(&error, is_head, &id),
    }
}

async fn perform(call: &S3Call<'_>, request: &S3Request<'_>, body: RequestBody) -> Result<Response, S3Error> {
    match (request.bucket, request.key) {
        (None, _) if request.method == Method::GET => bucket::list(call),
        (Some(bucket), None) => on_bucket(call, request, bucket, body).await,
        (Some(bucket), Some(key)) => on_object(call, request, bucket, key, body).await,
        (None, _) => Err(not_allowed()),
    }
}

async fn on_bucket(
    call: &S3Call<'_>,
    request: &S3Request<'_>,
    name: &str,
    body: RequestBody,
) -> Result<Response, S3Error> {
    match (request.method.as_str(), request.subresource) {
        ("GET", None) if call.query("list-type") == Some("2") => list::list(call, name, ListVersion::V2),
        ("GET", None) => list::list(call, name, ListVersion::V1),
        ("GET", Some("location")) => bucket::location(call, name),
        ("GET", Some("uploads")) => multipart::list(call, name),
        ("HEAD", None) => bucket::head(call, name),
        ("PUT", None) => bucket::create(call, name, &upload_body::document(call, body).await?),
        ("DELETE", None) => bucket::delete(call, name),
        ("POST", Some("delete")) => {
            object::delete_many(call, name, &upload_body::document(call, body).await?)
        }
        (_, None) => Err(not_allowed()),
        (_, Some(_)) => Err(not_implemented()),
    }
}

async fn on_object(
    call: &S3Call<'_>,
    request: &S3Request<'_>,
    bucket: &str,
    key: &str,
    body: RequestBody,
) -> Result<Response, S3Error> {
    if ["partNumber", "versionId"].iter().any(|name| call.query(name).is_some())
        && request.subresource.is_none()
    {
        return Err(not_implemented());
    }
    match (request.method.as_str(), request.subresource) {
        ("GET", None) => object::get(call, bucket, key),
        ("HEAD", None) => object::head(call, bucket, key),
        ("DELETE", None) => object::delete(call, bucket, key),
        ("PUT", None) => match call.header("x-amz-copy-source") {
            Some(from) => object::copy(call, bucket, key, from),
            None => object::put(call, bucket, key, body).await,
        },
        ("GET", Some("tagging")) => object::tags(call, bucket, key),
        ("PUT", Some("tagging")) => {
            object::set_tags(call, bucket, key, &upload_body::document(call, body).await?)
        }
        ("POST", Some("uploads")) => multipart::create(call, bucket, key),
        ("PUT", Some("uploadId")) => match call.header("x-amz-copy-source") {
            Some(from) => part_copy::copy(call, bucket, key, from),
            None => multipart::put(call, bucket, key, body).await,
        },
        ("POST", Some("uploadId")) => {
            multipart::complete(call, bucket, key, &upload_body::document(call, body).await?)
        }
        ("DELETE", Some("uploadId")) => multipart::abort(call, bucket, key),
        ("GET", Some("uploadId")) => multipart::parts(call, bucket, key),
        (_, None) => Err(not_allowed()),
        (_, Some(_)) => Err(not_implemented()),
    }
}

fn not_allowed() -> S3Error {
    S3Error::new(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
}

fn not_implemented() -> S3Error {
    let message = "A header or query you provided implies functionality that is not implemented.";
    S3Error::new(501, "NotImplemented", message)
}

fn refusal(error: &S3Error, is_head: bool, id: &str) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = error_response(status, error.code, &error.message, id);
    if is_head || status == StatusCode::NOT_MODIFIED {
        *response.body_mut() = ResponseBody::Full(bytes::Bytes::new());
    }
    match &error.region {
        Some(region) => with_header(response, "x-amz-bucket-region", region),
        None => response,
    }
}

/// A response without a body.
fn empty(status: StatusCode) -> Response {
    let mut response = new_response(status, "application/xml", "");
    response.headers_mut().remove(http::header::CONTENT_TYPE);
    response
}

/// A response with an XML document.
fn xml(document: String) -> Response {
    new_response(StatusCode::OK, "application/xml", document)
}
