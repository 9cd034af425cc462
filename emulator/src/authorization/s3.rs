//! S3. Its actions have other names than its operations: Amazon S3 User Guide, "Required permissions for
//! Amazon S3 API operations".

use super::call::Call;
use super::resource::Resource;
use super::rule::{Rule, also, any, rule};

#[rustfmt::skip]
pub(super) const RULES: &[Rule] = &[
    rule("AbortMultipartUpload", &[also(&["s3:AbortMultipartUpload"], object)]),
    rule("CompleteMultipartUpload", &[also(&["s3:PutObject"], object)]),
    rule("CopyObject", &[also(&["s3:GetObject"], copy_source), also(&["s3:PutObject"], object), also(&["s3:PutObjectTagging"], tagged_object)]),
    rule("CreateBucket", &[also(&["s3:CreateBucket"], bucket)]),
    rule("CreateMultipartUpload", &[also(&["s3:PutObject"], object), also(&["s3:PutObjectTagging"], tagged_object)]),
    rule("DeleteBucket", &[also(&["s3:DeleteBucket"], bucket)]),
    rule("DeleteObject", &[also(&["s3:DeleteObject"], object)]),
    // S3 decides for each key and reports it in the result; here the right to all keys is needed, because the
    // body is read later.
    rule("DeleteObjects", &[also(&["s3:DeleteObject"], all_objects)]),
    rule("GetBucketLocation", &[also(&["s3:GetBucketLocation"], bucket)]),
    // An object that does not exist is reported as such to those only who may list the bucket (GetObject,
    // HeadObject: "Permissions").
    rule("GetObject", &[also(&["s3:GetObject"], object), also(&["s3:ListBucket"], bucket_of_missing)]),
    rule("GetObjectTagging", &[also(&["s3:GetObjectTagging"], object)]),
    rule("HeadBucket", &[also(&["s3:ListBucket"], bucket)]),
    rule("HeadObject", &[also(&["s3:GetObject"], object), also(&["s3:ListBucket"], bucket_of_missing)]),
    rule("ListBuckets", &[also(&["s3:ListAllMyBuckets"], any)]),
    rule("ListMultipartUploads", &[also(&["s3:ListBucketMultipartUploads"], bucket)]),
    rule("ListObjects", &[also(&["s3:ListBucket"], bucket)]),
    rule("ListObjectsV2", &[also(&["s3:ListBucket"], bucket)]),
    rule("ListParts", &[also(&["s3:ListMultipartUploadParts"], object)]),
    rule("PutObject", &[also(&["s3:PutObject"], object), also(&["s3:PutObjectTagging"], tagged_object)]),
    rule("PutObjectTagging", &[also(&["s3:PutObjectTagging"], object)]),
    rule("UploadPart", &[also(&["s3:PutObject"], object)]),
    rule("UploadPartCopy", &[also(&["s3:GetObject"], copy_source), also(&["s3:PutObject"], object)]),
];

/// A bucket, or an object if there is a key.
pub(super) fn s3_resource(call: &Call<'_>, name: &str) -> Resource {
    Resource::with_arn(format!("arn:{}:s3:::{name}", call.partition()))
}

fn bucket(call: &Call<'_>) -> Vec<Resource> {
    call.path.first().map(|bucket| s3_resource(call, bucket)).into_iter().collect()
}

fn object(call: &Call<'_>) -> Vec<Resource> {
    let [bucket, key] = call.path else { return Vec::new() };
    vec![s3_resource(call, &format!("{bucket}/{key}"))]
}

fn all_objects(call: &Call<'_>) -> Vec<Resource> {
    call.path.first().map(|bucket| s3_resource(call, &format!("{bucket}/*"))).into_iter().collect()
}

fn bucket_of_missing(call: &Call<'_>) -> Vec<Resource> {
    let [name, key] = call.path else { return Vec::new() };
    let exists = call.region.object_store.object(name, key, call.state.now()).is_some();
    if exists { Vec::new() } else { bucket(call) }
}

fn tagged_object(call: &Call<'_>) -> Vec<Resource> {
    if call.request.header("x-amz-tagging").is_some() { object(call) } else { Vec::new() }
}

/// The object that is copied: `bucket/key` with `%XX`.
fn copy_source(call: &Call<'_>) -> Vec<Resource> {
    let Some(source) = call.request.header("x-amz-copy-source") else { return Vec::new() };
    let source = source.trim_start_matches('/').split('?').next().unwrap_or_default();
    vec![s3_resource(call, &crate::sigv4::percent_decoded(source))]
}
