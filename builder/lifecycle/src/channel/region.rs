//! A region with channels: its clients, and the calls with their retries.

use std::future::Future;
use std::time::Duration;

use amiforge_progress::Monitor;
use amiforge_publish::api::ec2::{DescribedImage, Ec2, Grantee, ImageQuery};
use amiforge_publish::retry::{CallStep, NoObserver, RetryExhausted, retry};
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use amiforge_publish::timer::{Timer, WaitOutcome};

use super::ChannelError;
use crate::api::parameters::{NewVersion, Parameter, ParameterVersion, Parameters};

/// First and longest interval between two looks at a parameter.
const POLL_INTERVALS: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(5)];

/// Intervals between looks at a history that is older than another answer.
const HISTORY_INTERVALS: [Duration; 4] =
    [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(5)];

/// A region.
pub(super) struct ChannelRegion<'a, C, P> {
    pub(super) name: &'a str,
    pub(super) ec2: C,
    pub(super) parameters: P,
    pub(super) timer: Timer,
    pub(super) monitor: Monitor<'a>,
}

impl<C: Ec2, P: Parameters> ChannelRegion<'_, C, P> {
    /// Calls with the retry rules of `step`.
    async fn step<T, F, G>(&self, step: CallStep, action: &str, call: G) -> Result<T, ChannelError>
    where
        G: FnMut() -> F,
        F: Future<Output = Result<T, ServiceError>>,
    {
        let done = retry(&self.timer, step, &NoObserver, call).await;
        done.map_err(|source| match source.error.kind {
            ServiceErrorKind::Interrupted => ChannelError::Interrupted,
            _ => ChannelError::Call { action: format!("{action} in {}", self.name), source },
        })
    }

    /// The versions of a parameter, by ascending number; none if it does not exist.
    pub(super) async fn history(&self, parameter: &str) -> Result<Vec<ParameterVersion>, ChannelError> {
        let action = format!("reading the versions of `{parameter}`");
        let read = self.step(CallStep::Idempotent, &action, || self.parameters.history(parameter)).await;
        absent_as(read, Vec::new)
    }

    /// The same, once they include the number `version`; the answers of SSM may be older than those of another call.
    pub(super) async fn history_from(
        &self,
        parameter: &str,
        version: u64,
    ) -> Result<Vec<ParameterVersion>, ChannelError> {
        for interval in HISTORY_INTERVALS {
            let history = self.history(parameter).await?;
            if history.last().is_some_and(|latest| latest.number >= version) {
                return Ok(history);
            }
            self.pause(interval).await?;
        }
        self.history(parameter).await
    }

    /// Adds a version; `None` if the parameter exists and must not.
    pub(super) async fn put(&self, version: &NewVersion) -> Result<Option<u64>, ChannelError> {
        let action = format!("setting `{}` to {}", version.name, version.value);
        match self.step(CallStep::Idempotent, &action, || self.parameters.put(version)).await {
            Ok(number) => Ok(Some(number)),
            Err(ChannelError::Call { source, .. }) if source.error.kind == ServiceErrorKind::Duplicate => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes a parameter. One that does not exist counts as deleted.
    pub(super) async fn delete(&self, parameter: &str) -> Result<(), ChannelError> {
        let action = format!("deleting `{parameter}`");
        let deleted = self.step(CallStep::Idempotent, &action, || self.parameters.delete(parameter)).await;
        absent_as(deleted, || ())
    }

    /// Gives labels to a version. A version that is gone needs none.
    pub(super) async fn label(
        &self,
        parameter: &str,
        version: u64,
        labels: &[String],
    ) -> Result<(), ChannelError> {
        if labels.is_empty() {
            return Ok(());
        }
        let action = format!("labelling version {version} of `{parameter}`");
        let label = || self.parameters.label(parameter, version, labels);
        let refused = absent_as(self.step(CallStep::Idempotent, &action, label).await, Vec::new)?;
        if !refused.is_empty() {
            let text = format!(
                "{}: SSM does not take the labels {} for `{parameter}`",
                self.name,
                refused.join(", ")
            );
            self.monitor.progress.message(&text);
        }
        Ok(())
    }

    /// Takes labels off a version. A version that is gone has none.
    pub(super) async fn unlabel(
        &self,
        parameter: &str,
        version: u64,
        labels: &[String],
    ) -> Result<(), ChannelError> {
        let action = format!("taking labels off version {version} of `{parameter}`");
        let unlabel = || self.parameters.unlabel(parameter, version, labels);
        absent_as(self.step(CallStep::Idempotent, &action, unlabel).await, || ())
    }

    /// The latest version of a parameter once it is at least `version`.
    ///
    /// # Errors
    /// [`ChannelError::NotVisible`] after `limit`.
    pub(super) async fn until_visible(
        &self,
        new: &NewVersion,
        version: u64,
        limit: Duration,
    ) -> Result<(), ChannelError> {
        let (started, mut interval) = (self.timer.now(), POLL_INTERVALS[0]);
        loop {
            let latest = self.latest(&new.name).await?.map_or(0, |latest| latest.version);
            let waited = self.timer.now().saturating_sub(started);
            if latest >= version {
                return Ok(());
            }
            if waited >= limit {
                return Err(self.not_visible(new, version, waited));
            }
            self.pause(interval).await?;
            interval = (interval * 3 / 2).min(POLL_INTERVALS[1]);
        }
    }

    /// The error for a version that does not appear.
    pub(super) fn not_visible(&self, new: &NewVersion, version: u64, waited: Duration) -> ChannelError {
        ChannelError::NotVisible {
            region: self.name.to_owned(),
            parameter: new.name.clone(),
            image: new.value.clone(),
            version,
            seconds: waited.as_secs(),
        }
    }

    /// The image that a parameter holds, as launches see it; `None` if it does not exist.
    pub(super) async fn latest(&self, parameter: &str) -> Result<Option<Parameter>, ChannelError> {
        let action = format!("reading `{parameter}` back");
        let read = self.step(CallStep::Idempotent, &action, || self.parameters.parameter(parameter)).await;
        absent_as(read.map(Some), || None)
    }

    /// The latest versions of all parameters below a path.
    pub(super) async fn below(&self, path: &str) -> Result<Vec<Parameter>, ChannelError> {
        let action = format!("listing the parameters below `{path}`");
        self.step(CallStep::Idempotent, &action, || self.parameters.parameters_below(path)).await
    }

    /// The images that match a query.
    pub(super) async fn images(&self, query: &ImageQuery) -> Result<Vec<DescribedImage>, ChannelError> {
        self.step(CallStep::Idempotent, "looking for images", || self.ec2.describe_images(query)).await
    }

    /// The image with an id; `None` if it does not exist, or belongs to others and is not shared.
    pub(super) async fn image(&self, id: &str) -> Result<Option<DescribedImage>, ChannelError> {
        let query = ImageQuery::by_id(id);
        let action = format!("asking for {id}");
        let described = self.step(CallStep::Idempotent, &action, || self.ec2.describe_images(&query)).await;
        let images = match described {
            // An id that is not one of an image, as a parameter may hold.
            Err(ChannelError::Call { source, .. }) if is_no_image_id(&source) => Vec::new(),
            described => absent_as(described, Vec::new)?,
        };
        Ok(images.into_iter().find(|image| image.id == id))
    }

    /// The launch permissions of an image of the account.
    pub(super) async fn launch_permissions(&self, image: &str) -> Result<Vec<Grantee>, ChannelError> {
        let action = format!("asking who may launch {image}");
        self.step(CallStep::Idempotent, &action, || self.ec2.launch_permissions(image)).await
    }

    pub(super) async fn pause(&self, time: Duration) -> Result<(), ChannelError> {
        match self.timer.wait(time).await {
            WaitOutcome::Elapsed => Ok(()),
            WaitOutcome::Interrupted => Err(ChannelError::Interrupted),
        }
    }
}

/// The result of a call, with another value where the resource does not exist.
fn absent_as<T>(result: Result<T, ChannelError>, absent: impl FnOnce() -> T) -> Result<T, ChannelError> {
    match result {
        Err(ChannelError::Call { source, .. }) if source.error.kind == ServiceErrorKind::NotFound => {
            Ok(absent())
        }
        other => other,
    }
}

fn is_no_image_id(failure: &RetryExhausted) -> bool {
    failure.error.code.as_deref().is_some_and(|code| code == "InvalidAMIID.Malformed")
}
