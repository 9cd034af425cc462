//! An operator: the clients of one process. Its calls fail, lose their answers, and end with its death, all by a seed.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use amiforge_lifecycle::api::sharing::{AllowedImages, PermissionChange, SharingCalls};
use amiforge_lifecycle::api::storage::{
    FastRestore, FastRestoreChange, NewLock, NewRestore, ObjectCalls, RestorePeriod, SnapshotLock,
    StorageCalls, StoreTask, TierStatus, ZoneFailure,
};
use amiforge_publish::api::ec2::{
    Cooldown, DescribedImage, Ec2, Grantee, ImageCopy, ImageQuery, NewImage, PublicAccess, Regions, Tags,
};
use amiforge_publish::api::{
    DescribedSnapshot, KeyRegions, Keys, KmsKey, SnapshotCalls, SnapshotState, Tier,
};
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use amiforge_publish::timer::PublishClock;

use super::chance::{Life, Rng, Yield};
use super::world::{Shared, World, refused};

/// How the calls of an operator fail.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    /// Percentage of calls that fail in passing.
    transient: u64,
    /// The call from which on all fail.
    outage: Option<u64>,
    /// The moment at which the operator dies: each call has one before its effect and one after it.
    kill_at: Option<u64>,
}

impl Faults {
    /// Faults by a random source, for a command of about so many moments.
    pub(crate) fn by(rng: &mut Rng, moments: u64) -> Self {
        Self {
            transient: [0, 0, 10, 30][rng.below(4) as usize],
            outage: rng.chance(25).then(|| rng.below(moments / 2)),
            kill_at: rng.chance(50).then(|| rng.below(moments)),
        }
    }
}

/// An operator.
#[derive(Debug, Clone)]
pub(crate) struct Operator(Arc<OperatorState>);

#[derive(Debug)]
struct OperatorState {
    world: Shared,
    rng: Mutex<Rng>,
    faults: Faults,
    calls: AtomicU64,
    life: Life,
}

impl Operator {
    pub(crate) fn new(world: &Shared, seed: u64, faults: Faults) -> Self {
        let life = Life::until(faults.kill_at);
        Self(Arc::new(OperatorState {
            world: world.clone(),
            rng: Mutex::new(Rng(seed)),
            faults,
            calls: AtomicU64::new(0),
            life,
        }))
    }

    /// Runs work until it ends; `None` if the operator dies first.
    pub(crate) async fn live<F: Future>(&self, work: F) -> Option<F::Output> {
        self.0.life.live(work).await
    }

    /// A call fails or has its effect, and its answer may be lost.
    async fn call<T: Send>(
        &self,
        effect: impl FnOnce(&mut World) -> Result<T, ServiceError> + Send,
    ) -> Result<T, ServiceError> {
        Yield(false).await;
        self.0.life.moment().await;
        let (call, faults) = (self.0.calls.fetch_add(1, Ordering::Relaxed), &self.0.faults);
        if faults.outage.is_some_and(|from| call >= from) {
            return Err(refused("InternalServerError", ServiceErrorKind::Service));
        }
        let roll = self.0.rng.lock().unwrap_or_else(PoisonError::into_inner).below(200);
        if roll < faults.transient {
            return Err(refused("RequestLimitExceeded", ServiceErrorKind::Throttled));
        }
        let answer = effect(&mut self.0.world.lock());
        self.0.life.moment().await;
        if roll < 2 * faults.transient {
            return Err(ServiceError::local(ServiceErrorKind::Transport, "connection closed"));
        }
        answer
    }
}

/// The clock of the service: sleeping advances it.
#[derive(Debug)]
pub(crate) struct WorldClock(pub(crate) Shared);

impl PublishClock for WorldClock {
    fn now(&self) -> Duration {
        self.0.lock().now()
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let world = self.0.clone();
        Box::pin(async move {
            Yield(false).await;
            world.lock().advance(time);
        })
    }
}

/// The clients of a region.
#[derive(Debug)]
pub(crate) struct Client {
    operator: Operator,
    region: String,
}

impl Regions for Operator {
    type Ec2 = Client;

    fn ec2(&self, region: &str) -> Client {
        Client { operator: self.clone(), region: region.to_owned() }
    }
}

impl KeyRegions for Operator {
    type Keys = Client;

    fn keys(&self, region: &str) -> Client {
        self.ec2(region)
    }
}

fn unused<T>() -> Result<T, ServiceError> {
    Err(refused("NotUsed", ServiceErrorKind::Refused))
}

impl Keys for Client {
    async fn key(&self, _: &str) -> Result<KmsKey, ServiceError> {
        unused()
    }
}

impl SnapshotCalls for Client {
    async fn describe_snapshot(&self, id: &str) -> Result<DescribedSnapshot, ServiceError> {
        let snapshot = DescribedSnapshot {
            id: id.to_owned(),
            state: SnapshotState::Completed,
            state_message: None,
            progress: None,
            volume_gib: 8,
            encrypted: false,
            kms_key: None,
            owner: None,
            started: 0,
            tags: Tags::new(),
            tier: Tier::Standard,
        };
        self.operator.call(|_| Ok(snapshot)).await
    }
    async fn describe_tagged_snapshots(
        &self,
        _: &[(&str, &str)],
    ) -> Result<Vec<DescribedSnapshot>, ServiceError> {
        unused()
    }
    async fn delete_snapshot(&self, _: &str) -> Result<(), ServiceError> {
        unused()
    }
    async fn encryption_by_default(&self) -> Result<bool, ServiceError> {
        unused()
    }
    async fn root_snapshot(&self, _: &str) -> Result<String, ServiceError> {
        unused()
    }
}

