//! EC2 and the other services of the made-up account, with a kill, a fault or another operator at any call.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};

use amiforge_publish::api::ec2::{
    Cooldown, DescribedImage, Ec2, Grantee, ImageCopy, ImageQuery, NewImage, PublicAccess, Tags,
};
use amiforge_publish::api::{DescribedSnapshot, SnapshotCalls};
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use tokio::sync::Notify;

use super::operator::OperatorAction;
use super::state::{DAY, State, time};

pub(super) type Answer<T> = Result<T, ServiceError>;

/// What happens at a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The program is killed, before the call has its effect or after it.
    Kill { effect: bool },
    /// The call fails, before it has its effect or after it.
    Fault { kind: ServiceErrorKind, effect: bool },
    /// Another operator does something just before.
    Operator { action: OperatorAction, image: String },
}

/// The services.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fake {
    state: Arc<Mutex<State>>,
    events: Arc<Mutex<BTreeMap<u64, Event>>>,
    killed: Arc<Notify>,
}

impl Fake {
    pub(crate) fn new(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)), ..Self::default() }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Sets what happens at which of the calls from now on, counted from 1.
    pub(crate) fn set_events(&self, events: &[(u64, Event)]) {
        let before = self.state().calls;
        *self.events.lock().unwrap() =
            events.iter().map(|(call, event)| (before + call, event.clone())).collect();
    }

    /// Returns when the program is killed.
    pub(crate) async fn killed(&self) {
        self.killed.notified().await;
    }

    pub(super) async fn call<T>(&self, effect: impl FnOnce(&mut State) -> Answer<T>) -> Answer<T> {
        let event = {
            let mut state = self.state();
            state.calls += 1;
            self.events.lock().unwrap().remove(&state.calls)
        };
        match event {
            None => effect(&mut self.state()),
            Some(Event::Operator { action, image }) => {
                let mut state = self.state();
                action.apply(&mut state, &image);
                effect(&mut state)
            }
            Some(Event::Fault { kind, effect: happens }) => {
                if happens {
                    let _ = effect(&mut self.state());
                }
                Err(ServiceError::local(kind, "injected"))
            }
            Some(Event::Kill { effect: happens }) => {
                if happens {
                    let _ = effect(&mut self.state());
                }
                self.killed.notify_one();
                pending().await
            }
        }
    }
}

pub(super) fn missing<T>(what: &str) -> Answer<T> {
    Err(ServiceError::local(ServiceErrorKind::NotFound, format!("{what} does not exist")))
}

pub(super) fn refused<T>(why: impl Into<String>) -> Answer<T> {
    Err(ServiceError::local(ServiceErrorKind::Refused, why))
}

/// Calls that the clean-up never makes.
pub(super) fn unexpected<T>(call: &str) -> Answer<T> {
    refused(format!("{call} is not expected"))
}

pub(super) fn edit(state: &mut State, id: &str, change: impl FnOnce(&mut DescribedImage)) -> Answer<()> {
    match state.images.get_mut(id) {
        Some(image) => {
            change(image);
            Ok(())
        }
        None => missing(id),
    }
}

fn matches(image: &DescribedImage, query: &ImageQuery) -> bool {
    let by_id = query.ids.is_empty() || query.ids.contains(&image.id);
    by_id
        && query.filters.iter().all(|filter| {
            let value = |text: &str| filter.values.iter().any(|value| value == text);
            match filter.name.as_str() {
                "tag-key" => image.tags.keys().any(|key| value(key)),
                "block-device-mapping.snapshot-id" => image.snapshots().iter().any(|id| value(id)),
                name => {
                    let key = name.strip_prefix("tag:").unwrap();
                    image.tags.get(key).is_some_and(|tag| value(tag))
                }
            }
        })
}

impl SnapshotCalls for Fake {
    async fn describe_snapshot(&self, id: &str) -> Answer<DescribedSnapshot> {
        self.call(|state| match state.snapshots.get(id) {
            Some(one) => Ok(DescribedSnapshot {
                id: one.id.clone(),
                state: amiforge_publish::api::SnapshotState::Completed,
                state_message: None,
                progress: None,
                volume_gib: one.volume_gib,
                encrypted: one.encrypted,
                kms_key: None,
                owner: None,
                started: one.started,
                tags: one.tags.clone(),
                tier: amiforge_publish::api::Tier::Standard,
            }),
            None => missing(id),
        })
        .await
    }

    async fn describe_tagged_snapshots(&self, _tags: &[(&str, &str)]) -> Answer<Vec<DescribedSnapshot>> {
        unexpected("DescribeSnapshots")
    }

    async fn delete_snapshot(&self, id: &str) -> Answer<()> {
        self.call(|state| {
            if !state.snapshots.contains_key(id) {
                return missing(id);
            }
            if let Some(user) = state.users(id).first() {
                return Err(ServiceError::local(ServiceErrorKind::InUse, format!("{user} uses {id}")));
            }
            if state.locked.contains(id) {
                state.violations.push(format!("DeleteSnapshot of {id}, which is locked"));
            }
            state.discard_snapshot(id);
            Ok(())
        })
        .await
    }

