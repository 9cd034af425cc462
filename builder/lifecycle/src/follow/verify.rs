//! Which instances do not run an image.

use std::collections::BTreeMap;

use super::error::FollowError;
use super::plan::{GroupPlan, KeptUse, Plan};
use super::region::FollowRegion;
use super::survey;
use crate::api::groups::{Group, Groups};
use crate::api::templates::{Instance, Templates};

/// An instance that runs another image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outdated {
    pub(super) instance: String,
    pub(super) image: String,
}

/// The instances of a group that run another image. Instances of templates and images that are kept do not count, nor
/// do those that are leaving, or that EC2 does not describe yet.
pub(super) fn outdated(
    group: &Group,
    instances: &BTreeMap<String, Instance>,
    image: &str,
    kept_templates: &[String],
    kept: &[KeptUse],
) -> Vec<Outdated> {
    let is_kept = |instance: &crate::api::groups::GroupInstance, current: &str| {
        instance.template.as_ref().is_some_and(|used| kept_templates.contains(&used.id))
            || kept.iter().any(|one| one.group == group.name && one.what == current)
    };
    let present = group.instances.iter().filter(|instance| !instance.is_leaving());
    present
        .filter_map(|instance| {
            let current = instances.get(&instance.id)?.image.as_deref()?;
            let differs = current != image && !is_kept(instance, current);
            differs.then(|| Outdated { instance: instance.id.clone(), image: current.to_owned() })
        })
        .collect()
}

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
