//! Fleets that follow a channel: launch templates and Auto Scaling groups get a new image, and their instances are
//! replaced by instance refreshes.
//!
//! ```text
//! survey(selection)      -> Fleet      groups and templates that opt in, their versions, what runs
//! plan(fleet, image)     -> FollowPlan       versions to make, defaults to set, refreshes; everything that is refused
//! prepare(plan)                        versions, and the defaults that groups launch from
//! refresh(group)                       one group after another, each to its end
//! take_back(changes)                   if one of them fails
//! settle_defaults(plan)                if all succeed
//! ```
//!
//! Nothing is remembered between runs. A version that was made is recognized by its description, a refresh that runs by
//! its desired configuration, and what a group was before by the group itself, which Auto Scaling changes only at the
//! end of a refresh that succeeded. So a run that was killed is continued by the same command.

mod apply;
mod calls;
mod error;
mod image;
mod marker;
mod outdated;
mod plan;
mod refresh;
mod region;
mod report;
mod request;
mod source;
mod status;
mod survey;
mod take_back;
mod verify;

use crate::api::groups::Groups;
use crate::api::templates::Templates;

pub use calls::{calls, status_calls};
pub use error::{Conflict, FollowError, Mismatch};
pub use image::LaunchableImage;
pub use plan::{FollowPlan, GroupPlan, VersionPlan, plan};
pub use region::FollowRegion;
pub use report::{FollowedGroup, FollowedTemplate, Following, GroupOutcome, KeptUse};
pub use request::{FOLLOW_TAG, FollowRequest, ImageTarget, Selection, TagChoice, WaitPolicy};
pub use status::{GroupStatus, InstanceStatus, status};
pub use survey::{Fleet, survey};

/// Lets the fleet follow an image.
///
/// # Errors
/// [`FollowError`]. After [`FollowError::TakenBack`] the fleet is as it was before; after any other error the same
/// request continues.
pub async fn follow<G: Groups, T: Templates>(
    region: &FollowRegion<'_, G, T>,
    request: &FollowRequest,
) -> Result<Following, FollowError> {
    let image = image::check(region, &request.target).await?;
    let fleet = survey(region, &request.selection).await?;
    let plan = plan(&fleet, request, &image)?;
    let mut run = apply::FollowRun::new(region, request, &plan);
    run.prepare().await?;
    for group in &plan.groups {
        run.refresh(group).await?;
    }
    run.settle_defaults().await?;
    Ok(run.into_report())
}

/// Plans what [`follow`] would do. Makes no call that changes anything.
///
/// # Errors
/// [`FollowError`].
pub async fn preview<G: Groups, T: Templates>(
    region: &FollowRegion<'_, G, T>,
    request: &FollowRequest,
) -> Result<FollowPlan, FollowError> {
    let image = image::check(region, &request.target).await?;
    let fleet = survey(region, &request.selection).await?;
    plan(&fleet, request, &image)
}
