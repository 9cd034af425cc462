//! An operator: the clients of one process over the shared regions. Its calls fail, lose their answers, take turns with
//! those of others, and end with its death, all by a seed.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use amiforge_lifecycle::api::parameters::{
    NewVersion, Parameter, ParameterRegions, ParameterVersion, Parameters,
};
use amiforge_publish::api::ec2::{
    Cooldown, DescribedImage, Ec2, Grantee, ImageCopy, ImageQuery, NewImage, PublicAccess, Regions, Tags,
};
use amiforge_publish::api::{DescribedSnapshot, SnapshotCalls};
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use amiforge_publish::timer::PublishClock;

use super::chance::{Life, Rng, Yield};
use super::world::{Shared, World, refused};

/// How the calls of an operator fail.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    /// Percentage of calls that fail in passing.
    pub(crate) transient: u64,
    /// A region whose calls fail from this call of the operator on.
    pub(crate) outage: Option<(String, u64)>,
    /// A call, such as `put`, that this operator has no permission for in any region.
    pub(crate) denied: Option<&'static str>,
    /// The moment at which the operator dies: each call has one before its effect and one after it.
    pub(crate) kill_at: Option<u64>,
}

/// An operator.
#[derive(Debug, Clone)]
pub(crate) struct Operator(Arc<OperatorState>);

#[derive(Debug)]
struct OperatorState {
    name: &'static str,
    world: Shared,
    rng: Mutex<Rng>,
    faults: Faults,
    calls: AtomicU64,
    life: Life,
}

impl Operator {
    pub(crate) fn new(name: &'static str, world: &Shared, seed: u64, faults: Faults) -> Self {
        let life = Life::until(faults.kill_at);
        Self(Arc::new(OperatorState {
            name,
            world: world.clone(),
            rng: Mutex::new(Rng(seed)),
            faults,
            calls: AtomicU64::new(0),
            life,
        }))
    }

    fn below(&self, end: u64) -> u64 {
        self.0.rng.lock().unwrap_or_else(PoisonError::into_inner).below(end)
    }

    /// Runs work until it ends; `None` if the operator dies first.
    pub(crate) async fn live<F: Future>(&self, work: F) -> Option<F::Output> {
        self.0.life.live(work).await
    }

    /// A call in a region: others have turns before it, then it fails or has its effect, and its answer may be lost.
    async fn call<T: Send>(
        &self,
        region: &str,
        action: &'static str,
        effect: impl FnOnce(&mut World) -> Result<T, ServiceError> + Send,
    ) -> Result<T, ServiceError> {
        for _ in 0..self.below(3) {
            Yield(false).await;
        }
        self.0.life.moment().await;
        let call = self.0.calls.fetch_add(1, Ordering::Relaxed);
        let faults = &self.0.faults;
        if faults.denied == Some(action) {
            return Err(refused("AccessDeniedException", ServiceErrorKind::Denied));
        }
        if faults.outage.as_ref().is_some_and(|(out, from)| out == region && call >= *from) {
            return Err(refused("InternalServerError", ServiceErrorKind::Service));
        }
        let transient = self.below(100) < faults.transient;
        if transient && self.below(2) == 0 {
            return Err(refused("ThrottlingException", ServiceErrorKind::Throttled));
        }
        let answer = {
            let mut world = self.0.world.lock();
            world.count_call();
            let before = world.held();
            let answer = effect(&mut world);
            let after = world.held();
            for (was, is) in before.chars().zip(after.chars()) {
                if was != '-' && is == '-' && action != "delete" {
                    world.violations.push(format!("{action} of {}: {before} became {after}", self.0.name));
                }
            }
            answer
        };
        self.0.life.moment().await;
        if transient {
            return Err(ServiceError::local(ServiceErrorKind::Transport, "connection closed"));
        }
        answer
    }
}

/// The clock of the regions: sleeping advances it.
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

impl ParameterRegions for Operator {
    type Parameters = Client;

    fn parameters(&self, region: &str) -> Client {
        self.ec2(region)
    }
}

impl Parameters for Client {
    async fn put(&self, version: &NewVersion) -> Result<u64, ServiceError> {
        let user = self.operator.0.name;
        let effect = |world: &mut World| world.put(&self.region, version, user);
        self.operator.call(&self.region, "put", effect).await
    }

    async fn parameter(&self, name: &str) -> Result<Parameter, ServiceError> {
        let effect = |world: &mut World| world.parameter(&self.region, name);
        self.operator.call(&self.region, "parameter", effect).await
    }

    async fn parameters_below(&self, path: &str) -> Result<Vec<Parameter>, ServiceError> {
        let effect = |world: &mut World| Ok(world.below(&self.region, path));
        self.operator.call(&self.region, "below", effect).await
    }

    async fn history(&self, name: &str) -> Result<Vec<ParameterVersion>, ServiceError> {
        let effect = |world: &mut World| world.history(&self.region, name);
        self.operator.call(&self.region, "history", effect).await
    }

    async fn label(&self, name: &str, version: u64, labels: &[String]) -> Result<Vec<String>, ServiceError> {
        let effect = |world: &mut World| world.label(&self.region, name, version, labels);
        self.operator.call(&self.region, "label", effect).await.map(|()| Vec::new())
    }

    async fn unlabel(&self, name: &str, version: u64, labels: &[String]) -> Result<(), ServiceError> {
        let effect = |world: &mut World| {
            world.unlabel(&self.region, name, version, labels);
            Ok(())
        };
        self.operator.call(&self.region, "unlabel", effect).await
    }

    async fn delete(&self, name: &str) -> Result<(), ServiceError> {
        let effect = |world: &mut World| world.delete(&self.region, name);
        self.operator.call(&self.region, "delete", effect).await
    }
}

fn unused<T>() -> Result<T, ServiceError> {
    Err(refused("NotUsed", ServiceErrorKind::Refused))
}

impl SnapshotCalls for Client {
    async fn describe_snapshot(&self, _: &str) -> Result<DescribedSnapshot, ServiceError> {
        unused()
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
    async fn describe_images(&self, query: &ImageQuery) -> Result<Vec<DescribedImage>, ServiceError> {
        let effect = |world: &mut World| {
            if let [id] = query.ids.as_slice() {
                let image = world.image(&self.region, id);
                let missing = || refused("InvalidAMIID.NotFound", ServiceErrorKind::NotFound);
                return image.map(|image| vec![image]).ok_or_else(missing);
            }
            let mut images = world.images(&self.region);
            for filter in &query.filters {
                images.retain(|image| {
                    let value = match filter.name.strip_prefix("tag:") {
                        Some(key) => image.tags.get(key),
                        None if filter.name == "image-id" => Some(&image.id),
                        None => image.source_image.as_ref(),
                    };
                    value.is_some_and(|value| filter.values.contains(value))
                });
            }
            Ok(images)
        };
        self.operator.call(&self.region, "describe", effect).await
    }

    async fn launch_permissions(&self, _: &str) -> Result<Vec<Grantee>, ServiceError> {
        let account = Grantee::Account("111122223333".to_owned());
        self.operator.call(&self.region, "permissions", |_| Ok(vec![account])).await
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
