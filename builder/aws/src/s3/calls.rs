//! The calls of S3 in use: their methods, addresses, and what is sent and read. A test compares them with botocore's
//! model.

/// A call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestCall {
    /// Its name.
    pub name: &'static str,
    /// The HTTP method.
    pub method: &'static str,
    /// The address, with `{Bucket}` and `{Key+}`, and a query that selects the call.
    pub uri: &'static str,
    /// Query parameters that are sent.
    pub query: &'static [&'static str],
    /// Headers that are sent, in lower case.
    pub headers: &'static [&'static str],
    /// Elements of the document that is sent: paths with dots, such as `CompleteMultipartUpload.Part.ETag`.
    pub body: &'static [&'static str],
    /// Headers that are read, in lower case.
    pub read_headers: &'static [&'static str],
    /// Elements of the document that are read: paths with dots, such as `Part.ETag`.
    pub read: &'static [&'static str],
}

/// A call of which nothing is sent or read but its address.
const PLAIN: RestCall = RestCall {
    name: "",
    method: "",
    uri: "",
    query: &[],
    headers: &[],
    body: &[],
    read_headers: &[],
    read: &[],
};

pub(super) const HEAD_BUCKET: RestCall = RestCall {
    name: "HeadBucket",
    method: "HEAD",
    uri: "/{Bucket}",
    read_headers: &["x-amz-bucket-region"],
    ..PLAIN
};
pub(super) const HEAD_OBJECT: RestCall = RestCall {
    name: "HeadObject",
    method: "HEAD",
    uri: "/{Bucket}/{Key+}",
    headers: &["x-amz-checksum-mode"],
    read_headers: &["content-length", "x-amz-checksum-sha256"],
    ..PLAIN
};
pub(super) const CREATE_UPLOAD: RestCall = RestCall {
    name: "CreateMultipartUpload",
    method: "POST",
    uri: "/{Bucket}/{Key+}?uploads",
    headers: &["content-type", "x-amz-checksum-algorithm"],
    read: &["UploadId"],
    ..PLAIN
};
pub(super) const LIST_UPLOADS: RestCall = RestCall {
    name: "ListMultipartUploads",
    method: "GET",
    uri: "/{Bucket}?uploads",
    query: &["prefix"],
    read: &["Upload.Key", "Upload.UploadId"],
    ..PLAIN
};
pub(super) const LIST_PARTS: RestCall = RestCall {
    name: "ListParts",
    method: "GET",
    uri: "/{Bucket}/{Key+}",
    query: &["part-number-marker", "uploadId"],
    read: &["IsTruncated", "NextPartNumberMarker", "Part.PartNumber", "Part.ETag", "Part.ChecksumSHA256"],
    ..PLAIN
};
pub(super) const UPLOAD_PART: RestCall = RestCall {
    name: "UploadPart",
    method: "PUT",
    uri: "/{Bucket}/{Key+}",
    query: &["partNumber", "uploadId"],
    headers: &["x-amz-checksum-sha256"],
    read_headers: &["etag", "x-amz-checksum-sha256"],
    ..PLAIN
};
pub(super) const COMPLETE_UPLOAD: RestCall = RestCall {
    name: "CompleteMultipartUpload",
    method: "POST",
    uri: "/{Bucket}/{Key+}",
    query: &["uploadId"],
    // The type of the document is a rule of the protocol, not a member of the model.
    headers: &["content-type"],
    body: &[
        "CompleteMultipartUpload.Part.PartNumber",
        "CompleteMultipartUpload.Part.ETag",
        "CompleteMultipartUpload.Part.ChecksumSHA256",
    ],
    ..PLAIN
};
pub(super) const ABORT_UPLOAD: RestCall = RestCall {
    name: "AbortMultipartUpload",
    method: "DELETE",
    uri: "/{Bucket}/{Key+}",
    query: &["uploadId"],
    ..PLAIN
};
pub(super) const DELETE_OBJECT: RestCall =
    RestCall { name: "DeleteObject", method: "DELETE", uri: "/{Bucket}/{Key+}", ..PLAIN };

/// All calls of S3 in use.
pub const CALLS: &[RestCall] = &[
    ABORT_UPLOAD,
    COMPLETE_UPLOAD,
    CREATE_UPLOAD,
    DELETE_OBJECT,
    HEAD_BUCKET,
    HEAD_OBJECT,
    LIST_PARTS,
    LIST_UPLOADS,
    UPLOAD_PART,
];
