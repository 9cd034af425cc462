//! Performs a plan: one step for each image, each after the facts were looked up again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::decide::{Step, Verdict};
use super::options::PruneOptions;
use super::plan::{PlannedImage, PrunePlan};
use super::run::{Outcome, Run};
use super::{deregister, leftovers, steps};
use crate::api::images::{ImageCalls, ImageUse};
use crate::inventory::{ImageError, ImageRegion};

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
    run.request_reports(&due).await?;
    for (image, step) in due {
        region.monitor.progress.begin(&format!("{} {}", gerund(step), image.image_id), None);
        let outcome = step_of(&run, image, step).await;
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

/// Looks up the facts of an image again and performs its step, if it is still due.
async fn step_of<C: ImageCalls, U: ImageUse>(
    run: &Run<'_, C, U>,
    planned: &PlannedImage,
    step: Step,
) -> Result<Outcome, ImageError> {
    // This may take long, so it comes before everything else is looked up.
    let usage = run.usage(planned, step).await?;
    let fresh = match run.fresh(planned, &usage).await? {
        Ok(fresh) => fresh,
        Err(outcome) => return Ok(outcome),
    };
    match &fresh.verdict {
        Verdict::Go { step: now } if *now == step => {}
        Verdict::Keep { because } => return Ok(Outcome::Kept { because: because.clone() }),
        _ => return Ok(Outcome::Changed),
    }
    match step {
        Step::Deprecate => steps::deprecate(run, &fresh.image).await,
        Step::MarkDisabled => steps::mark_disabled(run, &fresh.image).await,
        Step::Enable => steps::enable(run.region, &fresh.image).await,
        Step::Disable => steps::disable(run, &fresh.image).await,
        Step::Deregister => deregister::deregister(run, planned, &fresh.image, &usage).await,
    }
}
