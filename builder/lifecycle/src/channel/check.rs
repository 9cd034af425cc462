//! Whether an image can be what a channel holds: it is there, available, neither deprecated nor disabled, and those who
//! must use it may.

use std::time::{SystemTime, UNIX_EPOCH};

use amiforge_image::values;
use amiforge_publish::api::ec2::{DescribedImage, Ec2, Grantee};

use super::region::ChannelRegion;
use super::{ChannelError, Refusal, RefusalReason};
use crate::api::parameters::Parameters;

/// Who must be able to use the image of a channel, besides the account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audience {
    /// Accounts, organisations and organisational units.
    pub with: Vec<Grantee>,
    /// Whether everybody must.
    pub everybody: bool,
}

/// A problem of an image: the reason, the problem as the rest of a sentence that begins with the image, the remedy.
pub(super) type Problem = (RefusalReason, String, String);

/// What is wrong with the state of an image; `None` for an image that can be launched.
pub(super) fn state_problem(image: &DescribedImage, now: i64, region: &str) -> Option<Problem> {
    let id = &image.id;
    match image.state.as_str() {
        "available" => {}
        "disabled" => {
            let remedy =
                format!("`aws ec2 enable-image --region {region} --image-id {id}` makes it usable again");
            return Some((RefusalReason::Disabled, "is disabled".to_owned(), remedy));
        }
        "pending" => {
            let remedy = "wait until it is available: the same command checks again".to_owned();
            return Some((RefusalReason::NotAvailable, "is still pending".to_owned(), remedy));
        }
        state => {
            let reason = image.state_reason.as_deref().unwrap_or("it gives no reason");
            let problem = format!("is `{state}`: {reason}");
            return Some((RefusalReason::NotAvailable, problem, "publish it again".to_owned()));
        }
    }
    let deprecated =
        image.deprecation_time.as_deref().filter(|at| values::epoch(at).is_ok_and(|at| at <= now))?;
    let remedy = format!(
        "promote a newer version, or take the deprecation off: `aws ec2 disable-image-deprecation --region {region} \
         --image-id {id}`"
    );
    Some((RefusalReason::Deprecated, format!("is deprecated since {deprecated}"), remedy))
}

/// Why an image can no longer be what a parameter holds, as the rest of a sentence that begins with the image: it does
/// not exist, or cannot be launched. Deprecation is no reason.
pub(super) async fn image_problem<C: Ec2, P: Parameters>(
    region: &ChannelRegion<'_, C, P>,
    image: &str,
) -> Result<Option<String>, ChannelError> {
    let Some(described) = region.image(image).await? else { return Ok(Some("does not exist".to_owned())) };
    let launchable = DescribedImage { deprecation_time: None, ..described };
    Ok(state_problem(&launchable, 0, region.name).map(|(_, problem, _)| problem))
}

/// Refuses an image that cannot be what a channel holds.
pub(super) async fn refusals<C: Ec2, P: Parameters>(
    region: &ChannelRegion<'_, C, P>,
    image: &DescribedImage,
    audience: &Audience,
    now: i64,
) -> Result<Vec<Refusal>, ChannelError> {
    let refusal = |(reason, problem, remedy): Problem| Refusal {
        region: region.name.to_owned(),
        reason,
        problem: format!("{} {problem}", image.id),
        remedy,
    };
    let mut refusals: Vec<_> = state_problem(image, now, region.name).map(refusal).into_iter().collect();
    let public = image.public == Some(true);
    if audience.everybody && !public {
        let remedy = "make it public first (`amiforge share`)".to_owned();
        refusals.push(refusal((RefusalReason::NotShared, "is not public".to_owned(), remedy)));
    }
    if public || audience.with.is_empty() {
        return Ok(refusals);
    }
    let allowed = region.launch_permissions(&image.id).await?;
    let missing: Vec<_> =
        audience.with.iter().filter(|who| !allowed.contains(who)).map(ToString::to_string).collect();
    if !missing.is_empty() {
        let missing = missing.join(",");
        let problem = format!("may not be launched by {missing}");
        let remedy = "share it with them first (`amiforge share`)".to_owned();
        refusals.push(refusal((RefusalReason::NotShared, problem, remedy)));
    }
    Ok(refusals)
}

/// The present time, in seconds since 1970.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(state: &str, deprecated: Option<&str>) -> DescribedImage {
        DescribedImage {
            id: "ami-1".to_owned(),
            state: state.to_owned(),
            deprecation_time: deprecated.map(str::to_owned),
            ..DescribedImage::default()
        }
    }

    #[test]
    fn only_an_available_image_that_is_not_deprecated_yet_passes() {
        let reason = |state, deprecated| {
            state_problem(&image(state, deprecated), 1_795_240_800, "local").map(|problem| problem.0)
        };
        assert_eq!(reason("available", None), None);
        assert_eq!(reason("available", Some("2027-11-21T00:00:00.000Z")), None);
        assert_eq!(reason("available", Some("2025-11-21T00:00:00.000Z")), Some(RefusalReason::Deprecated));
        assert_eq!(reason("disabled", None), Some(RefusalReason::Disabled));
        for state in ["pending", "failed", "deregistered", "error", "transient", "invalid"] {
            assert_eq!(reason(state, None), Some(RefusalReason::NotAvailable), "{state}");
        }
    }
}
