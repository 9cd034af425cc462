//! The plan of one group: which of its templates and overrides follow, and whether its instances have to be replaced.

use super::super::error::{Conflict, FollowError};
use super::super::image::LaunchableImage;
use super::super::report::KeptUse;
use super::super::source::{self, Selector, SourceUse};
use super::super::survey::{Fleet, TemplateState};
use super::super::{marker, outdated};
use super::{Fit, GroupPlan, Need, Plan, UsePlan, VersionTarget, unfit};
use crate::api::groups::{Group, LaunchSource, Refresh};

/// Plans a group; its need is decided when all versions are planned.
pub(super) fn plan_group(
    fleet: &Fleet,
    group: &Group,
    image: &LaunchableImage,
    plan: &mut Plan,
) -> Result<GroupPlan, FollowError> {
    if let LaunchSource::Other(what) = &group.source {
        return Err(FollowError::Unsupported { group: group.name.clone(), what: what.clone() });
    }
    let mut planned = GroupPlan {
        name: group.name.clone(),
        arn: group.arn.clone(),
        before: group.source.clone(),
        uses: Vec::new(),
        images: Vec::new(),
        kept: Vec::new(),
        reversible: true,
        need: Need::Nothing,
        outdated: 0,
    };
    let mut foreign = None;
    for found in source::uses(&group.source) {
        if let Some(fit) = plan_use(fleet, group, &found, image, (plan, &mut planned))? {
            foreign = Some(fit);
        }
    }
    plan_images(fleet, group, image, (plan, &mut planned))?;
    let follows = !planned.uses.is_empty() || !source::image_overrides(&group.source).is_empty();
    match foreign {
        Some(fit) if planned.uses.is_empty() && planned.images.is_empty() => {
            return Err(unfit(&group.name, image, fit));
        }
        _ if !follows => {
            let what = "no launch template".to_owned();
            return Err(FollowError::Unsupported { group: group.name.clone(), what });
        }
        _ => {}
    }
    Ok(planned)
}

/// Plans a use of a template. Returns why it stays as it is, if it does.
fn plan_use(
    fleet: &Fleet,
    group: &Group,
    found: &SourceUse,
    image: &LaunchableImage,
    (plan, planned): (&mut Plan, &mut GroupPlan),
) -> Result<Option<Fit>, FollowError> {
    let id = &found.template.id;
    let missing = |kind, name: String| FollowError::Missing { kind, name };
    let state = fleet.templates.get(id).ok_or_else(|| missing("launch template", id.clone()))?;
    let selector = Selector::parse(&found.template.version)
        .ok_or_else(|| missing("version of a launch template", found.template.version.clone()))?;
    let number = state.number(selector);
    let version = state
        .version(number)
        .ok_or_else(|| missing("version of a launch template", format!("{id} version {number}")))?;
    let refers = version.image.as_deref().is_none_or(marker::is_reference);
    planned.reversible &= matches!(selector, Selector::Number(_)) && !refers;
    if !found.is_used {
        return Ok(None);
    }
    let types = match (found.types.is_empty(), found.by_attributes) {
        (true, false) => version.instance_type.clone().into_iter().collect(),
        _ => found.types.clone(),
    };
    match Fit::of(fleet, &types, image) {
        Fit::Runs => {}
        Fit::Foreign(types) => {
            let kept = KeptUse { group: group.name.clone(), what: id.clone(), types: types.join(", ") };
            plan.kept.push(kept);
            planned.kept.push(id.clone());
            return Ok(Some(Fit::Foreign(types)));
        }
        fit => return Err(unfit(&group.name, image, fit)),
    }
    let is_there = version.image.as_deref() == Some(plan.text.as_str());
    let target = if is_there { VersionTarget::Existing(number) } else { VersionTarget::MadeFrom(number) };
    let previous = if is_there {
        unfinished(fleet, group, state, selector, number)
    } else {
        plan.add_version(fleet, id, number);
        Some((number, version.image.clone()))
    };
    planned.uses.push(UsePlan { position: found.position, template: id.clone(), selector, target, previous });
    Ok(None)
}

