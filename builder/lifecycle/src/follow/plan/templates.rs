//! The plan of launch templates: those that opt in themselves, default versions, and what would change for others.

use super::super::error::{Conflict, FollowError};
use super::super::image::LaunchableImage;
use super::super::marker;
use super::super::source::{self, Selector};
use super::super::survey::Fleet;
use super::{DefaultMoment, DefaultPlan, Fit, Plan, VersionTarget, unfit};

/// Plans the templates that opt in themselves: a version from the default one.
pub(super) fn plan_listed(
    fleet: &Fleet,
    image: &LaunchableImage,
    plan: &mut Plan,
) -> Result<(), FollowError> {
    for id in &fleet.listed {
        let Some(state) = fleet.templates.get(id) else { continue };
        let number = state.template.default;
        let Some(version) = state.version(number) else { continue };
        let types: Vec<_> = version.instance_type.iter().cloned().collect();
        match Fit::of(fleet, &types, image) {
            Fit::Runs => {}
            fit => return Err(unfit(&state.template.name, image, fit)),
        }
        if version.image.as_deref() == Some(plan.text.as_str()) {
            continue;
        }
        plan.add_version(fleet, id, number);
        push(
            plan,
            DefaultPlan {
                template: id.clone(),
                from: number,
                to: VersionTarget::MadeFrom(number),
                moment: DefaultMoment::After,
            },
        );
    }
    Ok(())
}

/// Adds a default; the earlier moment wins.
fn push(plan: &mut Plan, default: DefaultPlan) {
    match plan.defaults.iter_mut().find(|one| one.template == default.template) {
        Some(one) if default.moment == DefaultMoment::Before => *one = default,
        Some(_) => {}
        None => plan.defaults.push(default),
    }
}

/// Plans the defaults of the templates of groups. A default moves along if it is the version that a group launches
/// from: before the refresh where the group uses `$Default`, else when all have succeeded. Any other default is not
/// what the group runs, and stays.
pub(super) fn plan_defaults(fleet: &Fleet, plan: &mut Plan) {
    let mut found = Vec::new();
    for one in plan.groups.iter().flat_map(|group| &group.uses) {
        let Some(state) = fleet.templates.get(&one.template) else { continue };
        let default = state.template.default;
        let source = match one.target {
            VersionTarget::MadeFrom(source) => source,
            // Made by an earlier run, which did not come to set the default.
            VersionTarget::Existing(number) => {
                let made = marker::made_before(&state.versions, &plan.text, default);
                if made != Some(number) {
                    continue;
                }
                default
            }
        };
        if source != default {
            continue;
        }
        let moment = match one.selector {
            Selector::Default => DefaultMoment::Before,
            Selector::Number(_) | Selector::Latest => DefaultMoment::After,
        };
        found.push(DefaultPlan { template: one.template.clone(), from: default, to: one.target, moment });
    }
    for default in found {
        push(plan, default);
    }
}

/// Refuses to change what a group launches that does not opt in.
pub(super) fn check_bystanders(fleet: &Fleet, plan: &Plan) -> Result<(), FollowError> {
    for group in &fleet.bystanders {
        for found in source::uses(&group.source) {
            let id = &found.template.id;
            let made = plan.versions.iter().any(|one| one.template == *id && one.existing.is_none());
            let moved = plan.defaults.iter().any(|one| one.template == *id);
            let changed = match Selector::parse(&found.template.version) {
                Some(Selector::Latest) => made,
                Some(Selector::Default) => moved,
                _ => false,
            };
            if changed {
                let (other, template) = (group.name.clone(), id.clone());
                let selector = found.template.version.clone();
                return Err(Conflict::Bystander { other, template, selector }.into());
            }
        }
    }
    Ok(())
}

/// Refuses a new version that would become the latest of a template which another group uses at `$Latest`, with other
/// contents.
pub(super) fn check_latest(fleet: &Fleet, plan: &Plan) -> Result<(), FollowError> {
    for one in plan.groups.iter().flat_map(|group| &group.uses) {
        if one.selector != Selector::Latest {
            continue;
        }
        let latest = fleet.templates.get(&one.template).map(|state| state.template.latest);
        let other = plan.versions.iter().find(|version| {
            version.template == one.template && version.existing.is_none() && Some(version.source) != latest
        });
        if let Some(other) = other {
            let (template, version) = (one.template.clone(), other.source);
            return Err(Conflict::Latest { template, version }.into());
        }
    }
    Ok(())
}
