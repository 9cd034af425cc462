//! The calls of an import: those of S3 for an object that is sent in parts, and those of EC2 that make a snapshot of an
//! object.
//!
//! Follows the S3 API, version 2006-03-01, and the EC2 API, version 2016-11-15.

use std::future::Future;

use amiforge_formats::digest::Digest;
use bytes::Bytes;

use super::Encryption;
use super::ec2::Regions;
use crate::service_error::ServiceError;

/// S3 and the import calls of EC2 in a region.
pub trait ImportCalls: Send + Sync + 'static {
    /// `HeadBucket`: the region of a bucket.
    fn bucket_region(&self, bucket: &str) -> impl Future<Output = Result<String, ServiceError>> + Send;

    /// `HeadObject`: an object, if it exists.
    fn object(
        &self,
        object: &ObjectName,
    ) -> impl Future<Output = Result<Option<StoredObject>, ServiceError>> + Send;

    /// `CreateMultipartUpload`, with SHA-256 as the checksum of the parts. Returns the id of the upload.
    fn create_upload(&self, object: &ObjectName)
    -> impl Future<Output = Result<String, ServiceError>> + Send;

    /// `ListMultipartUploads`: the ids of the unfinished uploads of an object.
    fn uploads(&self, object: &ObjectName) -> impl Future<Output = Result<Vec<String>, ServiceError>> + Send;

    /// `ListParts`: the parts that an upload has, all pages.
    fn parts(
        &self,
        upload: &PartUpload,
    ) -> impl Future<Output = Result<Vec<UploadedPart>, ServiceError>> + Send;

    /// `UploadPart`: sends a part, replacing the one with its number. Returns its entity tag. The service compares the
    /// bytes with the digest.
    fn put_part(
        &self,
        upload: &PartUpload,
        part: NewPart,
    ) -> impl Future<Output = Result<String, ServiceError>> + Send;

    /// `CompleteMultipartUpload`: makes the object of the parts, in order.
    fn complete_upload(
        &self,
        upload: &PartUpload,
        parts: &[UploadedPart],
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// `AbortMultipartUpload`: deletes an upload and its parts.
    fn abort_upload(&self, upload: &PartUpload) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// `DeleteObject`; an object that does not exist counts as deleted.
    fn delete_object(&self, object: &ObjectName) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// `ImportSnapshot`. An equal request returns the same task. Returns its id.
    fn import_snapshot(
        &self,
        import: &NewImport,
    ) -> impl Future<Output = Result<String, ServiceError>> + Send;

    /// `DescribeImportSnapshotTasks`: a task.
    fn import_task(&self, id: &str) -> impl Future<Output = Result<ImportTask, ServiceError>> + Send;

    /// `CancelImportTask`.
    fn cancel_import(&self, id: &str) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

/// Clients of imports in all regions.
pub trait ImportRegions: Regions {
    /// The client.
    type Import: ImportCalls;

    /// The client of a region.
    fn import(&self, region: &str) -> Self::Import;
}

/// The name of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
}

/// An object as S3 describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// Length in bytes.
    pub len: u64,
    /// The checksum over the SHA-256 of its parts: base64, a hyphen and the number of parts.
    pub checksum: Option<String>,
}

/// An upload in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartUpload {
    /// The object that it will be.
    pub object: ObjectName,
    /// The id of the upload.
    pub id: String,
}

/// A part to send.
#[derive(Debug, Clone)]
pub struct NewPart {
    /// Its number, from 1 to 10,000.
    pub number: u32,
    /// Its bytes.
    pub bytes: Bytes,
    /// Their SHA-256.
    pub digest: Digest,
}

/// A part that an upload has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedPart {
    /// Its number.
    pub number: u32,
    /// Its entity tag.
    pub etag: String,
    /// Its SHA-256 as the service computed it; `None` if the upload was made without.
    pub digest: Option<Digest>,
}

/// An import to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewImport {
    /// The object: a raw disk.
    pub object: ObjectName,
    /// Description of the task.
    pub description: Option<String>,
    /// The role with which the service reads the object; `None` for `vmimport`.
    pub role: Option<String>,
    /// Requested encryption of the snapshot.
    pub encryption: Encryption,
    /// Client token: an equal one makes the call idempotent.
    pub token: String,
}

/// A task that imports a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportTask {
    /// Its state: `active`, `completed`, `deleting`, `deleted`, or a word that is not known here.
    pub state: String,
    /// Progress in percent.
    pub progress: Option<String>,
    /// What it is doing, or why it ended.
    pub message: Option<String>,
    /// The snapshot, once there is one.
    pub snapshot: Option<String>,
}
