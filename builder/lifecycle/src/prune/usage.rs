//! The use of images by other accounts: usage reports, which take the service minutes to hours.

use std::collections::BTreeMap;
use std::time::Duration;

use amiforge_publish::api::ec2::Tags;
use amiforge_publish::timer::WaitOutcome;

use super::marks;
use super::options::PruneOptions;
use crate::api::images::{ImageCalls, UsageEntry, UsageReport};
use crate::inventory::moment::DAY;
use crate::inventory::{ImageError, ImageRegion, in_parallel};

/// Maximum age of a report: a step is due after its grace time, and a run may not happen every day.
const FRESH: i64 = 3 * DAY;
/// Interval between two polls.
const POLL_INTERVAL: Duration = Duration::from_secs(15);

/// What is known about the use of an image by other accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Usage {
    /// A report says it.
    Known {
        /// The accounts that use it.
        entries: Vec<UsageEntry>,
    },
    /// The newest report is not ready yet.
    Pending {
        /// The report.
        report: String,
    },
    /// It is not known.
    Unknown {
        /// Why.
        why: String,
    },
    /// It was not asked: no other account is affected by the step, the user does not want it, or a report is requested only when
    /// the step is done.
    NotAsked,
}

/// What the newest fresh report on an image says.
pub(super) async fn known<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    image: &str,
    account: Option<&str>,
    now: i64,
) -> Result<Usage, ImageError> {
    let Some(report) = newest(region, image, now).await? else { return Ok(Usage::NotAsked) };
    match report.state.as_str() {
        "available" => {
            let action = format!("reading the usage report of {image}");
            let mut entries = region.call(&action, || region.ec2.usage_entries(&report.id)).await?;
            // The account itself is looked up by its references, which are newer.
            entries.retain(|entry| entry.count > 0 && Some(entry.account.as_str()) != account);
            Ok(Usage::Known { entries })
        }
        "pending" => Ok(Usage::Pending { report: report.id }),
        state => {
            let reason = report.reason.unwrap_or_else(|| "the service gives no reason".to_owned());
            Ok(Usage::Unknown { why: format!("the usage report {} is `{state}`: {reason}", report.id) })
        }
    }
}

/// The newest report that is not too old; one that failed only if there is no other.
async fn newest<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    image: &str,
    now: i64,
) -> Result<Option<UsageReport>, ImageError> {
    let action = format!("asking for usage reports of {image}");
    let reports = region.call(&action, || region.ec2.usage_reports(image)).await?;
    let fresh = reports.into_iter().filter(|report| now - report.created < FRESH);
    Ok(fresh.max_by_key(|report| (report.state == "available", report.state == "pending", report.created)))
}

/// Requests reports for images that have no fresh one. Returns the error for each image whose report is refused.
pub(super) async fn request<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    images: &[String],
    options: &PruneOptions,
) -> BTreeMap<String, ImageError> {
    let answers = in_parallel(images, |image| async move {
        let outcome = request_one(region, image, options.now).await;
        (image.clone(), outcome)
    });
    let failed = answers.await.into_iter().filter_map(|(image, outcome)| Some((image, outcome.err()?)));
    failed.collect()
}

async fn request_one<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    image: &str,
    now: i64,
) -> Result<(), ImageError> {
    let report = newest(region, image, now).await?;
    if report.is_some_and(|report| matches!(report.state.as_str(), "available" | "pending")) {
        return Ok(());
    }
    // The same request on the same day has the same token, so that a run that was killed makes no second report.
    let token = format!("amiforge-prune-{image}-{}", now / DAY);
    let tags = Tags::from([(marks::REPORT.to_owned(), "true".to_owned())]);
    let action = format!("requesting a usage report of {image}");
    region.call(&action, || region.ec2.create_usage_report(image, &token, &tags)).await.map(drop)
}

/// What is known about an image, waiting for its report until `deadline` on the timer's clock.
pub(super) async fn awaited<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    image: &str,
    account: Option<&str>,
    now: i64,
    deadline: Duration,
) -> Result<Usage, ImageError> {
    loop {
        let usage = known(region, image, account, now).await?;
        match usage {
            Usage::Pending { .. } if region.timer.now() < deadline => {}
            Usage::NotAsked => {
                return Ok(Usage::Unknown { why: "there is no usage report of it".to_owned() });
            }
            usage => return Ok(usage),
        }
        let timer = region.timer.with_cancel(region.monitor.cancel);
        if timer.wait(POLL_INTERVAL).await == WaitOutcome::Interrupted {
            return Err(ImageError::Interrupted);
        }
    }
}

/// Deletes the reports that the clean-up requested for an image that is gone. They expire by themselves, so failures
/// are ignored.
pub(super) async fn delete<C: ImageCalls>(region: &ImageRegion<'_, C>, image: &str) {
    let action = format!("asking for usage reports of {image}");
    let reports = region.call(&action, || region.ec2.usage_reports(image)).await.unwrap_or_default();
    for report in reports.iter().filter(|report| report.tags.contains_key(marks::REPORT)) {
        let action = format!("deleting the usage report {}", report.id);
        let _ = region.call(&action, || region.ec2.delete_usage_report(&report.id)).await;
    }
}
