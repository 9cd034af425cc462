//! The client of imports: S3 and EC2 together.

use amiforge_lifecycle::api::storage::ObjectCalls as _;
use amiforge_publish::api::imports::{
    ImportCalls, ImportRegions, ImportTask, NewImport, NewPart, ObjectName, PartUpload, StoredObject,
    UploadedPart,
};
use amiforge_publish::service_error::ServiceError;

use super::{AwsConfig, Ec2Client, S3Client};

/// Client of S3 and of the import calls of EC2 in a region.
#[derive(Debug, Clone)]
pub struct ImportClient {
    s3: S3Client,
    ec2: Ec2Client,
}

impl ImportRegions for AwsConfig {
    type Import = ImportClient;

    fn import(&self, region: &str) -> ImportClient {
        let config = self.in_region(region);
        ImportClient { s3: config.s3(), ec2: config.ec2() }
    }
}

impl ImportCalls for ImportClient {
    async fn bucket_region(&self, bucket: &str) -> Result<String, ServiceError> {
        self.s3.bucket_region(bucket).await
    }

    async fn object(&self, object: &ObjectName) -> Result<Option<StoredObject>, ServiceError> {
        self.s3.object(object).await
    }

    async fn create_upload(&self, object: &ObjectName) -> Result<String, ServiceError> {
        self.s3.create_upload(object).await
    }

    async fn uploads(&self, object: &ObjectName) -> Result<Vec<String>, ServiceError> {
        self.s3.uploads(object).await
    }

    async fn parts(&self, upload: &PartUpload) -> Result<Vec<UploadedPart>, ServiceError> {
        self.s3.parts(upload).await
    }

    async fn put_part(&self, upload: &PartUpload, part: NewPart) -> Result<String, ServiceError> {
        self.s3.put_part(upload, part).await
    }

    async fn complete_upload(&self, upload: &PartUpload, parts: &[UploadedPart]) -> Result<(), ServiceError> {
        self.s3.complete_upload(upload, parts).await
    }

    async fn abort_upload(&self, upload: &PartUpload) -> Result<(), ServiceError> {
        self.s3.abort_upload(upload).await
    }

    async fn delete_object(&self, object: &ObjectName) -> Result<(), ServiceError> {
        self.s3.delete_object(object).await
    }

    async fn import_snapshot(&self, import: &NewImport) -> Result<String, ServiceError> {
        self.ec2.import_snapshot(import).await
    }

    async fn import_task(&self, id: &str) -> Result<ImportTask, ServiceError> {
        self.ec2.import_task(id).await
    }

    async fn cancel_import(&self, id: &str) -> Result<(), ServiceError> {
        self.ec2.cancel_import(id).await
    }
}
