//! The document of an image.

use super::block_map::Grid;
use super::html::{Attribute, Html};
use super::layout::{Activity, View, section};
use super::link::Link;
use super::overview::{channels, image_state, points_to};
use super::{progress, table, text};
use crate::state::Region;
use crate::state::image::{ImageRecord, ImageState, Life};
use crate::state::sharing::SharedWith;
use crate::sync;

/// The number of blocks in a GiB.
const BLOCKS_OF_GIB: u64 = 2048;

/// The document of an image; `None` if there is none with this id.
pub(super) fn document(view: &View<'_>, region: &Region, id: &str) -> Option<String> {
    let image = region.images.find(id)?;
    let is_pending = image.state(view.now()) == ImageState::Pending;
    let steps = progress::steps(view, region);
    let activity = if is_pending || !steps.is_empty() { Activity::InProgress } else { Activity::Settled };
    Some(view.page((&image.name, Some(region)), activity, |html| {
        html.text_in("h1", "", &image.name);
        html.element("p", &[Attribute::Class("under")], |html| {
            html.text_in("code", "", &image.id);
            html.text(" ");
            image_state(html, view, &image);
        });
        if let Some(why) = image.failure(view.now()) {
            html.text_in("p", "problem", why);
        }
        launch(html, view, region, &image);
        table::facts(html, &facts(view, &image));
        channels_of(html, view, region, &image);
        volumes(html, region, &image);
        sharing(html, &image);
        table::tags(html, &image.tags);
    }))
}

/// The button that launches an image.
fn launch(html: &mut Html, view: &View<'_>, region: &Region, image: &ImageRecord) {
    if view.launcher.is_none() || image.state(view.now()) != ImageState::Available {
        return;
    }
    let action = Link::new(&["regions", &region.name, "images", &image.id, "launch"]);
    view.button(html, &action, "primary", "Launch on this machine");
}

fn facts(view: &View<'_>, image: &ImageRecord) -> Vec<(&'static str, String)> {
    let machine = &image.machine;
    let own = |value: &Option<String>| value.clone().unwrap_or_default();
    let source = image.source.as_ref().map(|(source, from)| format!("{source} in {from}"));
    let protection = image.protection_state(view.now());
    vec![
        ("Description", own(&image.description)),
        ("Owner", image.owner.clone()),
        ("Created", text::time(image.created)),
        ("Architecture", machine.architecture.clone()),
        ("Boot mode", own(&machine.boot_mode)),
        ("TPM", own(&machine.tpm)),
        ("Metadata service", own(&machine.imds)),
        ("Root device", machine.root_device.clone()),
        ("Copy of", source.unwrap_or_default()),
        ("Deprecated from", image.deprecated.map(text::time).unwrap_or_default()),
        (
            "Deregistration protection",
            if protection == "disabled" { String::new() } else { protection.to_owned() },
        ),
        ("Deregistered", if image.life == Life::Deregistered { "yes".to_owned() } else { String::new() }),
    ]
}

fn channels_of(html: &mut Html, view: &View<'_>, region: &Region, image: &ImageRecord) {
    let mut channels = channels(region);
    channels.retain(|channel| points_to(channel, view, &image.id));
    section(html, ("Channels", channels.len()), "", |html| {
        html.element("p", &[], |html| {
            for channel in &channels {
                html.link(&Link::channel(&region.name, &channel.name), "chip", &channel.name);
            }
        });
    });
}

fn volumes(html: &mut Html, region: &Region, image: &ImageRecord) {
    section(html, ("Volumes", image.mappings.len()), "It has no volumes.", |html| {
        for mapping in &image.mappings {
            html.element("h3", &[], |html| {
                html.text_in("code", "", &mapping.device);
            });
            let Some(ebs) = mapping.ebs() else {
                html.text_in("p", "empty", "An instance store volume, or none.");
                continue;
            };
            let encrypted = if ebs.encrypted { ", encrypted" } else { "" };
            let size = text::size(text::gib(ebs.volume.size));
            html.text_in("p", "under", &format!("{size}, {}{encrypted}", ebs.volume.kind.name()));
            match &ebs.snapshot {
                Some(id) => snapshot(html, region, id),
                None => html.text_in("p", "empty", "An empty volume."),
            }
        }
    });
}

/// The snapshot of a volume with its map.
fn snapshot(html: &mut Html, region: &Region, id: &str) {
    html.element("p", &[], |html| html.link(&Link::snapshot(&region.name, id), "id", id));
    write_map(html, region, id);
}

/// Writes the block map of a snapshot.
pub(super) fn write_map(html: &mut Html, region: &Region, id: &str) {
    let (Some(snapshot), Ok(map)) = (region.snapshots.find(id), region.snapshots.map(id)) else {
        html.text_in("p", "empty", "This snapshot is gone.");
        return;
    };
    let grid = Grid::new(&sync::lock(&*map), snapshot.volume_size * BLOCKS_OF_GIB);
    grid.write(html);
}

fn sharing(html: &mut Html, image: &ImageRecord) {
    section(html, ("Shared with", image.grants.0.len()), "Only its owner may launch it.", |html| {
        table::write(html, &["Kind", "Who"], &image.grants.0, |row, grantee| {
            let (kind, who) = match grantee {
                SharedWith::Everybody => ("Everybody", "every AWS account"),
                SharedWith::Account(id) => ("Account", id.as_str()),
                SharedWith::Organization(arn) => ("Organisation", arn.as_str()),
                SharedWith::Unit(arn) => ("Organisational unit", arn.as_str()),
            };
            row.text(kind);
            row.cell(|html| html.text_in("code", "", who));
        });
    });
}
