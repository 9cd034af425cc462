//! The calls of EC2 for storage: converts the types of [`amiforge_lifecycle::api::storage`] to those of the service and
//! back.

use amiforge_lifecycle::api::storage::{
    FastRestore, FastRestoreChange, LockExpiry, NewLock, NewRestore, RestorePeriod, SnapshotLock,
    StorageCalls, StoreTask, TierStatus, ZoneFailure,
};
use amiforge_publish::api::ec2::Tags;
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};

use super::super::query::Timestamp;
use super::calls::images::DeregisterImage;
use super::calls::storage::{
    CreateRestoreImageTask, CreateStoreImageTask, DescribeStoreImageTasks, StoreImageTask,
};
use super::calls::tags::Filter;
use super::calls::tiers::{
    DescribeAvailabilityZones, DescribeFastSnapshotRestores, DescribeLockedSnapshots,
    DescribeSnapshotTierStatus, DisableFastSnapshotRestores, EnableFastSnapshotRestores, FastRestoreErrors,
    LockSnapshot, ModifySnapshotTier, RestoreSnapshotTier, UnlockSnapshot,
};
use super::{Ec2Client, inputs, missing_id};

/// Items per page of fast restores, the maximum of the service.
const MAX_RESULTS: u64 = 200;

impl StorageCalls for Ec2Client {
    async fn create_store_task(
        &self,
        image: &str,
        bucket: &str,
        tags: &Tags,
    ) -> Result<String, ServiceError> {
        let call = CreateStoreImageTask {
            image: image.to_owned(),
            bucket: bucket.to_owned(),
            tags: inputs::tags(tags),
        };
        let output = self.client.call(&call).await?;
        output.key.ok_or_else(|| missing_id("CreateStoreImageTask"))
    }

    async fn store_tasks(&self, image: &str) -> Result<Vec<StoreTask>, ServiceError> {
        let call =
            DescribeStoreImageTasks { images: vec![image.to_owned()], ..DescribeStoreImageTasks::default() };
        let output = self.client.call(&call).await?;
        Ok(output.tasks.into_iter().map(store_task).collect())
    }

    async fn create_restore_task(&self, restore: &NewRestore) -> Result<String, ServiceError> {
        let image = inputs::tag_specifications(&["image"], &restore.image_tags);
        let snapshot = inputs::tag_specifications(&["snapshot"], &restore.snapshot_tags);
        let call = CreateRestoreImageTask {
            bucket: restore.bucket.clone(),
            key: restore.key.clone(),
            name: Some(restore.name.clone()),
            tags: image.into_iter().chain(snapshot).collect(),
        };
        let output = self.client.call(&call).await?;
        output.id.ok_or_else(|| missing_id("CreateRestoreImageTask"))
    }

    async fn deregister_with_snapshots(&self, image: &str) -> Result<(), ServiceError> {
        let call = DeregisterImage { image: image.to_owned(), delete_snapshots: Some(true) };
        self.client.call(&call).await.map(drop)
    }

    async fn archive_snapshot(&self, snapshot: &str) -> Result<(), ServiceError> {
        let call = ModifySnapshotTier { id: snapshot.to_owned(), tier: "archive".to_owned() };
        self.client.call(&call).await.map(drop)
    }

    async fn restore_snapshot(&self, snapshot: &str, period: RestorePeriod) -> Result<(), ServiceError> {
        let (days, permanent) = match period {
            RestorePeriod::Days(days) => (Some(days), None),
            RestorePeriod::Permanent => (None, Some(true)),
        };
        let call = RestoreSnapshotTier { id: snapshot.to_owned(), days, permanent };
        self.client.call(&call).await.map(drop)
    }

    async fn tier_status(&self, snapshot: &str) -> Result<Option<TierStatus>, ServiceError> {
        let call = DescribeSnapshotTierStatus {
            filters: vec![filter("snapshot-id", snapshot)],
            ..DescribeSnapshotTierStatus::default()
        };
        let tiers = self.client.call_pages(call).await?;
        let tier = tiers.into_iter().find(|tier| tier.id.as_deref() == Some(snapshot));
        Ok(tier.map(|tier| TierStatus {
            tier: tier.tier.unwrap_or_default(),
            operation: tier.operation,
            progress: tier.progress,
            detail: tier.detail.filter(|detail| !detail.is_empty()),
            restored_until: text(tier.restored_until),
        }))
    }