    async fn encryption_by_default(&self) -> Answer<bool> {
        unexpected("GetEbsEncryptionByDefault")
    }

    async fn root_snapshot(&self, _image: &str) -> Answer<String> {
        unexpected("DescribeImages")
    }
}

impl Ec2 for Fake {
    async fn register_image(&self, _image: &NewImage) -> Answer<String> {
        unexpected("RegisterImage")
    }

    async fn describe_images(&self, query: &ImageQuery) -> Answer<Vec<DescribedImage>> {
        self.call(|state| {
            if query.filters.iter().any(|filter| filter.name.starts_with("tag")) {
                state.listed = state.calls;
            }
            if let Some(id) = query.ids.iter().find(|id| !state.images.contains_key(*id)) {
                return missing(id);
            }
            Ok(state.images.values().filter(|image| matches(image, query)).cloned().collect())
        })
        .await
    }

    async fn launch_permissions(&self, image: &str) -> Answer<Vec<Grantee>> {
        self.call(|state| match state.images.contains_key(image) {
            true => Ok(state.grants.get(image).cloned().unwrap_or_default()),
            false => missing(image),
        })
        .await
    }

    async fn uefi_data(&self, _image: &str) -> Answer<Option<String>> {
        unexpected("DescribeImageAttribute")
    }

    async fn add_launch_permissions(&self, image: &str, who: &[Grantee]) -> Answer<()> {
        self.call(|state| {
            if state.images.get(image).is_none_or(|image| image.state != "available") {
                return refused(format!("{image} cannot be shared"));
            }
            let grants = state.grants.entry(image.to_owned()).or_default();
            for one in who {
                if !grants.contains(one) {
                    grants.push(one.clone());
                }
            }
            Ok(())
        })
        .await
    }

    async fn snapshot_accounts(&self, _snapshot: &str) -> Answer<Vec<String>> {
        unexpected("DescribeSnapshotAttribute")
    }

    async fn add_snapshot_accounts(&self, _snapshot: &str, _accounts: &[String]) -> Answer<()> {
        unexpected("ModifySnapshotAttribute")
    }

    async fn copy_image(&self, _copy: &ImageCopy) -> Answer<String> {
        unexpected("CopyImage")
    }

    async fn create_tags(&self, resources: &[String], tags: &Tags) -> Answer<()> {
        self.call(|state| {
            for id in resources {
                let known = state.images.contains_key(id) || state.snapshots.contains_key(id);
                if !known {
                    return missing(id);
                }
            }
            for id in resources {
                let image = state.images.get_mut(id).map(|image| &mut image.tags);
                let of = image.or_else(|| state.snapshots.get_mut(id).map(|one| &mut one.tags)).unwrap();
                of.extend(tags.clone());
            }
            Ok(())
        })
        .await
    }

    async fn attach_watermark(&self, _: &str, _: &str) -> Answer<String> {
        refused("No watermark is attached here.")
    }

    async fn enable_image_deprecation(&self, image: &str, at: &str) -> Answer<()> {
        self.call(|state| {
            let now = time(state.now);
            if at < now.as_str() {
                return refused("The deprecation date must be in the future.");
            }
            edit(state, image, |image| image.deprecation_time = Some(at.to_owned()))
        })
        .await
    }

    async fn enable_deregistration_protection(&self, _image: &str, _cooldown: Cooldown) -> Answer<()> {
        unexpected("EnableImageDeregistrationProtection")
    }

    async fn disable_deregistration_protection(&self, _image: &str) -> Answer<()> {
        unexpected("DisableImageDeregistrationProtection")
    }

    async fn deregister_image(&self, image: &str) -> Answer<()> {
        self.call(|state| deregister(state, image)).await
    }

    async fn default_kms_key(&self) -> Answer<String> {
        unexpected("GetEbsDefaultKmsKeyId")
    }

    async fn image_public_access(&self) -> Answer<PublicAccess> {
        unexpected("GetImageBlockPublicAccessState")
    }

    async fn describe_regions(&self, _names: &[String]) -> Answer<Vec<String>> {
        unexpected("DescribeRegions")
    }
}

pub(super) fn deregister(state: &mut State, id: &str) -> Answer<()> {
    let Some(image) = state.images.get(id).cloned() else { return missing(id) };
    if image.deregistration_protection.as_deref() != Some("disabled") {
        return refused("it is protected");
    }
    state.judge("DeregisterImage", id);
    state.images.remove(id);
    if state.recycles {
        state.image_bin.insert(id.to_owned(), image);
    }
    Ok(())
}

/// The time a number of days later.
pub(crate) fn later(fake: &Fake, days: i64) {
    fake.state().now += days * DAY;
}
