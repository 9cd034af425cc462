//! Who follows: the groups that opt in, the image that each instance runs, and the drift from the image that they should
//! run.

use std::collections::BTreeMap;

use serde::Serialize;

use super::source::{self, Selector};
use super::survey::Fleet;
use crate::api::groups::Group;

/// A group that opts in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupStatus {
    /// Its name.
    pub name: String,
    /// The channel of its tag, if it has one.
    pub channel: Option<String>,
    /// The image that it should run; `None` if nothing says so.
    pub expected: Option<String>,
    /// The images that its next instances get: images, or references to parameters.
    pub launches: Vec<String>,
    /// The refresh that runs: its status and percentage.
    pub refresh: Option<String>,
    /// Its instances.
    pub instances: Vec<InstanceStatus>,
    /// Whether an instance, or what is launched next, differs from what is expected.
    pub drift: bool,
}

/// An instance of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatus {
    /// Its id.
    pub id: String,
    /// Its state in the group.
    pub state: String,
    /// The image that it runs.
    pub image: Option<String>,
}

/// The groups of a fleet. `expected` has the image for a channel, and under `None` the one for all others; `tag` is the
/// tag whose value names the channel.
pub fn status(fleet: &Fleet, tag: &str, expected: &BTreeMap<Option<String>, String>) -> Vec<GroupStatus> {
    fleet.groups.iter().map(|group| group_status(fleet, group, tag, expected)).collect()
}

fn group_status(
    fleet: &Fleet,
    group: &Group,
    tag: &str,
    expected: &BTreeMap<Option<String>, String>,
) -> GroupStatus {
    let channel = group.tags.get(tag).cloned();
    let expected = expected.get(&channel).or_else(|| expected.get(&None)).cloned();
    let instances: Vec<_> = group
        .instances
        .iter()
        .map(|instance| InstanceStatus {
            id: instance.id.clone(),
            state: instance.lifecycle.clone(),
            image: fleet.instances.get(&instance.id).and_then(|one| one.image.clone()),
        })
        .collect();
    let launches = launches(fleet, group);
    let differs = |image: &String| expected.as_ref().is_some_and(|expected| expected != image);
    let present = group.instances.iter().zip(&instances).filter(|(instance, _)| !instance.is_leaving());
    let drift = present.into_iter().any(|(_, one)| one.image.as_ref().is_some_and(differs))
        || launches.iter().any(|image| !super::marker::is_reference(image) && differs(image));
    let running = fleet.running.get(&group.name);
    GroupStatus {
        name: group.name.clone(),
        channel,
        expected,
        launches,
        refresh: running.map(|refresh| format!("{} {} %", refresh.status, refresh.percentage)),
        instances,
        drift,
    }
}

/// The images that the next instances of a group get, each once.
fn launches(fleet: &Fleet, group: &Group) -> Vec<String> {
    let mut images: Vec<String> = Vec::new();
    for found in source::uses(&group.source).into_iter().filter(|found| found.is_used) {
        let state = fleet.templates.get(&found.template.id);
        let image = state
            .zip(Selector::parse(&found.template.version))
            .and_then(|(state, selector)| state.version(state.number(selector))?.image.clone());
        images.extend(image);
    }
    images.extend(source::image_overrides(&group.source).into_iter().map(|one| one.image));
    images.dedup();
    images
}
