//! An operator: the clients of one process. Its calls fail, lose their answers, and end with its death, all by a seed.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use amiforge_image::image::Aggregate;
use amiforge_publish::api::{
    ChangedPage, DescribedSnapshot, Ebs, FetchedBlock, ListedBlock, ListedPage, NewSnapshotCopy, PutBlock,
    SnapshotCalls, SnapshotCopies, StartSnapshot, StartedSnapshot,
};
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use amiforge_publish::services::Services;
use amiforge_publish::timer::{PublishClock, Timer};

use super::chance::{Life, Rng, Yield};
use super::world::{BLOCKS, REGION, Shared, World, block, digest, refused};

/// How the calls of an operator fail.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    /// Percentage of calls that fail in passing, before or after their effect.
    transient: u64,
    /// The call from which on all fail.
    outage: Option<u64>,
    /// The moment at which the operator dies: each call has one before its effect and one after it.
    kill_at: Option<u64>,
}

impl Faults {
    /// A death at a moment, and no other fault.
    pub(crate) fn killed_at(moment: u64) -> Self {
        Self { kill_at: Some(moment), ..Self::default() }
    }

    /// Faults by a random source.
    pub(crate) fn by(rng: &mut Rng) -> Self {
        Self {
            transient: [0, 0, 5, 20, 40][rng.below(5) as usize],
            outage: rng.chance(25).then(|| rng.below(24)),
            kill_at: rng.chance(60).then(|| rng.below(48)),
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
        let (rng, calls) = (Mutex::new(Rng(seed)), AtomicU64::new(0));
        let life = Life::until(faults.kill_at);
        Self(Arc::new(OperatorState { world: world.clone(), rng, faults, calls, life }))
    }

    /// The clients of a region.
    pub(crate) fn services(&self, seed: u64) -> Services<Self, Self> {
        Services {
            ebs: Arc::new(self.clone()),
            ec2: Arc::new(self.clone()),
            timer: Timer::new(Arc::new(WorldClock(self.0.world.clone())), seed),
            region: REGION.to_owned(),
        }
    }

    /// Runs work until it ends; `None` if the operator dies first.
    pub(crate) async fn live<F: Future>(&self, work: F) -> Option<F::Output> {
        self.0.life.live(work).await
    }

    /// A moment between calls at which the operator may die.
    pub(crate) async fn moment(&self) {
        self.0.life.moment().await;
    }

    fn below(&self, end: u64) -> u64 {
        self.0.rng.lock().unwrap_or_else(PoisonError::into_inner).below(end)
    }

    /// A call fails or has its effect, and its answer may be lost. Others have their turns before it.
    async fn call<T: Send>(
        &self,
        effect: impl FnOnce(&mut World) -> Result<T, ServiceError> + Send,
    ) -> Result<T, ServiceError> {
        for _ in 0..=self.below(3) {
            Yield(false).await;
        }
        self.0.life.moment().await;
        let (call, faults) = (self.0.calls.fetch_add(1, Ordering::Relaxed), &self.0.faults);
        if faults.outage.is_some_and(|from| call >= from) {
            return Err(refused("InternalError", ServiceErrorKind::Service, "an outage"));
        }
        let roll = self.below(200);
        if roll < faults.transient {
            return Err(refused("RequestLimitExceeded", ServiceErrorKind::Throttled, "slow down"));
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
struct WorldClock(Shared);

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

fn unused<T>() -> Result<T, ServiceError> {
    Err(refused("NotUsed", ServiceErrorKind::Refused, "not used"))
}

impl SnapshotCalls for Operator {
    async fn describe_snapshot(&self, id: &str) -> Result<DescribedSnapshot, ServiceError> {
        self.call(|world| world.describe(id)).await
    }

    async fn describe_tagged_snapshots(
        &self,
        tags: &[(&str, &str)],
    ) -> Result<Vec<DescribedSnapshot>, ServiceError> {
        self.call(|world| Ok(world.listed(tags))).await
    }

    async fn delete_snapshot(&self, id: &str) -> Result<(), ServiceError> {
        self.call(|world| world.delete(id)).await
    }

    async fn encryption_by_default(&self) -> Result<bool, ServiceError> {
        unused()
    }
    async fn root_snapshot(&self, _: &str) -> Result<String, ServiceError> {
        unused()
    }
}

impl SnapshotCopies for Operator {
    async fn copy_snapshot(&self, copy: &NewSnapshotCopy) -> Result<String, ServiceError> {
        self.call(|world| Ok(world.copy(copy))).await
    }
}

impl Ebs for Operator {
    async fn list_blocks(
        &self,
        snapshot: &str,
        from: u64,
        _: Option<String>,
    ) -> Result<ListedPage, ServiceError> {
        let page = |world: &mut World| {
            world.readable(snapshot)?;
            let listed = BLOCKS.into_iter().filter(|index| *index >= from);
            let blocks = listed.map(|index| ListedBlock { index, token: index.to_string() }).collect();
            Ok(ListedPage { blocks, volume_gib: 1, next: None })
        };
        self.call(page).await
    }

    async fn read_block(&self, snapshot: &str, index: u64, _: &str) -> Result<FetchedBlock, ServiceError> {
        let read = |world: &mut World| {
            world.readable(snapshot)?;
            Ok(FetchedBlock { bytes: block(index), digest: digest(index) })
        };
        self.call(read).await
    }

    async fn start_snapshot(&self, _: &StartSnapshot) -> Result<StartedSnapshot, ServiceError> {
        unused()
    }
    async fn put_block(&self, _: &str, _: PutBlock) -> Result<(), ServiceError> {
        unused()
    }
    async fn complete_snapshot(&self, _: &str, _: Aggregate) -> Result<(), ServiceError> {
        unused()
    }
    async fn list_changed_blocks(
        &self,
        _: &str,
        _: &str,
        _: Option<String>,
    ) -> Result<ChangedPage, ServiceError> {
        unused()
    }
}
