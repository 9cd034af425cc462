//! Reads a group back, and finds the instances that do not run the image.

use std::collections::BTreeMap;

use super::error::FollowError;
use super::outdated::{Outdated, outdated};
use super::plan::{GroupPlan, Plan};
use super::region::FollowRegion;
use super::survey;
use crate::api::groups::{Group, Groups};
use crate::api::templates::{Instance, Templates};

/// A group as it is now, with its instances.
pub(super) async fn read_group<G: Groups, T: Templates>(
    region: &FollowRegion<'_, G, T>,
    name: &str,
) -> Result<(Group, BTreeMap<String, Instance>), FollowError> {
    let names = [name.to_owned()];
    let action = format!("describing the group `{name}`");
    let groups = region.call(action, || region.groups.describe_groups(&names)).await?;
    let found = groups.into_iter().find(|group| group.name == name);
    let group = found.ok_or_else(|| FollowError::Missing { kind: "group", name: name.to_owned() })?;
    let instances = survey::read_instances(region, std::slice::from_ref(&group)).await?;
    Ok((group, instances))
}

/// The instances of a group that do not run the image of a plan now.
pub(super) async fn outdated_now<G: Groups, T: Templates>(
    region: &FollowRegion<'_, G, T>,
    plan: &Plan,
    planned: &GroupPlan,
) -> Result<Vec<Outdated>, FollowError> {
    let (group, instances) = read_group(region, &planned.name).await?;
    Ok(outdated(&group, &instances, &plan.image, &planned.kept, &plan.kept))
}
