//! The images of a region: its clients, and calls with retries.

use std::collections::BTreeMap;
use std::future::Future;

use amiforge_progress::Monitor;
use amiforge_publish::api::ec2::{DescribedImage, ImageOwner, ImageQuery, QueryFilter};
use amiforge_publish::retry::{CallStep, NoObserver, retry};
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use amiforge_publish::tags;
use amiforge_publish::timer::Timer;

use super::error::ImageError;
use crate::api::images::{ImageCalls, StoredSnapshot};

/// The images of a region.
pub struct ImageRegion<'a, C> {
    /// Its name.
    pub name: &'a str,
    /// Its EC2 client.
    pub ec2: &'a C,
    /// Clock and random source.
    pub timer: &'a Timer,
    /// Hears of progress.
    pub monitor: Monitor<'a>,
}

impl<C> Clone for ImageRegion<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for ImageRegion<'_, C> {}

impl<C> ImageRegion<'_, C> {
    /// Makes a call with the retry rules of [`CallStep::Idempotent`].
    pub(crate) async fn call<T, F, G>(&self, action: &str, call: G) -> Result<T, ImageError>
    where
        G: FnMut() -> F,
        F: Future<Output = Result<T, ServiceError>>,
    {
        self.step(CallStep::Idempotent, action, call).await
    }

    /// Makes a call with the retry rules of `step`.
    pub(crate) async fn step<T, F, G>(&self, step: CallStep, action: &str, call: G) -> Result<T, ImageError>
    where
        G: FnMut() -> F,
        F: Future<Output = Result<T, ServiceError>>,
    {
        let timer = self.timer.with_cancel(self.monitor.cancel);
        retry(&timer, step, &NoObserver, call).await.map_err(|source| match source.error.kind {
            ServiceErrorKind::Interrupted => ImageError::Interrupted,
            _ => ImageError::Call { action: format!("{action} in {}", self.name), source },
        })
    }

    /// Makes a call that a service may lack: there is nothing of a kind that the service does not know.
    pub(crate) async fn optional<T: Default, F, G>(&self, action: &str, call: G) -> Result<T, ImageError>
    where
        G: FnMut() -> F,
        F: Future<Output = Result<T, ServiceError>>,
    {
        match self.call(action, call).await {
            Err(error) if error.service().is_some_and(is_unknown_action) => {
                self.monitor.progress.message(&format!(
                    "{}: skipped, because the service has no such call: {action}",
                    self.name
                ));
                Ok(T::default())
            }
            other => other,
        }
    }
}

/// Whether a service does not have the call.
fn is_unknown_action(error: &ServiceError) -> bool {
    matches!(error.code.as_deref(), Some("InvalidAction" | "UnknownOperationException"))
}

impl<C: ImageCalls> ImageRegion<'_, C> {
    /// The account's images with a tag of this program, of every state; of one name if `name` is given.
    pub(crate) async fn own_images(&self, name: Option<&str>) -> Result<Vec<DescribedImage>, ImageError> {
        let filter = match name {
            Some(name) => QueryFilter::exact(format!("tag:{}", tags::IMAGE), name),
            None => QueryFilter { name: "tag-key".to_owned(), values: vec![tags::IMAGE.to_owned()] },
        };
        let query = ImageQuery { ids: Vec::new(), owner: ImageOwner::Own, filters: vec![filter] };
        let images = self.call("listing images", || self.ec2.describe_images(&query)).await?;
        // A pattern of the service may match more than the exact name.
        let mut images: Vec<_> = images
            .into_iter()
            .filter(|image| match (image_name(image), name) {
                (Some(own), Some(name)) => own == name,
                (own, None) => own.is_some(),
                (None, Some(_)) => false,
            })
            .collect();
        images.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(images)
    }

    /// All images of the account, of every state, with or without tags.
    pub(crate) async fn all_images(&self) -> Result<Vec<DescribedImage>, ImageError> {
        let query = ImageQuery { owner: ImageOwner::Own, ..ImageQuery::default() };
        self.call("listing images", || self.ec2.describe_images(&query)).await
    }

    /// The image with an id, if it exists.
    pub(crate) async fn find_image(&self, id: &str) -> Result<Option<DescribedImage>, ImageError> {
        let query = ImageQuery::by_id(id);
        match self.call(&format!("asking for {id}"), || self.ec2.describe_images(&query)).await {
            Ok(images) => Ok(images.into_iter().find(|image| image.id == id)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The account's images of any state that use a snapshot.
    pub(crate) async fn images_with(&self, snapshot: &str) -> Result<Vec<String>, ImageError> {
        let filter = QueryFilter::exact("block-device-mapping.snapshot-id", snapshot);
        let query = ImageQuery { ids: Vec::new(), owner: ImageOwner::Own, filters: vec![filter] };
        let action = format!("asking which images use {snapshot}");
        let images = self.call(&action, || self.ec2.describe_images(&query)).await?;
        Ok(images.into_iter().map(|image| image.id).collect())
    }

    /// The account's snapshots with a tag of this program, by id.
    pub(crate) async fn own_snapshots(&self) -> Result<BTreeMap<String, StoredSnapshot>, ImageError> {
        let all = self.call("listing snapshots", || self.ec2.own_snapshots()).await?;
        Ok(all.into_iter().map(|snapshot| (snapshot.id.clone(), snapshot)).collect())
    }

    /// Deletes a snapshot. One that does not exist counts as deleted.
    pub(crate) async fn delete_snapshot(&self, id: &str) -> Result<(), ImageError> {
        let action = format!("deleting {id}");
        match self.step(CallStep::Delete, &action, || self.ec2.delete_snapshot(id)).await {
            Err(error) if error.is_missing() => Ok(()),
            other => other,
        }
    }
}

/// The name of the image in its recipe; none for an image that is not of this program.
pub fn image_name(image: &DescribedImage) -> Option<&str> {
    image.tags.get(tags::IMAGE).map(String::as_str)
}
