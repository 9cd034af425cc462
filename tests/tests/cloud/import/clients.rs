//! Clients of imports that do something at one of their calls: end the program, or alter what is sent.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use amiforge_aws::{AwsConfig, Ec2Client, ImportClient};
use amiforge_publish::api::ec2::Regions;
use amiforge_publish::api::imports::{
    ImportCalls, ImportRegions, ImportTask, NewImport, NewPart, ObjectName, PartUpload, StoredObject,
    UploadedPart,
};
use amiforge_publish::service_error::ServiceError;
use tokio::sync::Notify;

/// What happens, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    /// The program ends before the n-th call is sent.
    DieBefore(u64),
    /// The program ends before it has the answer of the n-th call.
    DieAfter(u64),
    /// The bytes of this part are altered on the way the first so many times.
    Alter { part: u32, times: u64 },
    /// The service imports another object of the bucket.
    Swap(&'static str),
}

/// Clients of all regions.
#[derive(Debug, Clone)]
pub(crate) struct ActingRegions {
    config: AwsConfig,
    act: Act,
    calls: Arc<AtomicU64>,
    /// Number of sendings of the altered part.
    altered: Arc<AtomicU64>,
    /// Is notified when the program is to end.
    pub(crate) dead: Arc<Notify>,
}

impl ActingRegions {
    pub(crate) fn new(config: &AwsConfig, act: Act) -> Self {
        Self {
            config: config.clone(),
            act,
            calls: Arc::default(),
            altered: Arc::default(),
            dead: Arc::default(),
        }
    }
}

impl Regions for ActingRegions {
    type Ec2 = Ec2Client;

    fn ec2(&self, region: &str) -> Ec2Client {
        self.config.ec2_of(region)
    }
}

/// Gives the client of a region, whose name both traits have.
trait Ec2Of {
    fn ec2_of(&self, region: &str) -> Ec2Client;
}

impl Ec2Of for AwsConfig {
    fn ec2_of(&self, region: &str) -> Ec2Client {
        Regions::ec2(self, region)
    }
}

impl ImportRegions for ActingRegions {
    type Import = ActingClient;

    fn import(&self, region: &str) -> ActingClient {
        ActingClient { inner: self.config.import(region), regions: self.clone() }
    }
}

/// The client of a region.
#[derive(Debug)]
pub(crate) struct ActingClient {
    inner: ImportClient,
    regions: ActingRegions,
}

impl ActingClient {
    async fn call<T>(&self, call: impl Future<Output = T>) -> T {
        let number = self.regions.calls.fetch_add(1, Ordering::SeqCst) + 1;
        match self.regions.act {
            Act::DieBefore(at) if at == number => self.die().await,
            Act::DieAfter(at) if at == number => {
                call.await;
                self.die().await
            }
            _ => call.await,
        }
    }

    async fn die<T>(&self) -> T {
        self.regions.dead.notify_one();
        std::future::pending().await
    }
}

impl ImportCalls for ActingClient {
    async fn bucket_region(&self, bucket: &str) -> Result<String, ServiceError> {
        self.call(self.inner.bucket_region(bucket)).await
    }

    async fn object(&self, object: &ObjectName) -> Result<Option<StoredObject>, ServiceError> {
        self.call(self.inner.object(object)).await
    }

    async fn create_upload(&self, object: &ObjectName) -> Result<String, ServiceError> {
        self.call(self.inner.create_upload(object)).await
    }

    async fn uploads(&self, object: &ObjectName) -> Result<Vec<String>, ServiceError> {
        self.call(self.inner.uploads(object)).await
    }

    async fn parts(&self, upload: &PartUpload) -> Result<Vec<UploadedPart>, ServiceError> {
        self.call(self.inner.parts(upload)).await
    }

    async fn put_part(&self, upload: &PartUpload, mut part: NewPart) -> Result<String, ServiceError> {
        if let Act::Alter { part: number, times } = self.regions.act
            && number == part.number
            && self.regions.altered.fetch_add(1, Ordering::SeqCst) < times
        {
            let mut bytes = part.bytes.to_vec();
            bytes[1000] ^= 1;
            part.bytes = bytes.into();
            return self.inner.put_part(upload, part).await;
        }
        self.call(self.inner.put_part(upload, part)).await
    }

    async fn complete_upload(&self, upload: &PartUpload, parts: &[UploadedPart]) -> Result<(), ServiceError> {
        self.call(self.inner.complete_upload(upload, parts)).await
    }

    async fn abort_upload(&self, upload: &PartUpload) -> Result<(), ServiceError> {
        self.call(self.inner.abort_upload(upload)).await
    }

    async fn delete_object(&self, object: &ObjectName) -> Result<(), ServiceError> {
        self.call(self.inner.delete_object(object)).await
    }

    async fn import_snapshot(&self, import: &NewImport) -> Result<String, ServiceError> {
        let mut import = import.clone();
        if let Act::Swap(key) = self.regions.act {
            key.clone_into(&mut import.object.key);
        }
        self.call(self.inner.import_snapshot(&import)).await
    }

    async fn import_task(&self, id: &str) -> Result<ImportTask, ServiceError> {
        self.call(self.inner.import_task(id)).await
    }

    async fn cancel_import(&self, id: &str) -> Result<(), ServiceError> {
        self.call(self.inner.cancel_import(id)).await
    }
}
