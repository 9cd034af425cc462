//! The document of a region: images, channels, snapshots, tasks, and what is in progress.

use std::sync::Arc;

use super::html::{Attribute, Html};
use super::layout::{Activity, Tone, View, badge, section};
use super::link::Link;
use super::{progress, table, text, value};
use crate::state::Region;
use crate::state::image::{ImageRecord, ImageState};
use crate::state::parameter::StoredParameter;
use crate::state::sharing::Grants;
use crate::state::snapshot::{Snapshot, Status};
use crate::state::tags::Tags;
use crate::sync;

/// The data type of parameters that hold an image.
const IMAGE_TYPE: &str = "aws:ec2:image";
/// The largest number of rows in a table.
const MAX_ROWS: usize = 200;

/// The document of a region.
pub(super) fn document(view: &View<'_>, region: &Region) -> String {
    let steps = progress::steps(view, region);
    let activity = if steps.is_empty() { Activity::Settled } else { Activity::InProgress };
    let filter = value(view.query, "q").unwrap_or_default();
    view.page((&region.name, Some(region)), activity, |html| {
        html.text_in("h1", "", &region.name);
        section(html, ("In progress", steps.len()), "", |html| progress::write(html, &steps));
        search(html, region, filter);
        let images = images(region, filter);
        section(html, ("AMIs", images.len()), "No AMI here.", |html| {
            write_images(html, view, region, &images);
        });
        let channels = channels(region);
        section(html, ("Channels", channels.len()), "", |html| write_channels(html, view, region, &channels));
        let snapshots = snapshots(region, filter);
        section(html, ("Snapshots", snapshots.len()), "No snapshot here.", |html| {
            write_snapshots(html, view, region, &snapshots);
        });
        let tasks = region.store_tasks.all();
        section(html, ("Stored in S3", tasks.len()), "", |html| write_tasks(html, view, region));
    })
}

/// A form that filters images and snapshots by a part of their names, ids or tags.
fn search(html: &mut Html, region: &Region, filter: &str) {
    let action = Link::region(&region.name);
    let form = [
        Attribute::Fixed("method", "get"),
        Attribute::Target("action", &action),
        Attribute::Fixed("role", "search"),
    ];
    html.element("form", &form, |html| {
        html.void(
            "input",
            &[
                Attribute::Fixed("type", "search"),
                Attribute::Fixed("name", "q"),
                Attribute::Fixed("aria-label", "Part of a name, an id or a tag"),
                Attribute::Fixed("placeholder", "name, id or tag"),
                Attribute::Value("value", filter),
            ],
        );
        html.element("button", &[Attribute::Fixed("type", "submit")], |html| html.text("Filter"));
    });
}

/// Whether a resource has a text in its id, its name or its tags.
fn is_found(filter: &str, id: &str, name: &str, tags: &Tags) -> bool {
    let filter = filter.to_lowercase();
    let has = |text: &str| text.to_lowercase().contains(&filter);
    has(id) || has(name) || tags.iter().any(|(key, value)| has(key) || has(value))
}

/// The images that are not deregistered, the latest first.
fn images(region: &Region, filter: &str) -> Vec<Arc<ImageRecord>> {
    let all = region.images.all().into_iter().map(|(_, image)| image);
    let mut images: Vec<_> = all
        .filter(|image| !matches!(image.life, crate::state::image::Life::Deregistered))
        .filter(|image| is_found(filter, &image.id, &image.name, &image.tags))
        .collect();
    images.sort_by_key(|image| std::cmp::Reverse((image.created, image.id.clone())));
    images
}

/// The snapshots, the latest first.
fn snapshots(region: &Region, filter: &str) -> Vec<Arc<Snapshot>> {
    let mut all = region.snapshots.all();
    all.retain(|snapshot| is_found(filter, &snapshot.id, &snapshot.description, &snapshot.tags));
    all.sort_by_key(|snapshot| std::cmp::Reverse((snapshot.start_time, snapshot.id.clone())));
    all
}

/// The parameters that hold an image.
pub(super) fn channels(region: &Region) -> Vec<Arc<StoredParameter>> {
    let all = region.parameters.all().into_iter().map(|(_, parameter)| parameter);
    all.filter(|parameter| parameter.data_type == IMAGE_TYPE).collect()
}

/// Says how many rows are left out.
fn left_out(html: &mut Html, number: usize) {
    if number > MAX_ROWS {
        let text = format!("{} more: filter them by a part of their names.", number - MAX_ROWS);
        html.text_in("p", "empty", &text);
    }
}

fn write_images(html: &mut Html, view: &View<'_>, region: &Region, images: &[Arc<ImageRecord>]) {
    let channels = channels(region);
    let columns = ["Name", "AMI", "State", "Architecture", "Size", "Shared with", "Channels", "Created"];
    table::write(html, &columns, images.iter().take(MAX_ROWS), |row, image| {
        let link = Link::image(&region.name, &image.id);
        row.cell(|html| html.link(&link, "name", &image.name));
        row.cell(|html| html.link(&link, "id", &image.id));
        row.cell(|html| image_state(html, view, image));
        row.text(&image.machine.architecture);
        row.text(&size_of_volumes(image));
        row.text(&shared_with(&image.grants));
        row.cell(|html| {
            for channel in channels.iter().filter(|channel| points_to(channel, view, &image.id)) {
                html.link(&Link::channel(&region.name, &channel.name), "chip", &channel.name);
            }
        });
        row.cell(|html| view.time(html, image.created));
    });
    left_out(html, images.len());
}

