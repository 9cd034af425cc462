//! A client of S3 for the calls in use. S3 2006-03-01, path-style addresses, which every region and every bucket name
//! accept.
//!
//! AWS's generated client for S3 has a hundred operations, four algorithms of checksums and an engine of endpoint rules
//! for access points and directory buckets; nine calls without these need some three hundred lines on the runtime that
//! the other services use. A call is a row in [`calls::CALLS`], which a test compares with botocore's model.

mod calls;
mod document;
mod rest;

use amiforge_formats::digest::Digest;
use amiforge_lifecycle::api::storage::ObjectCalls;
use amiforge_publish::api::imports::{NewPart, ObjectName, PartUpload, StoredObject, UploadedPart};
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use aws_config::SdkConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::query::{Client, Protocol, QueryService};
use document::{Document, escaped};
use rest::{RestRequest, RestResponse};

pub use calls::{CALLS, RestCall};

/// Signing name and endpoint id. The query protocol is not used: calls are REST.
const S3: QueryService =
    QueryService { id: "S3", name: "s3", version: "2006-03-01", protocol: Protocol::Query };

/// Header with the SHA-256 of a part in base64, or of an object over those of its parts.
const CHECKSUM: &str = "x-amz-checksum-sha256";

/// Client of S3 in a region.
#[derive(Debug, Clone)]
pub struct S3Client {
    client: Client,
    region: String,
}

impl S3Client {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        let region = sdk.region().map(ToString::to_string).unwrap_or_default();
        Self { client: Client::new(sdk, &S3), region }
    }

    /// `HeadObject`, with the checksum of the object.
    pub(crate) async fn object(&self, object: &ObjectName) -> Result<Option<StoredObject>, ServiceError> {
        let request = RestRequest::of(&calls::HEAD_OBJECT, object).header("x-amz-checksum-mode", "ENABLED");
        let response = self.send(request).await?;
        match response.status {
            200 => Ok(Some(StoredObject {
                len: response.header("content-length").and_then(|len| len.parse().ok()).unwrap_or(0),
                checksum: response.header(CHECKSUM).map(str::to_owned),
            })),
            404 => Ok(None),
            _ => Err(refused_head(
                &response,
                "s3:GetObject",
                &format!("the object `{}` of the bucket `{}`", object.key, object.bucket),
            )),
        }
    }

    /// `CreateMultipartUpload`.
    pub(crate) async fn create_upload(&self, object: &ObjectName) -> Result<String, ServiceError> {
        let request = RestRequest::of(&calls::CREATE_UPLOAD, object)
            .header("content-type", "application/octet-stream")
            .header("x-amz-checksum-algorithm", "SHA256");
        let document = self.document(request, "InitiateMultipartUploadResult").await?;
        document.required("UploadId")
    }

    /// `ListMultipartUploads`: the ids of the uploads of an object.
    pub(crate) async fn uploads(&self, object: &ObjectName) -> Result<Vec<String>, ServiceError> {
        let request =
            RestRequest::of_bucket(&calls::LIST_UPLOADS, &object.bucket).query("prefix", &object.key);
        let document = self.document(request, "ListMultipartUploadsResult").await?;
        let of_object =
            document.all("Upload").into_iter().filter(|upload| upload.text("Key") == Some(&object.key));
        of_object.map(|upload| upload.required("UploadId")).collect()
    }

    /// `ListParts`, all pages.
    pub(crate) async fn parts(&self, upload: &PartUpload) -> Result<Vec<UploadedPart>, ServiceError> {
        let (mut parts, mut marker) = (Vec::new(), 0_u32);
        loop {
            let request = RestRequest::of(&calls::LIST_PARTS, &upload.object)
                .query("uploadId", &upload.id)
                .query("part-number-marker", &marker.to_string());
            let document = self.document(request, "ListPartsResult").await?;
            for part in document.all("Part") {
                parts.push(UploadedPart {
                    number: part.number("PartNumber")?,
                    etag: part.required("ETag")?,
                    digest: part.text("ChecksumSHA256").and_then(digest),
                });
            }
            if document.text("IsTruncated") != Some("true") {
                return Ok(parts);
            }
            let next = document.number("NextPartNumberMarker")?;
            if next <= marker {
                return Err(document::malformed("the pages of the parts do not go on"));
            }
            marker = next;
        }
    }

    /// `UploadPart`.
    pub(crate) async fn put_part(&self, upload: &PartUpload, part: NewPart) -> Result<String, ServiceError> {
        let request = RestRequest::of(&calls::UPLOAD_PART, &upload.object)
            .query("partNumber", &part.number.to_string())
            .query("uploadId", &upload.id)
            .header(CHECKSUM, &STANDARD.encode(part.digest.0))
            .body(part.bytes);
        let response = self.success(request).await?;
        let etag = response.header("etag").map(str::to_owned);
        match response.header(CHECKSUM) {
            Some(stated) if digest(stated) != Some(part.digest) => {
                let message = format!("S3 has a part of SHA-256 {stated}, and another was sent");
                Err(ServiceError::local(ServiceErrorKind::Checksum, message))
            }
            _ => etag.ok_or_else(|| document::malformed("the answer of UploadPart has no ETag")),
        }
    }

    /// `CompleteMultipartUpload`. It may fail after it has sent the status of success: then the document is an error.
    pub(crate) async fn complete_upload(
        &self,
        upload: &PartUpload,
        parts: &[UploadedPart],
    ) -> Result<(), ServiceError> {
        let body: String = parts.iter().map(completed_part).collect();
        let body = format!(
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{body}</CompleteMultipartUpload>"
        );
        let request = RestRequest::of(&calls::COMPLETE_UPLOAD, &upload.object)
            .query("uploadId", &upload.id)
            .header("content-type", "application/xml")
            .body(body.into());
        self.document(request, "CompleteMultipartUploadResult").await.map(drop)
    }

    /// `AbortMultipartUpload`.
    pub(crate) async fn abort_upload(&self, upload: &PartUpload) -> Result<(), ServiceError> {
        let request = RestRequest::of(&calls::ABORT_UPLOAD, &upload.object).query("uploadId", &upload.id);
        self.success(request).await.map(drop)
    }

    /// `DeleteObject`.
    pub(crate) async fn delete_object(&self, object: &ObjectName) -> Result<(), ServiceError> {
        self.success(RestRequest::of(&calls::DELETE_OBJECT, object)).await.map(drop)
    }

    async fn send(&self, request: RestRequest) -> Result<RestResponse, ServiceError> {
        rest::send(&self.client, request).await
    }

    /// The response to a call that succeeded.
    async fn success(&self, request: RestRequest) -> Result<RestResponse, ServiceError> {
        let response = self.send(request).await?;
        if (200..300).contains(&response.status) { Ok(response) } else { Err(document::refusal(&response)) }
    }

    /// The document of a call that succeeded, whose root has this name.
    async fn document(&self, request: RestRequest, root: &str) -> Result<Document, ServiceError> {
        let response = self.success(request).await?;
        Document::read(&response, root)
    }
}

