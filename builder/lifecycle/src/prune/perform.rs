//! Performs a plan: one step for each image, each after the facts were looked up again.

use std::collections::BTreeMap;
use std::time::Duration;

use amiforge_publish::api::ec2::DescribedImage;
use serde::Serialize;

use super::decide::{self, Step, Verdict};
use super::options::PruneOptions;
use super::plan::{Fingerprint, PlannedImage, PrunePlan};
use super::reason::KeepReason;
use super::usage::{self, Usage};
use super::{deregister, leftovers, steps};
use crate::api::images::{ImageCalls, ImageUse};
use crate::inventory::{ImageError, ImageRegion, look_up};

/// What a clean-up did in a region.
#[derive(Debug, Default)]
pub struct PruneReport {
    /// What was done with each image of which a step was due.
    pub images: Vec<ImageOutcome>,
    /// Snapshots that an earlier run has left behind and this one has deleted.
    pub leftovers: Vec<String>,
}

/// What was done with an image.
#[derive(Debug)]
pub struct ImageOutcome {
    /// The image.
    pub image_id: String,
    /// The step that was due.
    pub step: Step,
    /// What was done.
    pub outcome: Result<Outcome, ImageError>,
}

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

/// Performs the steps that are due. An image that cannot be changed does not keep the others from it.
///
/// # Errors
/// [`ImageError`] when the leftovers of an earlier run cannot be looked up, or after an interrupt. The errors of images
/// are in the report.
pub async fn perform<C: ImageCalls, U: ImageUse>(
    region: &ImageRegion<'_, C>,
    other: &U,
    plan: &PrunePlan,
    options: &PruneOptions,
) -> Result<PruneReport, ImageError> {
    let mut report = PruneReport { leftovers: leftovers::delete(region).await?, ..PruneReport::default() };
    let due: Vec<(&PlannedImage, Step)> =
        plan.images.iter().filter_map(|image| Some((image, image.step()?))).collect();
    let mut run = Run { region, other, options, refused: BTreeMap::new(), deadline: Duration::ZERO };
    run.request_reports(&due).await;
    for (image, step) in due {
        region.monitor.progress.begin(&format!("{} {}", gerund(step), image.image_id), None);
        let outcome = run.one(image, step).await;
        if matches!(outcome, Err(ImageError::Interrupted)) {
            return Err(ImageError::Interrupted);
        }
        report.images.push(ImageOutcome { image_id: image.image_id.clone(), step, outcome });
    }
    region.monitor.progress.end();
    Ok(report)
}

fn gerund(step: Step) -> &'static str {
    match step {
        Step::Deprecate => "deprecating",
        Step::Disable => "disabling",
        Step::MarkDisabled => "marking",
        Step::Deregister => "deregistering",
        Step::Enable => "enabling",
    }
}

/// A run in a region.
pub(super) struct Run<'a, C, U> {
    pub(super) region: &'a ImageRegion<'a, C>,
    pub(super) other: &'a U,
    pub(super) options: &'a PruneOptions,
    /// Why the usage reports of images were refused.
    refused: BTreeMap<String, String>,
    /// When to stop waiting for usage reports, on the timer's clock.
    deadline: Duration,
}

/// The facts of an image, looked up directly before a step.
pub(super) struct Fresh {
    pub(super) image: DescribedImage,
    pub(super) verdict: Verdict,
}

impl<C: ImageCalls, U: ImageUse> Run<'_, C, U> {
    /// Requests the usage reports that the steps of this run and of the next one need, all at once.
    async fn request_reports(&mut self, due: &[(&PlannedImage, Step)]) {
        if !self.options.other_accounts {
            return;
        }
        let needed = |(image, step): &(&PlannedImage, Step)| {
            (*step == Step::Deprecate || step.needs_usage()).then(|| image.image_id.clone())
        };
        let images: Vec<String> = due.iter().filter_map(needed).collect();
        let refused = usage::request(self.region, &images, self.options).await;
        self.refused = refused.into_iter().map(|(image, error)| (image, error.line())).collect();
        self.deadline = self.region.timer.now() + self.options.report_wait;
    }

    async fn one(&self, planned: &PlannedImage, step: Step) -> Result<Outcome, ImageError> {
        // This may take long, so it comes before everything else is looked up.
        let usage = self.usage(planned, step).await?;
        let fresh = match self.fresh(planned, &usage).await? {
            Ok(fresh) => fresh,
            Err(outcome) => return Ok(outcome),
        };
        match &fresh.verdict {
            Verdict::Go { step: now } if *now == step => {}
            Verdict::Keep { because } => return Ok(Outcome::Kept { because: because.clone() }),
            _ => return Ok(Outcome::Changed),
        }
        match step {
            Step::Deprecate => steps::deprecate(self, &fresh.image).await,
            Step::MarkDisabled => steps::mark_disabled(self, &fresh.image).await,
            Step::Enable => steps::enable(self.region, &fresh.image).await,
            Step::Disable => steps::disable(self, &fresh.image).await,
            Step::Deregister => deregister::deregister(self, planned, &fresh.image, &usage).await,
        }
    }

    /// What other accounts do with an image, if the step needs it.
    async fn usage(&self, planned: &PlannedImage, step: Step) -> Result<Usage, ImageError> {
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
