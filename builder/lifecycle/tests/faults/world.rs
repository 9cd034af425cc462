//! The service: who may use an image and its snapshot in each region, and the tasks that store the image.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amiforge_lifecycle::api::storage::StoreTask;
use amiforge_publish::api::ec2::{DescribedImage, DeviceMapping, Grantee};
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};

/// How long reads show what was before a write.
const LAG: Duration = Duration::from_secs(2);
/// How long a task takes.
const TASK: Duration = Duration::from_secs(40);
pub(crate) const BUCKET: &str = "backups";

/// Permissions over time: each list with the moment from which it holds.
#[derive(Debug, Clone, Default)]
struct Permissions(Vec<(Duration, Vec<Grantee>)>);

impl Permissions {
    fn now(&self) -> Vec<Grantee> {
        self.0.last().map(|(_, who)| who.clone()).unwrap_or_default()
    }

    fn seen(&self, now: Duration) -> Vec<Grantee> {
        let seen = self.0.iter().rev().find(|(since, _)| *since + LAG <= now || since.is_zero());
        seen.map(|(_, who)| who.clone()).unwrap_or_default()
    }
}

#[derive(Debug, Default)]
pub(crate) struct World {
    now: Duration,
    launch: BTreeMap<String, Permissions>,
    snapshots: BTreeMap<String, Permissions>,
    /// Tasks with their beginnings, and whether they fail.
    tasks: Vec<(Duration, bool)>,
    /// The first task fails.
    pub(crate) fails_first: bool,
    /// Number of changes of permissions.
    pub(crate) writes: u64,
    pub(crate) violations: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn refused(code: &str, kind: ServiceErrorKind) -> ServiceError {
    ServiceError { code: Some(code.to_owned()), ..ServiceError::local(kind, code) }
}

impl World {
    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    pub(crate) fn advance(&mut self, time: Duration) {
        self.now += time;
    }

    /// Sets what holds from the beginning.
    pub(crate) fn begin(&mut self, region: &str, who: &[Grantee]) {
        for permissions in [&mut self.launch, &mut self.snapshots] {
            permissions.insert(region.to_owned(), Permissions(vec![(Duration::ZERO, who.to_vec())]));
        }
    }

    pub(crate) fn image(region: &str) -> DescribedImage {
        let root = DeviceMapping {
            device: "/dev/xvda".to_owned(),
            snapshot: Some(format!("snap-{region}")),
            ..DeviceMapping::default()
        };
        DescribedImage {
            id: format!("ami-{region}"),
            name: Some("web-1".to_owned()),
            state: "available".to_owned(),
            virtualization: Some("hvm".to_owned()),
            root_device: Some("/dev/xvda".to_owned()),
            mappings: vec![root],
            ..DescribedImage::default()
        }
    }

    /// Who may launch, and who may use the snapshot, as they really are.
    pub(crate) fn held(&self, region: &str) -> (Vec<Grantee>, Vec<Grantee>) {
        (self.launch[region].now(), self.snapshots[region].now())
    }

    pub(crate) fn launch(&self, region: &str) -> Vec<Grantee> {
        self.launch[region].seen(self.now)
    }

    pub(crate) fn snapshot(&self, region: &str) -> Vec<Grantee> {
        self.snapshots[region].seen(self.now)
    }

    pub(crate) fn change_launch(&mut self, region: &str, add: &[Grantee], remove: &[Grantee]) {
        let now = self.now;
        change(self.launch.get_mut(region), now, add, remove);
        self.count(region);
    }

    pub(crate) fn change_snapshot(&mut self, region: &str, add: &[Grantee], remove: &[Grantee]) {
        let now = self.now;
        change(self.snapshots.get_mut(region), now, add, remove);
        self.count(region);
    }

    /// Nobody may read a snapshot without its image.
    fn count(&mut self, region: &str) {
        self.writes += 1;
        let (launch, snapshot) = self.held(region);
        if let Some(who) = snapshot.iter().find(|who| !launch.contains(who)) {
            self.violations.push(format!("{region}: {who} may use the snapshot and not launch the image"));
        }
    }

    pub(crate) fn store(&mut self) -> Result<(), ServiceError> {
        if self.tasks().iter().any(|task| task.state == "InProgress") {
            return Err(refused("IncorrectState", ServiceErrorKind::Refused));
        }
        let fails = self.fails_first && self.tasks.is_empty();
        self.tasks.push((self.now, fails));
        Ok(())
    }

    pub(crate) fn tasks(&self) -> Vec<StoreTask> {
        let task = |(begun, fails): &(Duration, bool)| {
            let ended = self.now >= *begun + TASK;
            StoreTask {
                image: "ami-a".to_owned(),
                bucket: BUCKET.to_owned(),
                key: "ami-a.bin".to_owned(),
                state: match (ended, fails) {
                    (false, _) => "InProgress",
                    (true, true) => "Failed",
                    (true, false) => "Completed",
                }
                .to_owned(),
                failure: (ended && *fails).then(|| "on purpose".to_owned()),
                started: begun.as_secs() as i64,
                ..StoreTask::default()
            }
        };
        self.tasks.iter().map(task).collect()
    }

    /// The size of the object, once a task is completed.
    pub(crate) fn object(&self) -> Option<u64> {
        self.tasks().iter().any(|task| task.state == "Completed").then_some(7)
    }

    /// Number of tasks that did not fail.
    pub(crate) fn stored(&self) -> usize {
        self.tasks.iter().filter(|(_, fails)| !fails).count()
    }
}

fn change(of: Option<&mut Permissions>, now: Duration, add: &[Grantee], remove: &[Grantee]) {
    let Some(permissions) = of else { return };
    let mut who = permissions.now();
    who.retain(|one| !remove.contains(one));
    who.extend(add.iter().filter(|one| !who.contains(one)).cloned().collect::<Vec<_>>());
    who.sort();
    permissions.0.push((now.max(Duration::from_millis(1)), who));
}