impl Ec2 for Client {
    async fn describe_images(&self, _: &ImageQuery) -> Result<Vec<DescribedImage>, ServiceError> {
        self.operator.call(|_| Ok(vec![World::image(&self.region)])).await
    }

    async fn launch_permissions(&self, _: &str) -> Result<Vec<Grantee>, ServiceError> {
        self.operator.call(|world| Ok(world.launch(&self.region))).await
    }

    async fn register_image(&self, _: &NewImage) -> Result<String, ServiceError> {
        unused()
    }
    async fn uefi_data(&self, _: &str) -> Result<Option<String>, ServiceError> {
        unused()
    }
    async fn add_launch_permissions(&self, _: &str, _: &[Grantee]) -> Result<(), ServiceError> {
        unused()
    }
    async fn snapshot_accounts(&self, _: &str) -> Result<Vec<String>, ServiceError> {
        unused()
    }
    async fn add_snapshot_accounts(&self, _: &str, _: &[String]) -> Result<(), ServiceError> {
        unused()
    }
    async fn copy_image(&self, _: &ImageCopy) -> Result<String, ServiceError> {
        unused()
    }
    async fn create_tags(&self, _: &[String], _: &Tags) -> Result<(), ServiceError> {
        unused()
    }
    async fn attach_watermark(&self, _: &str, _: &str) -> Result<String, ServiceError> {
        unused()
    }
    async fn enable_image_deprecation(&self, _: &str, _: &str) -> Result<(), ServiceError> {
        unused()
    }
    async fn enable_deregistration_protection(&self, _: &str, _: Cooldown) -> Result<(), ServiceError> {
        unused()
    }
    async fn disable_deregistration_protection(&self, _: &str) -> Result<(), ServiceError> {
        unused()
    }
    async fn deregister_image(&self, _: &str) -> Result<(), ServiceError> {
        unused()
    }
    async fn default_kms_key(&self) -> Result<String, ServiceError> {
        unused()
    }
    async fn image_public_access(&self) -> Result<PublicAccess, ServiceError> {
        unused()
    }
    async fn describe_regions(&self, _: &[String]) -> Result<Vec<String>, ServiceError> {
        unused()
    }
}

impl SharingCalls for Client {
    async fn change_launch_permissions(
        &self,
        _: &str,
        add: &[Grantee],
        remove: &[Grantee],
    ) -> Result<(), ServiceError> {
        let effect = |world: &mut World| {
            world.change_launch(&self.region, add, remove);
            Ok(())
        };
        self.operator.call(effect).await
    }

    async fn snapshot_grantees(&self, _: &str) -> Result<Vec<Grantee>, ServiceError> {
        self.operator.call(|world| Ok(world.snapshot(&self.region))).await
    }

    async fn change_snapshot_permissions(
        &self,
        _: &str,
        change: PermissionChange,
        who: &[Grantee],
    ) -> Result<(), ServiceError> {
        let (add, remove): (&[Grantee], &[Grantee]) = match change {
            PermissionChange::Add => (who, &[]),
            PermissionChange::Remove => (&[], who),
        };
        let effect = |world: &mut World| {
            world.change_snapshot(&self.region, add, remove);
            Ok(())
        };
        self.operator.call(effect).await
    }

    async fn cancel_launch_permission(&self, _: &str) -> Result<(), ServiceError> {
        unused()
    }
    async fn snapshot_public_access(&self) -> Result<String, ServiceError> {
        unused()
    }
    async fn allowed_images(&self) -> Result<AllowedImages, ServiceError> {
        unused()
    }
    async fn enabled_regions(&self) -> Result<Vec<String>, ServiceError> {
        unused()
    }
}

impl StorageCalls for Client {
    async fn create_store_task(&self, _: &str, _: &str, _: &Tags) -> Result<String, ServiceError> {
        self.operator.call(World::store).await.map(|()| "ami-a.bin".to_owned())
    }

    async fn store_tasks(&self, _: &str) -> Result<Vec<StoreTask>, ServiceError> {
        self.operator.call(|world| Ok(world.tasks())).await
    }

    async fn create_restore_task(&self, _: &NewRestore) -> Result<String, ServiceError> {
        unused()
    }
    async fn deregister_with_snapshots(&self, _: &str) -> Result<(), ServiceError> {
        unused()
    }
    async fn archive_snapshot(&self, _: &str) -> Result<(), ServiceError> {
        unused()
    }
    async fn restore_snapshot(&self, _: &str, _: RestorePeriod) -> Result<(), ServiceError> {
        unused()
    }
    async fn tier_status(&self, _: &str) -> Result<Option<TierStatus>, ServiceError> {
        unused()
    }
    async fn lock_snapshot(&self, _: &str, _: &NewLock) -> Result<(), ServiceError> {
        unused()
    }
    async fn unlock_snapshot(&self, _: &str) -> Result<(), ServiceError> {
        unused()
    }
    async fn snapshot_lock(&self, _: &str) -> Result<Option<SnapshotLock>, ServiceError> {
        unused()
    }
    async fn change_fast_restores(
        &self,
        _: &str,
        _: FastRestoreChange,
        _: &[String],
    ) -> Result<Vec<ZoneFailure>, ServiceError> {
        unused()
    }
    async fn fast_restores(&self, _: &str) -> Result<Vec<FastRestore>, ServiceError> {
        unused()
    }
    async fn zones(&self) -> Result<Vec<String>, ServiceError> {
        unused()
    }
}

impl ObjectCalls for Client {
    async fn bucket_region(&self, _: &str) -> Result<String, ServiceError> {
        self.operator.call(|_| Ok(self.region.clone())).await
    }

    async fn object_size(&self, _: &str, _: &str) -> Result<Option<u64>, ServiceError> {
        self.operator.call(|world| Ok(world.object())).await
    }
}
