//! What is in progress in a region: uploads, copies, tasks, checks of parameters, launches.

use super::html::Html;
use super::layout::{Tone, View, badge};
use super::link::Link;
use super::text;
use crate::launch::{LaunchState, Launcher};
use crate::state::image::ImageState;
use crate::state::snapshot::{Snapshot, Status};
use crate::state::{Region, State};
use crate::sync;

/// Something that is in progress.
pub(super) struct Step {
    link: Link,
    id: String,
    what: String,
    detail: String,
}

/// Everything in progress in a region.
pub(super) fn steps(view: &View<'_>, region: &Region) -> Vec<Step> {
    let mut steps = uploads(view.state, region);
    steps.extend(images(view.state, region));
    steps.extend(tasks(view.state, region));
    steps.extend(parameters(view.state, region));
    steps.extend(launches(view, region));
    steps
}

/// Writes the steps as a list.
pub(super) fn write(html: &mut Html, steps: &[Step]) {
    html.element("ul", &[super::html::Attribute::Class("steps")], |html| {
        for step in steps {
            html.element("li", &[], |html| {
                badge(html, Tone::Busy, &step.what);
                html.text(" ");
                html.link(&step.link, "id", &step.id);
                html.text(" ");
                html.text_in("span", "detail", &step.detail);
            });
        }
    });
}

fn uploads(state: &State, region: &Region) -> Vec<Step> {
    let pending = region.snapshots.all().into_iter().filter(|one| one.status(state.now()) == Status::Pending);
    let step = |snapshot: std::sync::Arc<Snapshot>| {
        let held = region.snapshots.map(&snapshot.id).map_or(0, |map| sync::lock(&*map).written().count());
        let (what, detail) = if snapshot.outcome.is_some() {
            ("completing", snapshot.progress(state.now()).to_owned())
        } else {
            ("uploading", text::count(held as u64, "block") + " so far")
        };
        Step {
            link: Link::snapshot(&region.name, &snapshot.id),
            id: snapshot.id.clone(),
            what: what.to_owned(),
            detail,
        }
    };
    pending.map(step).collect()
}

fn images(state: &State, region: &Region) -> Vec<Step> {
    let all = region.images.all().into_iter();
    let pending = all.filter(|(_, image)| image.state(state.now()) == ImageState::Pending);
    let step = |(id, image): (String, std::sync::Arc<crate::state::image::ImageRecord>)| Step {
        link: Link::image(&region.name, &id),
        detail: match &image.source {
            Some((source, from)) => format!("{}: copied from {source} in {from}", image.name),
            None => image.name.clone(),
        },
        id,
        what: "pending".to_owned(),
    };
    pending.map(step).collect()
}

fn tasks(state: &State, region: &Region) -> Vec<Step> {
    let now = state.now();
    let running = region.store_tasks.all().into_iter().filter(|(_, task)| now < task.done);
    let step = |(_, task): (String, std::sync::Arc<crate::state::store_task::StoreTask>)| Step {
        link: Link::image(&region.name, &task.image),
        id: task.image.clone(),
        what: "storing".to_owned(),
        detail: format!("{} % of {}/{}", task.percentage(now), task.bucket, task.key),
    };
    let imports = region.import_tasks.all().into_iter().filter(|(_, task)| task.is_active());
    let imported = |(id, task): (String, std::sync::Arc<crate::state::import_task::ImportTask>)| Step {
        link: Link::region(&region.name),
        id,
        what: "importing".to_owned(),
        detail: format!("{} % of {}/{}", task.percentage(now), task.bucket, task.key),
    };
    running.map(step).chain(imports.map(imported)).collect()
}

fn parameters(state: &State, region: &Region) -> Vec<Step> {
    let now = state.now();
    let all = region.parameters.all().into_iter().map(|(_, parameter)| parameter);
    let checked = all.filter(|one| one.versions.iter().any(|version| now < version.from));
    let step = |one: std::sync::Arc<crate::state::parameter::StoredParameter>| Step {
        link: Link::channel(&region.name, &one.name),
        id: one.name.clone(),
        what: "checking".to_owned(),
        detail: "the image of a new version".to_owned(),
    };
    checked.map(step).collect()
}

fn launches(view: &View<'_>, region: &Region) -> Vec<Step> {
    let all = view.launcher.map(Launcher::launches).unwrap_or_default().into_iter();
    let running = all.filter(|one| one.state == LaunchState::Running && one.region == region.name);
    let step = |one: crate::launch::Launch| Step {
        link: Link::launch(one.id),
        id: format!("launch {}", one.id),
        what: "running".to_owned(),
        detail: one.image,
    };
    running.map(step).collect()
}
