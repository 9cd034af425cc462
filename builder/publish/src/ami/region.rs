//! A region in which AMIs are created: its EC2 client, timer, progress and interrupt.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use amiforge_progress::{Monitor, Progress};

use super::{AmiError, timeouts};
use crate::api::SnapshotState;
use crate::api::ec2::{DescribedImage, Ec2, ImageQuery};
use crate::retry::{CallStep, ErrorObserver, NoObserver, RetryExhausted, retry};
use crate::service_error::{ServiceError, ServiceErrorKind};
use crate::timer::Timer;

/// First and longest interval between two polls.
const POLL_INTERVALS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(15)];
/// Interval at which the interrupt is checked while waiting.
const INTERRUPT_POLL_INTERVAL: Duration = Duration::from_millis(200);

/// A region.
pub struct AmiRegion<'a, C> {
    /// Its name.
    pub name: &'a str,
    /// Its EC2 client.
    pub ec2: &'a C,
    /// Clock and random source.
    pub timer: &'a Timer,
    /// Hears of progress.
    pub monitor: Monitor<'a>,
}

impl<C: Ec2> AmiRegion<'_, C> {
    /// Calls with [`CallStep::Idempotent`].
    ///
    /// # Errors
    /// [`AmiError::Call`], [`AmiError::Interrupted`].
    pub async fn call<T, F, G>(&self, action: &str, call: G) -> Result<T, AmiError>
    where
        G: FnMut() -> F,
        F: Future<Output = Result<T, ServiceError>>,
    {
        self.step(CallStep::Idempotent, action, call).await
    }

    /// Calls with [`CallStep::EventuallyConsistent`].
    ///
    /// # Errors
    /// [`AmiError::Call`], [`AmiError::Interrupted`].
    pub async fn call_eventual<T, F, G>(&self, action: &str, call: G) -> Result<T, AmiError>
    where
        G: FnMut() -> F,
        F: Future<Output = Result<T, ServiceError>>,
    {
        self.step(CallStep::EventuallyConsistent, action, call).await
    }

    /// Deletes a resource that may still be in use for a moment.
    pub(super) async fn delete<T, F, G>(&self, action: &str, call: G) -> Result<T, AmiError>
    where
        G: FnMut() -> F,
        F: Future<Output = Result<T, ServiceError>>,
    {
        self.step(CallStep::Delete, action, call).await
    }

    /// Calls with the retry rules of `step`.
    ///
    /// # Errors
    /// [`AmiError::Call`], [`AmiError::Interrupted`].
    pub async fn step<T, F, G>(&self, step: CallStep, action: &str, call: G) -> Result<T, AmiError>
    where
        G: FnMut() -> F,
        F: Future<Output = Result<T, ServiceError>>,
    {
        self.call_observed(step, action, &NoObserver, call).await
    }

    async fn call_observed<T, F, G>(
        &self,
        step: CallStep,
        action: &str,
        observer: &impl ErrorObserver,
        call: G,
    ) -> Result<T, AmiError>
    where
        G: FnMut() -> F,
        F: Future<Output = Result<T, ServiceError>>,
    {
        let done = retry(&self.timer.with_cancel(self.monitor.cancel), step, observer, call).await;
        done.map_err(|source| match source.error.kind {
            ServiceErrorKind::Interrupted => AmiError::Interrupted,
            _ => AmiError::Call { action: format!("{action} in {}", self.name), source },
        })
    }

    /// Calls with [`CallStep::Probe`].
    ///
    /// # Errors
    /// [`AmiError::Call`], [`AmiError::Interrupted`].
    pub async fn probe<T, F, G>(&self, action: &str, call: G) -> Result<T, AmiError>
    where
        G: FnMut() -> F,
        F: Future<Output = Result<T, ServiceError>>,
    {
        self.step(CallStep::Probe, action, call).await
    }

    /// Copies an image. Waits up to `wait` while the quota of concurrent copies is exhausted.
    ///
    /// # Errors
    /// [`AmiError::Call`], [`AmiError::Interrupted`].
    pub async fn copy<T, F, G>(&self, wait: Duration, action: &str, call: G) -> Result<T, AmiError>
    where
        G: FnMut() -> F,
        F: Future<Output = Result<T, ServiceError>>,
    {
        let notice = CopyQueueNotice {
            region: self.name,
            progress: self.monitor.progress,
            reported: AtomicBool::new(false),
        };
        self.call_observed(CallStep::Copy { wait }, action, &notice, call).await
    }

    /// The account's AMI with a name.
    ///
    /// # Errors
    /// [`AmiError::Call`], [`AmiError::Interrupted`].
    pub async fn image_by_name(&self, name: &str) -> Result<Option<DescribedImage>, AmiError> {
        let query = ImageQuery::by_name(name);
        let images =
            self.call(&format!("looking for an AMI `{name}`"), || self.ec2.describe_images(&query)).await?;
        // The filter of a service may match more than the exact name.
        Ok(images.into_iter().find(|image| image.name.as_deref() == Some(name)))
    }

    /// The account's AMI with a name that the service reports as taken: retried until it is listed.
    ///
    /// # Errors
    /// [`AmiError::Call`], [`AmiError::Interrupted`].
    pub async fn image_of_taken_name(&self, name: &str) -> Result<DescribedImage, AmiError> {
        let query = ImageQuery::by_name(name);
        self.call_eventual(&format!("looking for the AMI `{name}`, whose name is taken,"), || async {
            let images = self.ec2.describe_images(&query).await?;
            let images = images.into_iter().find(|image| image.name.as_deref() == Some(name));
            images.ok_or_else(|| {
                ServiceError::local(ServiceErrorKind::NotFound, format!("no AMI `{name}` is listed"))
            })
        })
        .await
    }

    /// The AMI with an id, retried until the service knows it.
    ///
    /// # Errors
    /// [`AmiError::Call`], [`AmiError::Interrupted`].
    pub async fn image(&self, id: &str) -> Result<DescribedImage, AmiError> {
        self.call_eventual(&format!("asking for {id}"), || self.describe_image(id)).await
    }

    /// The AMI with an id, if it exists.
    ///
    /// # Errors
    /// [`AmiError::Call`], [`AmiError::Interrupted`].
    pub async fn find_image(&self, id: &str) -> Result<Option<DescribedImage>, AmiError> {
        match self.call(&format!("asking for {id}"), || self.describe_image(id)).await {
            Ok(image) => Ok(Some(image)),
            Err(AmiError::Call { source: RetryExhausted { error, .. }, .. })
                if error.kind == ServiceErrorKind::NotFound =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn describe_image(&self, id: &str) -> Result<DescribedImage, ServiceError> {
        let images = self.ec2.describe_images(&ImageQuery::by_id(id)).await?;
        let images = images.into_iter().find(|image| image.id == id);
        images.ok_or_else(|| {
            ServiceError::local(ServiceErrorKind::NotFound, format!("the AMI {id} does not exist"))
        })
    }

    /// Waits until an AMI is available.
    ///
    /// # Errors
    /// [`AmiError::Failed`] with the reason that the service gives, [`AmiError::StillPending`] after `limit`.
    pub async fn until_available(&self, id: &str, limit: Duration) -> Result<DescribedImage, AmiError> {
        let (started, mut interval, mut reported) = (self.timer.now(), POLL_INTERVALS[0], String::new());
        loop {
            let image = self.image(id).await?;
            let waited = self.timer.now().saturating_sub(started);
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
            self.report_progress(&image, &mut reported).await;
            self.pause(interval).await?;
            interval = (interval * 3 / 2).min(POLL_INTERVALS[1]);
        }
    }

    /// Waits until a snapshot is completed.
    ///
    /// # Errors
    /// [`AmiError::Failed`] with the reason that the service gives, [`AmiError::StillPending`].
    pub async fn until_completed(&self, id: &str) -> Result<(), AmiError> {
        let (started, mut interval) = (self.timer.now(), POLL_INTERVALS[0]);
        loop {
            let action = format!("asking for {id}");
            let snapshot = self.call_eventual(&action, || self.ec2.describe_snapshot(id)).await?;
            let waited = self.timer.now().saturating_sub(started);
            let (image, region, state) =
                (id.to_owned(), self.name.to_owned(), snapshot.state.as_str().to_owned());
            match snapshot.state {
                SnapshotState::Completed => return Ok(()),
                SnapshotState::Pending if waited < timeouts::SNAPSHOT => {}
                SnapshotState::Pending => {
                    return Err(AmiError::StillPending { image, region, state, seconds: waited.as_secs() });
                }
                _ => {
                    let reason = snapshot.state_message.unwrap_or_else(|| "it gives no reason".to_owned());
                    return Err(AmiError::Failed { image, region, state, reason });
                }
            }
            self.pause(interval).await?;
            interval = (interval * 3 / 2).min(POLL_INTERVALS[1]);
        }
    }

    /// Reports the progress of the snapshots of a pending AMI when it changed.
    async fn report_progress(&self, image: &DescribedImage, reported: &mut String) {
        let mut line = format!("{}: {} is pending", self.name, image.id);
        for id in image.snapshots() {
            // Progress is optional: a call that fails is not reported.
            let snapshot =
                self.timer.with_cancel(self.monitor.cancel).run(self.ec2.describe_snapshot(&id)).await;
            let snapshot = snapshot.and_then(Result::ok);
            if let Some(progress) = snapshot.and_then(|snapshot| snapshot.progress) {
                line = format!("{line}, {id} {progress}");
            }
        }
        if *reported != line {
            self.monitor.progress.message(&line);
            *reported = line;
        }
    }

    /// Waits for a time.
    ///
    /// # Errors
    /// [`AmiError::Interrupted`].
    pub async fn pause(&self, time: Duration) -> Result<(), AmiError> {
        let end = self.timer.now() + time;
        loop {
            if self.monitor.cancel.is_cancelled() {
                return Err(AmiError::Interrupted);
            }
            let remaining = end.saturating_sub(self.timer.now());
            if remaining.is_zero() {
                return Ok(());
            }
            self.timer.sleep(remaining.min(INTERRUPT_POLL_INTERVAL)).await;
        }
    }
}

/// Reports once that a copy waits for the quota.
struct CopyQueueNotice<'a> {
    region: &'a str,
    progress: &'a dyn Progress,
    reported: AtomicBool,
}

impl ErrorObserver for CopyQueueNotice<'_> {
    fn on_error(&self, error: &ServiceError) {
        if error.kind == ServiceErrorKind::Pending && !self.reported.swap(true, Ordering::Relaxed) {
            self.progress.message(&format!("{}: waiting until a copy can begin: {error}", self.region));
        }
    }
}

/// The service error of a failed call.
pub fn service_error(error: &AmiError) -> Option<&ServiceError> {
    match error {
        AmiError::Call { source, .. } => Some(&source.error),
        _ => None,
    }
}
