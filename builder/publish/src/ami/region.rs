//! A region that AMIs are made in: its EC2, the pace at which it is asked, and who listens meanwhile.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use amiforge_progress::{Monitor, Progress};

use super::{AmiError, wait};
use crate::api::SnapshotState;
use crate::api::ec2::{DescribedImage, Ec2, ImageQuery};
use crate::backoff::Pace;
use crate::fault::{ServiceError, ServiceErrorKind};
use crate::retry::{CallStep, FaultListener, GaveUp, NoListener, retry};

/// The first wait between two questions, and the longest.
const BETWEEN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(15)];
/// How often an interrupt is looked at while waiting.
const GLANCE: Duration = Duration::from_millis(200);

/// A region.
pub struct AmiRegion<'a, C> {
    /// Its name.
    pub name: &'a str,
    /// Its EC2.
    pub ec2: &'a C,
    /// The clock and the chance.
    pub pace: &'a Pace,
    /// Receives progress and cancels the work.
    pub monitor: Monitor<'a>,
}

impl<C: Ec2> AmiRegion<'_, C> {
    /// Calls as [`CallStep::Ask`] says.
    pub(super) async fn ask<T, F, G>(&self, doing: &str, call: G) -> Result<T, AmiError>
    where
        G: FnMut() -> F,
        F: Future<Output = Result<T, ServiceError>>,
    {
        self.step(CallStep::Ask, doing, call).await
    }

    /// Calls about something that may not be known to all of the service yet.
    pub(super) async fn ask_fresh<T, F, G>(&self, doing: &str, call: G) -> Result<T, AmiError>
    where
        G: FnMut() -> F,
        F: Future<Output = Result<T, ServiceError>>,
    {
        self.step(CallStep::AskFresh, doing, call).await
    }

    /// Deletes something that others may use for a moment more.
    pub(super) async fn delete<T, F, G>(&self, doing: &str, call: G) -> Result<T, AmiError>
    where
        G: FnMut() -> F,
        F: Future<Output = Result<T, ServiceError>>,
    {
        self.step(CallStep::Delete, doing, call).await
    }

    /// Calls as `step` says.
    pub(super) async fn step<T, F, G>(&self, step: CallStep, doing: &str, call: G) -> Result<T, AmiError>
    where
        G: FnMut() -> F,
        F: Future<Output = Result<T, ServiceError>>,
    {
        self.watched(step, doing, &NoListener, call).await
    }

    async fn watched<T, F, G>(
        &self,
        step: CallStep,
        doing: &str,
        watch: &impl FaultListener,
        call: G,
    ) -> Result<T, AmiError>
    where
        G: FnMut() -> F,
        F: Future<Output = Result<T, ServiceError>>,
    {
        let done = retry(&self.pace.stopped_by(self.monitor.cancel), step, watch, call).await;
        done.map_err(|source| match source.fault.kind {
            ServiceErrorKind::Interrupted => AmiError::Interrupted,
            _ => AmiError::Call { doing: format!("{doing} in {}", self.name), source },
        })
    }

    /// Asks for something that the user names, or that can be done without: soon given up.
    pub(super) async fn probe<T, F, G>(&self, doing: &str, call: G) -> Result<T, AmiError>
    where
        G: FnMut() -> F,
        F: Future<Output = Result<T, ServiceError>>,
    {
        self.step(CallStep::Probe, doing, call).await
    }

    /// Copies an image; a quota of copies that is used up is waited for, for as long as `wait`.
    pub(super) async fn copy<T, F, G>(&self, wait: Duration, doing: &str, call: G) -> Result<T, AmiError>
    where
        G: FnMut() -> F,
        F: Future<Output = Result<T, ServiceError>>,
    {
        let queue = CopyQueueNotice {
            region: self.name,
            progress: self.monitor.progress,
            told: AtomicBool::new(false),
        };
        self.watched(CallStep::Copy { wait }, doing, &queue, call).await
    }

    /// The account's AMI of a name.
    pub(super) async fn by_name(&self, name: &str) -> Result<Option<DescribedImage>, AmiError> {
        let query = ImageQuery::by_name(name);
        let found =
            self.ask(&format!("looking for an AMI `{name}`"), || self.ec2.describe_images(&query)).await?;
        // A filter of the service could be less exact than we are.
        Ok(found.into_iter().find(|image| image.name.as_deref() == Some(name)))
    }

    /// The account's AMI of a name that the service says is taken: asked for until it is told of.
    pub(super) async fn taken(&self, name: &str) -> Result<DescribedImage, AmiError> {
        let query = ImageQuery::by_name(name);
        self.ask_fresh(&format!("looking for the AMI `{name}`, whose name is taken,"), || async {
            let found = self.ec2.describe_images(&query).await?;
            let found = found.into_iter().find(|image| image.name.as_deref() == Some(name));
            found.ok_or_else(|| {
                ServiceError::own(ServiceErrorKind::NotFound, format!("no AMI `{name}` is listed"))
            })
        })
        .await
    }

    /// The AMI of an id, asked for until it is known.
    pub async fn image(&self, id: &str) -> Result<DescribedImage, AmiError> {
        self.ask_fresh(&format!("asking for {id}"), || self.one(id)).await
    }

    /// The AMI of an id, if there is one.
    pub(super) async fn known(&self, id: &str) -> Result<Option<DescribedImage>, AmiError> {
        match self.ask(&format!("asking for {id}"), || self.one(id)).await {
            Ok(image) => Ok(Some(image)),
            Err(AmiError::Call { source: GaveUp { fault, .. }, .. })
                if fault.kind == ServiceErrorKind::NotFound =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn one(&self, id: &str) -> Result<DescribedImage, ServiceError> {
        let found = self.ec2.describe_images(&ImageQuery::by_id(id)).await?;
        let found = found.into_iter().find(|image| image.id == id);
        found.ok_or_else(|| {
            ServiceError::own(ServiceErrorKind::NotFound, format!("the AMI {id} does not exist"))
        })
    }

    /// Waits until an AMI can be launched.
    ///
    /// # Errors
    /// [`AmiError::Failed`] with the service's words, [`AmiError::StillPending`] after `limit`.
    pub(super) async fn until_available(
        &self,
        id: &str,
        limit: Duration,
    ) -> Result<DescribedImage, AmiError> {
        let (begun, mut between, mut told) = (self.pace.now(), BETWEEN[0], String::new());
        loop {
            let image = self.image(id).await?;
            let waited = self.pace.now().saturating_sub(begun);
            let (image_id, region, state) = (id.to_owned(), self.name.to_owned(), image.state.clone());
            match image.state.as_str() {
                "available" => return Ok(image),
                "pending" if waited >= limit => {
                    let seconds = waited.as_secs();
                    return Err(AmiError::StillPending { image: image_id, region, state, seconds });
                }
                "pending" => {}
                _ => {
                    let reason = image.state_reason.unwrap_or_else(|| "it gives no reason".to_owned());
                    return Err(AmiError::Failed { image: image_id, region, state, reason });
                }
            }
            self.tell_progress(&image, &mut told).await;
            self.pause(between).await?;
            between = (between * 3 / 2).min(BETWEEN[1]);
        }
    }

    /// Waits until a snapshot can be registered.
    ///
    /// # Errors
    /// [`AmiError::Failed`] with the service's words, [`AmiError::StillPending`].
    pub(super) async fn until_completed(&self, id: &str) -> Result<(), AmiError> {
        let (begun, mut between) = (self.pace.now(), BETWEEN[0]);
        loop {
            let doing = format!("asking for {id}");
            let snapshot = self.ask_fresh(&doing, || self.ec2.snapshot(id)).await?;
            let waited = self.pace.now().saturating_sub(begun);
            let (image, region, state) =
                (id.to_owned(), self.name.to_owned(), snapshot.state.word().to_owned());
            match snapshot.state {
                SnapshotState::Completed => return Ok(()),
                SnapshotState::Pending if waited < wait::SNAPSHOT => {}
                SnapshotState::Pending => {
                    return Err(AmiError::StillPending { image, region, state, seconds: waited.as_secs() });
                }
                _ => {
                    let reason = snapshot.state_message.unwrap_or_else(|| "it gives no reason".to_owned());
                    return Err(AmiError::Failed { image, region, state, reason });
                }
            }
            self.pause(between).await?;
            between = (between * 3 / 2).min(BETWEEN[1]);
        }
    }

    /// Says how far the snapshots of a pending AMI are, when that is news.
    async fn tell_progress(&self, image: &DescribedImage, told: &mut String) {
        let mut line = format!("{}: {} is pending", self.name, image.id);
        for id in image.snapshots() {
            // Only news: what cannot be asked for is not told.
            let snapshot = self.pace.stopped_by(self.monitor.cancel).finish(self.ec2.snapshot(&id)).await;
            let snapshot = snapshot.and_then(Result::ok);
            if let Some(progress) = snapshot.and_then(|snapshot| snapshot.progress) {
                line = format!("{line}, {id} {progress}");
            }
        }
        if *told != line {
            self.monitor.progress.message(&line);
            *told = line;
        }
    }

    async fn pause(&self, time: Duration) -> Result<(), AmiError> {
        let end = self.pace.now() + time;
        loop {
            if self.monitor.cancel.is_cancelled() {
                return Err(AmiError::Interrupted);
            }
            let left = end.saturating_sub(self.pace.now());
            if left.is_zero() {
                return Ok(());
            }
            self.pace.sleep(left.min(GLANCE)).await;
        }
    }
}

/// Says once that a copy waits for others.
struct CopyQueueNotice<'a> {
    region: &'a str,
    progress: &'a dyn Progress,
    told: AtomicBool,
}

impl FaultListener for CopyQueueNotice<'_> {
    fn met(&self, fault: &ServiceError) {
        if fault.kind == ServiceErrorKind::Pending && !self.told.swap(true, Ordering::Relaxed) {
            self.progress.message(&format!("{}: waiting until a copy can begin: {fault}", self.region));
        }
    }
}

/// The fault that a call gave up with.
pub(super) fn fault_of(error: &AmiError) -> Option<&ServiceError> {
    match error {
        AmiError::Call { source, .. } => Some(&source.fault),
        _ => None,
    }
}
