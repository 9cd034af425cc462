//! A run in a region: the facts of an image, looked up directly before its step, and what the step did.

use std::collections::BTreeMap;
use std::time::Duration;

use amiforge_publish::api::ec2::DescribedImage;
use amiforge_publish::service_error::ServiceErrorKind;
use serde::Serialize;

use super::decide::{self, Step, Verdict};
use super::options::PruneOptions;
use super::plan::{Fingerprint, PlannedImage};
use super::reason::KeepReason;
use super::usage::{self, Usage};
use crate::api::images::{ImageCalls, ImageUse};
use crate::inventory::{ImageError, ImageRegion, look_up};

/// What was done with an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
#[non_exhaustive]
pub enum Outcome {
    /// The step was done.
    Done {
        /// Deleted snapshots.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        deleted: Vec<String>,
        /// Snapshots that were kept, with the reason.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        kept: Vec<String>,
        /// Who has lost the permission to launch the image.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        lost: Vec<String>,
    },
    /// The image has changed since the plan was made: the next run looks at it again.
    Changed,
    /// The image does not exist any more.
    Gone,
    /// Something keeps the image now.
    Kept {
        /// Why.
        because: Vec<KeepReason>,
    },
    /// Something named the image while it was disabled: it is enabled again, and shared as before.
    TakenBack {
        /// Why.
        because: Vec<KeepReason>,
    },
}

impl Outcome {
    /// The step was done, and there is nothing to tell.
    pub(super) fn done() -> Self {
        Self::Done { deleted: Vec::new(), kept: Vec::new(), lost: Vec::new() }
    }
}

/// A run in a region.
pub(super) struct Run<'a, C, U> {
    pub(super) region: &'a ImageRegion<'a, C>,
    pub(super) other: &'a U,
    pub(super) options: &'a PruneOptions,
    /// Why the usage reports of images were refused.
    pub(super) refused: BTreeMap<String, String>,
    /// When to stop waiting for usage reports, on the timer's clock.
    pub(super) deadline: Duration,
}

/// The facts of an image, looked up directly before a step.
pub(super) struct Fresh {
    pub(super) image: DescribedImage,
    pub(super) verdict: Verdict,
}

impl<C: ImageCalls, U: ImageUse> Run<'_, C, U> {
    /// Requests the usage reports that the steps of this run and of the next one need, all at once. Where the caller may not
    /// ask, nothing is done: no later run would know more.
    pub(super) async fn request_reports(&mut self, due: &[(&PlannedImage, Step)]) -> Result<(), ImageError> {
        if !self.options.other_accounts {
            return Ok(());
        }
        let needed = |(image, step): &(&PlannedImage, Step)| {
            (*step == Step::Deprecate || step.needs_usage()).then(|| image.image_id.clone())
        };
        let images: Vec<String> = due.iter().filter_map(needed).collect();
        let mut refused = usage::request(self.region, &images, self.options).await;
        let denied =
            |error: &ImageError| error.service().is_some_and(|error| error.kind == ServiceErrorKind::Denied);
        let first = refused.iter().find(|(_, error)| denied(error)).map(|(image, _)| image.clone());
        if let Some(error) = first.and_then(|image| refused.remove(&image)) {
            return Err(error);
        }
        self.refused = refused.into_iter().map(|(image, error)| (image, error.line())).collect();
        self.deadline = self.region.timer.now() + self.options.report_wait;
        Ok(())
    }

    /// What other accounts do with an image, if the step needs it.
    pub(super) async fn usage(&self, planned: &PlannedImage, step: Step) -> Result<Usage, ImageError> {
        let image = &planned.image_id;
        if !self.options.other_accounts || !step.needs_usage() {
            return Ok(Usage::NotAsked);
        }
        if let Some(why) = self.refused.get(image) {
            return Ok(Usage::Unknown { why: why.clone() });
        }
        let described = self.region.find_image(image).await?;
        let owner = described.as_ref().and_then(|image| image.owner.as_deref());
        usage::awaited(self.region, image, owner, self.options.now, self.deadline).await
    }

    /// Looks up again what the plan is based on: the images of the name, their states, and who uses this one.
    pub(super) async fn fresh(
        &self,
        planned: &PlannedImage,
        usage: &Usage,
    ) -> Result<Result<Fresh, Outcome>, ImageError> {
        let mut images = self.region.own_images(Some(&planned.image)).await?;
        let place = decide::places(&images).get(&planned.image_id).copied();
        let Some(at) = images.iter().position(|image| image.id == planned.image_id) else {
            return Ok(Err(Outcome::Gone));
        };
        let image = images.swap_remove(at);
        if Fingerprint::of(&image) != planned.fingerprint {
            return Ok(Err(Outcome::Changed));
        }
        let ids = [image.id.clone()];
        let uses = look_up(self.region, self.other, &self.options.channels_below, &ids).await?;
        let verdict = decide::decide(&image, place, &uses, usage, self.options);
        Ok(Ok(Fresh { image, verdict }))
    }

    /// The reasons to keep an image that follow from its use, looked up now.
    pub(super) async fn used_now(&self, image: &DescribedImage) -> Result<Vec<KeepReason>, ImageError> {
        let ids = [image.id.clone()];
        let uses = look_up(self.region, self.other, &self.options.channels_below, &ids).await?;
        Ok(decide::use_reasons(image, &uses, &Usage::NotAsked, self.options))
    }
}