impl ObjectCalls for S3Client {
    async fn bucket_region(&self, bucket: &str) -> Result<String, ServiceError> {
        let response = self.send(RestRequest::of_bucket(&calls::HEAD_BUCKET, bucket)).await?;
        match (response.status, response.header("x-amz-bucket-region")) {
            // A redirection names the region of the bucket.
            (200 | 301, Some(region)) => Ok(region.to_owned()),
            (200, None) => Ok(self.region.clone()),
            _ => Err(refused_head(&response, "s3:ListBucket", &format!("the bucket `{bucket}`"))),
        }
    }

    async fn object_size(&self, bucket: &str, key: &str) -> Result<Option<u64>, ServiceError> {
        let object = ObjectName { bucket: bucket.to_owned(), key: key.to_owned() };
        Ok(self.object(&object).await?.map(|object| object.len))
    }
}

/// A part in the list that completes an upload.
fn completed_part(part: &UploadedPart) -> String {
    let checksum = part
        .digest
        .map(|digest| format!("<ChecksumSHA256>{}</ChecksumSHA256>", STANDARD.encode(digest.0)))
        .unwrap_or_default();
    let (number, etag) = (part.number, escaped(&part.etag));
    format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>{checksum}</Part>")
}

/// A SHA-256 in base64.
fn digest(text: &str) -> Option<Digest> {
    Some(Digest(STANDARD.decode(text).ok()?.try_into().ok()?))
}

/// A response to HEAD has no body, so neither a code nor a message. `action`: what the caller needs for it.
fn refused_head(response: &RestResponse, action: &str, what: &str) -> ServiceError {
    let message = match response.status {
        403 => format!(
            "this caller is not authorized to perform: {action} on {what}, or it is of another account"
        ),
        404 => format!("{what} does not exist"),
        status => format!("S3 answers with status {status} for {what}"),
    };
    ServiceError {
        status: Some(response.status),
        request_id: response.header("x-amz-request-id").map(str::to_owned),
        ..ServiceError::local(rest::kind(response.status), message)
    }
}