/// The version that a selector stood for before, if an earlier run moved it and did not finish: its version says from
/// which one it was made, and instances of that one still run.
fn unfinished(
    fleet: &Fleet,
    group: &Group,
    state: &TemplateState,
    selector: Selector,
    number: u64,
) -> Option<(u64, Option<String>)> {
    if matches!(selector, Selector::Number(_)) {
        return None;
    }
    let version = state.version(number)?;
    let source = state.versions.iter().find(|one| {
        one.number < number
            && marker::made_before(&state.versions, version.image.as_deref().unwrap_or_default(), one.number)
                == Some(number)
    })?;
    let runs = group.instances.iter().filter(|instance| !instance.is_leaving()).any(|instance| {
        let of_version = instance
            .template
            .as_ref()
            .is_some_and(|used| used.id == state.template.id && used.version == source.number.to_string());
        let described = fleet.instances.get(&instance.id).and_then(|one| one.image.as_ref());
        of_version || (described.is_some() && described == source.image.as_ref())
    });
    runs.then(|| (source.number, source.image.clone()))
}

/// Plans the overrides with an image of their own. An override takes an id only, so it gets the image itself even when
/// templates refer to a parameter.
fn plan_images(
    fleet: &Fleet,
    group: &Group,
    image: &LaunchableImage,
    (plan, planned): (&mut Plan, &mut GroupPlan),
) -> Result<(), FollowError> {
    for entry in source::image_overrides(&group.source) {
        let types: Vec<_> = entry.instance_type.iter().cloned().collect();
        match Fit::of(fleet, &types, image) {
            Fit::Runs if entry.image != image.id => planned.images.push(entry.index),
            Fit::Runs => {}
            Fit::Foreign(types) => plan.kept.push(KeptUse {
                group: group.name.clone(),
                what: entry.image.clone(),
                types: types.join(", "),
            }),
            fit => return Err(unfit(&group.name, image, fit)),
        }
    }
    Ok(())
}

/// Decides what a group needs.
pub(super) fn decide_need(fleet: &Fleet, planned: &mut GroupPlan, plan: &Plan) -> Result<(), FollowError> {
    let Some(group) = fleet.groups.iter().find(|group| group.name == planned.name) else { return Ok(()) };
    let outdated = outdated::outdated(group, &fleet.instances, &plan.image, &planned.kept, &plan.kept);
    planned.outdated = outdated.len();
    let moved = planned.uses.iter().any(|one| matches!(one.target, VersionTarget::MadeFrom(_)));
    if let Some(refresh) = fleet.running.get(&group.name) {
        check_joinable(planned, plan, refresh, moved)?;
        planned.need = Need::Join(refresh.id.clone());
        return Ok(());
    }
    planned.need = match (planned.changes_configuration() || moved, outdated.is_empty()) {
        (true, _) => Need::Refresh,
        (false, false) => Need::RefreshRest,
        (false, true) => Need::Nothing,
    };
    Ok(())
}

/// Refuses a refresh that runs and is not the one that is needed. One without a desired configuration is, if what the
/// selectors of the group stand for has the image already.
fn check_joinable(
    planned: &GroupPlan,
    plan: &Plan,
    refresh: &Refresh,
    moved: bool,
) -> Result<(), FollowError> {
    let desired = planned.desired(plan, &plan.existing());
    let ours = match (&refresh.desired, &desired) {
        (Some(running), Some(desired)) => source::same(running, desired),
        (Some(running), None) => !planned.changes_configuration() && source::same(running, &planned.before),
        (None, _) => !planned.changes_configuration() && !moved,
    };
    if ours {
        return Ok(());
    }
    Err(conflict(&planned.name, refresh).into())
}

/// The error for another refresh that runs.
pub(in crate::follow) fn conflict(group: &str, refresh: &Refresh) -> Conflict {
    let configuration = match &refresh.desired {
        None => "the configuration that the group has".to_owned(),
        Some(desired) => {
            let uses = source::uses(desired);
            let name =
                |found: &SourceUse| format!("{} version {}", found.template.id, found.template.version);
            uses.iter().map(name).collect::<Vec<_>>().join(", ")
        }
    };
    Conflict::Refresh {
        group: group.to_owned(),
        id: refresh.id.clone(),
        status: refresh.status.clone(),
        configuration,
    }
}