/// Whether the current version of a channel is an image.
pub(super) fn points_to(channel: &StoredParameter, view: &View<'_>, image: &str) -> bool {
    channel.visible_versions(view.now()).next_back().is_some_and(|version| version.value == image)
}

/// Writes the state of an image.
pub(super) fn image_state(html: &mut Html, view: &View<'_>, image: &ImageRecord) {
    let state = image.state(view.now());
    let tone = match state {
        ImageState::Available => Tone::Good,
        ImageState::Pending => Tone::Busy,
        ImageState::Failed => Tone::Bad,
        ImageState::Disabled | ImageState::Deregistered => Tone::Quiet,
    };
    badge(html, tone, state.name());
    if image.is_deprecated(view.now()) {
        badge(html, Tone::Quiet, "deprecated");
    }
    if image.protection_state(view.now()) != "disabled" {
        badge(html, Tone::Quiet, "protected");
    }
}

fn size_of_volumes(image: &ImageRecord) -> String {
    let sizes = image.mappings.iter().filter_map(|mapping| mapping.ebs());
    let sizes: Vec<String> = sizes.map(|ebs| text::size(text::gib(ebs.volume.size))).collect();
    sizes.join(" + ")
}

/// Who may launch an image, in a few words.
pub(super) fn shared_with(grants: &Grants) -> String {
    if grants.is_public() {
        return "everybody".to_owned();
    }
    match grants.0.len() {
        0 => "not shared".to_owned(),
        number => text::count(number as u64, "grantee"),
    }
}

fn write_channels(html: &mut Html, view: &View<'_>, region: &Region, channels: &[Arc<StoredParameter>]) {
    let columns = ["Channel", "AMI", "Name of the AMI", "Version", "Since"];
    table::write(html, &columns, channels.iter().take(MAX_ROWS), |row, channel| {
        row.cell(|html| html.link(&Link::channel(&region.name, &channel.name), "name", &channel.name));
        let Some(version) = channel.visible_versions(view.now()).next_back() else {
            row.cell(|html| badge(html, Tone::Busy, "not visible yet"));
            return;
        };
        row.cell(|html| image_link(html, region, &version.value));
        row.text(&region.images.find(&version.value).map(|image| image.name.clone()).unwrap_or_default());
        row.text(&version.number.to_string());
        row.cell(|html| view.time(html, version.modified));
    });
    left_out(html, channels.len());
}

/// Writes the id of an image, as a link if there is one.
pub(super) fn image_link(html: &mut Html, region: &Region, id: &str) {
    if region.images.find(id).is_some() {
        html.link(&Link::image(&region.name, id), "id", id);
    } else {
        html.text_in("code", "", id);
        badge(html, Tone::Bad, "missing");
    }
}

fn write_snapshots(html: &mut Html, view: &View<'_>, region: &Region, snapshots: &[Arc<Snapshot>]) {
    let columns =
        ["Snapshot", "Description", "Status", "Volume", "Written", "Of the parent", "Used by", "Started"];
    let images = images(region, "");
    table::write(html, &columns, snapshots.iter().take(MAX_ROWS), |row, snapshot| {
        row.cell(|html| html.link(&Link::snapshot(&region.name, &snapshot.id), "id", &snapshot.id));
        row.text(label(snapshot));
        row.cell(|html| snapshot_status(html, view, snapshot));
        row.text(&text::size(snapshot.volume_size << 30));
        let (written, inherited) = block_counts(region, &snapshot.id);
        row.text(&text::blocks(written));
        row.text(&if inherited == 0 { String::new() } else { text::blocks(inherited) });
        row.cell(|html| {
            for image in images.iter().filter(|image| image.snapshots().any(|id| id == snapshot.id)) {
                html.link(&Link::image(&region.name, &image.id), "chip", &image.name);
            }
        });
        row.cell(|html| view.time(html, snapshot.start_time));
    });
    left_out(html, snapshots.len());
}

/// The name of a snapshot, or its description.
fn label(snapshot: &Snapshot) -> &str {
    snapshot.tags.get("Name").map_or(snapshot.description.as_str(), String::as_str)
}

/// The number of blocks that were written, and of those of the parent.
fn block_counts(region: &Region, id: &str) -> (u64, u64) {
    let Ok(map) = region.snapshots.map(id) else { return (0, 0) };
    let map = sync::lock(&*map);
    let written = map.written().count();
    (written as u64, (map.len() - written) as u64)
}

/// Writes the status of a snapshot.
pub(super) fn snapshot_status(html: &mut Html, view: &View<'_>, snapshot: &Snapshot) {
    let status = snapshot.status(view.now());
    let tone = match status {
        Status::Completed => Tone::Good,
        Status::Pending => Tone::Busy,
        Status::Error => Tone::Bad,
    };
    badge(html, tone, status.as_str());
    if snapshot.kms_key.is_some() {
        badge(html, Tone::Quiet, "encrypted");
    }
}

fn write_tasks(html: &mut Html, view: &View<'_>, region: &Region) {
    let columns = ["AMI", "Object", "State", "Begun"];
    table::write(html, &columns, region.store_tasks.all(), |row, (_, task)| {
        row.cell(|html| image_link(html, region, &task.image));
        row.text(&format!("{}/{}", task.bucket, task.key));
        let done = view.now() >= task.done;
        row.cell(|html| badge(html, if done { Tone::Good } else { Tone::Busy }, task.state(view.now())));
        row.cell(|html| view.time(html, task.begun));
    });
}
