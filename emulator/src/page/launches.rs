//! The documents of launches, and the forms that begin and end them.

use super::html::{Attribute, Html};
use super::layout::{Activity, Tone, View, badge};
use super::link::Link;
use super::{Answer, table, text};
use crate::launch::{Launch, LaunchState, Launcher};
use crate::state::image::ImageState;

/// The document of all launches.
pub(super) fn list(view: &View<'_>) -> Answer {
    let Some(launcher) = view.launcher else { return Answer::Missing };
    let launches = launcher.launches();
    let activity = activity(launches.iter());
    Answer::Document(view.page(("Launches", None), activity, |html| {
        html.text_in("h1", "", "Launches");
        if launches.is_empty() {
            html.text_in("p", "empty", "Nothing was launched since the region was started.");
            return;
        }
        table::write(html, &["Launch", "AMI", "Region", "State", "Begun"], &launches, |row, launch| {
            row.cell(|html| html.link(&Link::launch(launch.id), "name", &launch.id.to_string()));
            row.cell(|html| image(html, view, launch));
            row.text(&launch.region);
            row.cell(|html| state(html, &launch.state));
            row.cell(|html| view.time(html, text::timestamp(launch.begun)));
        });
    }))
}

/// The document of a launch: its state and the end of its console.
pub(super) fn one(view: &View<'_>, id: &str) -> Answer {
    let Some((_, launch)) = find(view, id) else { return Answer::Missing };
    let activity = activity([&launch].into_iter());
    Answer::Document(view.page((&format!("Launch {}", launch.id), None), activity, |html| {
        html.text_in("h1", "", &format!("Launch {}", launch.id));
        html.element("p", &[Attribute::Class("under")], |html| {
            image(html, view, &launch);
            html.text(&format!(" in {} ", launch.region));
            state(html, &launch.state);
        });
        if launch.state == LaunchState::Running {
            let action = Link::new(&["launches", &launch.id.to_string(), "stop"]);
            view.button(html, &action, "danger", "Stop");
        }
        html.text_in("h2", "", "Console");
        let console = text::console(&launch.console);
        if console.is_empty() {
            html.text_in("p", "empty", "Nothing was written yet.");
        } else {
            html.element("pre", &[Attribute::Fixed("tabindex", "0")], |html| html.lines(&console));
        }
    }))
}

/// Begins to launch an image.
pub(super) fn begin(view: &View<'_>, region: &str, id: &str) -> Answer {
    let Some(launcher) = view.launcher else { return Answer::Missing };
    let used = view.state.used_regions().iter().any(|used| used == region);
    let found = used.then(|| view.state.region(region).ok()).flatten();
    let Some(image) = found.and_then(|region| region.images.find(id)) else { return Answer::Missing };
    if image.state(view.now()) != ImageState::Available {
        return Answer::Failed(format!("{id} is {}.", image.state(view.now()).name()));
    }
    match launcher.launch(region, id) {
        Ok(launch) => Answer::See(Link::launch(launch)),
        Err(why) => Answer::Failed(why),
    }
}

/// Ends a launch.
pub(super) fn stop(view: &View<'_>, id: &str) -> Answer {
    let Some((launcher, launch)) = find(view, id) else { return Answer::Missing };
    launcher.stop(launch.id);
    Answer::See(Link::launch(launch.id))
}

fn find<'v>(view: &View<'v>, id: &str) -> Option<(&'v dyn Launcher, Launch)> {
    let (launcher, number) = (view.launcher?, id.parse::<u64>().ok()?);
    let launch = launcher.launches().into_iter().find(|launch| launch.id == number)?;
    Some((launcher, launch))
}

fn activity<'l>(mut launches: impl Iterator<Item = &'l Launch>) -> Activity {
    if launches.any(|launch| launch.state == LaunchState::Running) {
        Activity::InProgress
    } else {
        Activity::Settled
    }
}

/// Writes the image of a launch, as a link unless it is gone.
fn image(html: &mut Html, view: &View<'_>, launch: &Launch) {
    let used = view.state.used_regions().contains(&launch.region);
    let region = used.then(|| view.state.region(&launch.region).ok()).flatten();
    if region.is_some_and(|region| region.images.find(&launch.image).is_some()) {
        html.link(&Link::image(&launch.region, &launch.image), "id", &launch.image);
    } else {
        html.text_in("code", "", &launch.image);
    }
}

fn state(html: &mut Html, state: &LaunchState) {
    match state {
        LaunchState::Running => badge(html, Tone::Busy, "running"),
        LaunchState::Ended => badge(html, Tone::Quiet, "ended"),
        LaunchState::Failed(None) => badge(html, Tone::Bad, "failed"),
        LaunchState::Failed(Some(code)) => badge(html, Tone::Bad, &format!("failed with exit code {code}")),
    }
}
