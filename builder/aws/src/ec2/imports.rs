//! The calls of EC2 that make snapshots of objects.

use amiforge_publish::api::Encryption;
use amiforge_publish::api::imports::{ImportTask, NewImport};
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};

use super::calls::imports::{
    CancelImportTask, DescribeImportSnapshotTasks, DiskContainer, ImportSnapshot, UserBucket,
};
use super::{Ec2Client, missing_id};

impl Ec2Client {
    /// `ImportSnapshot`: returns the id of the task.
    pub(crate) async fn import_snapshot(&self, import: &NewImport) -> Result<String, ServiceError> {
        let (encrypted, key) = match &import.encryption {
            Encryption::AsAccount => (None, None),
            Encryption::DefaultKey => (Some(true), None),
            Encryption::Key(key) => (Some(true), Some(key.clone())),
        };
        let object = UserBucket { bucket: import.object.bucket.clone(), key: import.object.key.clone() };
        let call = ImportSnapshot {
            token: import.token.clone(),
            description: import.description.clone(),
            disk: DiskContainer { format: "RAW".to_owned(), object },
            encrypted,
            key,
            role: import.role.clone(),
        };
        let output = self.client.call(&call).await?;
        output.id.ok_or_else(|| missing_id("ImportSnapshot"))
    }

    /// `DescribeImportSnapshotTasks`: a task.
    pub(crate) async fn import_task(&self, id: &str) -> Result<ImportTask, ServiceError> {
        let call = DescribeImportSnapshotTasks {
            ids: vec![id.to_owned()],
            ..DescribeImportSnapshotTasks::default()
        };
        let output = self.client.call(&call).await?;
        let task = output.tasks.into_iter().find(|task| task.id.as_deref() == Some(id));
        let missing = || {
            ServiceError::local(ServiceErrorKind::NotFound, format!("the import task `{id}` does not exist"))
        };
        let detail = task.ok_or_else(missing)?.detail.unwrap_or_default();
        let text = |value: Option<String>| value.filter(|value| !value.is_empty());
        Ok(ImportTask {
            state: detail.state.unwrap_or_default(),
            progress: text(detail.progress),
            message: text(detail.message),
            snapshot: text(detail.snapshot),
        })
    }

    /// `CancelImportTask`.
    pub(crate) async fn cancel_import(&self, id: &str) -> Result<(), ServiceError> {
        self.client.call(&CancelImportTask { id: id.to_owned() }).await.map(drop)
    }
}