    async fn lock_snapshot(&self, snapshot: &str, lock: &NewLock) -> Result<(), ServiceError> {
        let (duration, expires) = match &lock.expiry {
            LockExpiry::Days(days) => (Some(*days), None),
            LockExpiry::At(moment) => {
                let moment = Timestamp::parse(moment);
                let invalid = |error: super::super::query::MalformedResponse| {
                    ServiceError::local(ServiceErrorKind::Refused, error.to_string())
                };
                (None, Some(moment.map_err(invalid)?))
            }
        };
        let call = LockSnapshot {
            id: snapshot.to_owned(),
            mode: lock.mode.as_str().to_owned(),
            cool_off: lock.cool_off,
            duration,
            expires,
        };
        self.client.call(&call).await.map(drop)
    }

    async fn unlock_snapshot(&self, snapshot: &str) -> Result<(), ServiceError> {
        self.client.call(&UnlockSnapshot { id: snapshot.to_owned() }).await.map(drop)
    }

    async fn snapshot_lock(&self, snapshot: &str) -> Result<Option<SnapshotLock>, ServiceError> {
        let call =
            DescribeLockedSnapshots { ids: vec![snapshot.to_owned()], ..DescribeLockedSnapshots::default() };
        let output = self.client.call(&call).await?;
        let lock = output.locks.into_iter().find(|lock| lock.id.as_deref() == Some(snapshot));
        Ok(lock.map(|lock| SnapshotLock {
            state: lock.state.unwrap_or_default(),
            expires: text(lock.expires),
            cool_off_until: text(lock.cool_off_until),
        }))
    }

    async fn change_fast_restores(
        &self,
        snapshot: &str,
        change: FastRestoreChange,
        zones: &[String],
    ) -> Result<Vec<ZoneFailure>, ServiceError> {
        let (snapshots, zones) = (vec![snapshot.to_owned()], zones.to_vec());
        let output = match change {
            FastRestoreChange::Enable => {
                self.client.call(&EnableFastSnapshotRestores { snapshots, zones }).await?
            }
            FastRestoreChange::Disable => {
                self.client.call(&DisableFastSnapshotRestores { snapshots, zones }).await?
            }
        };
        Ok(output.unsuccessful.into_iter().flat_map(zone_failures).collect())
    }

    async fn fast_restores(&self, snapshot: &str) -> Result<Vec<FastRestore>, ServiceError> {
        let call = DescribeFastSnapshotRestores {
            filters: vec![filter("snapshot-id", snapshot)],
            max_results: Some(MAX_RESULTS),
            next_token: None,
        };
        let restores = self.client.call_pages(call).await?;
        let restore = |restore: super::calls::tiers::FastRestore| FastRestore {
            zone: restore.zone.unwrap_or_default(),
            state: restore.state.unwrap_or_default(),
        };
        Ok(restores.into_iter().map(restore).collect())
    }

    async fn zones(&self) -> Result<Vec<String>, ServiceError> {
        let call = DescribeAvailabilityZones { filters: vec![filter("zone-type", "availability-zone")] };
        Ok(self.client.call(&call).await?.zones.into_iter().filter_map(|zone| zone.name).collect())
    }
}

fn filter(name: &str, value: &str) -> Filter {
    Filter { name: name.to_owned(), values: vec![value.to_owned()] }
}

fn text(moment: Option<Timestamp>) -> Option<String> {
    moment.map(|moment| moment.as_str().to_owned())
}

fn store_task(task: StoreImageTask) -> StoreTask {
    StoreTask {
        image: task.image.unwrap_or_default(),
        bucket: task.bucket.unwrap_or_default(),
        key: task.key.unwrap_or_default(),
        state: task.state.unwrap_or_default(),
        progress: task.progress.unwrap_or(0),
        failure: task.failure.filter(|reason| !reason.is_empty()),
        started: task.started.map_or(0, |moment| moment.seconds),
    }
}

fn zone_failures(failed: FastRestoreErrors) -> Vec<ZoneFailure> {
    let failure = |failed: super::calls::tiers::FastRestoreError| {
        let error = failed.error.unwrap_or_default();
        ZoneFailure {
            zone: failed.zone.unwrap_or_default(),
            code: error.code.unwrap_or_default(),
            message: error.message.unwrap_or_default(),
        }
    };
    failed.errors.into_iter().map(failure).collect()
}
