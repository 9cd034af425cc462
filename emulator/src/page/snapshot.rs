//! The document of a snapshot.

use super::html::{Attribute, Html};
use super::image::write_map;
use super::layout::{Activity, View, section};
use super::link::Link;
use super::overview::snapshot_status;
use super::{table, text};
use crate::state::Region;
use crate::state::snapshot::{Snapshot, Status};

/// The document of a snapshot; `None` if there is none with this id.
pub(super) fn document(view: &View<'_>, region: &Region, id: &str) -> Option<String> {
    let snapshot = region.snapshots.find(id)?;
    let is_pending = snapshot.status(view.now()) == Status::Pending;
    let activity = if is_pending { Activity::InProgress } else { Activity::Settled };
    Some(view.page((id, Some(region)), activity, |html| {
        html.text_in("h1", "id", id);
        html.element("p", &[Attribute::Class("under")], |html| snapshot_status(html, view, &snapshot));
        if let Some(why) = snapshot.state_message(view.now()) {
            html.text_in("p", "problem", why);
        }
        section(
            html,
            ("Blocks", usize::try_from(snapshot.volume_size * 2048).unwrap_or(usize::MAX)),
            "",
            |html| {
                write_map(html, region, id);
            },
        );
        table::facts(html, &facts(view, &snapshot));
        relatives(html, region, &snapshot);
        used_by(html, region, id);
        sharing(html, &snapshot);
        table::tags(html, &snapshot.tags);
    }))
}

fn facts(view: &View<'_>, snapshot: &Snapshot) -> Vec<(&'static str, String)> {
    vec![
        ("Description", snapshot.description.clone()),
        ("Owner", snapshot.owner.clone()),
        ("Started", text::time(snapshot.start_time)),
        ("Completed", snapshot.completion_time(view.now()).map(text::time).unwrap_or_default()),
        ("Volume", text::size(snapshot.volume_size << 30)),
        ("Key", snapshot.kms_key.clone().unwrap_or_default()),
    ]
}

/// The parent and the children of a snapshot.
fn relatives(html: &mut Html, region: &Region, snapshot: &Snapshot) {
    let all = region.snapshots.all();
    let parent = snapshot.parent.iter().map(|id| ("Parent", id.clone()));
    let children = all.iter().filter(|one| one.parent.as_deref() == Some(snapshot.id.as_str()));
    let relatives: Vec<_> = parent.chain(children.map(|one| ("Child", one.id.clone()))).collect();
    section(html, ("Versions", relatives.len()), "", |html| {
        table::write(html, &["Relation", "Snapshot"], relatives, |row, (relation, id)| {
            row.text(relation);
            row.cell(|html| {
                if region.snapshots.find(&id).is_some() {
                    html.link(&Link::snapshot(&region.name, &id), "id", &id);
                } else {
                    html.text_in("code", "", &id);
                    html.text(" (deleted)");
                }
            });
        });
    });
}

fn used_by(html: &mut Html, region: &Region, id: &str) {
    let mut images: Vec<_> = region.images.all().into_iter().map(|(_, image)| image).collect();
    images.retain(|image| image.snapshots().any(|other| other == id));
    section(html, ("Used by", images.len()), "No AMI is made from it.", |html| {
        html.element("p", &[], |html| {
            for image in &images {
                html.link(&Link::image(&region.name, &image.id), "chip", &image.name);
            }
        });
    });
}

fn sharing(html: &mut Html, snapshot: &Snapshot) {
    let shares = &snapshot.shared_with;
    let everybody = shares.everybody.then(|| "everybody".to_owned());
    let who: Vec<String> = everybody.into_iter().chain(shares.accounts.iter().cloned()).collect();
    section(html, ("Shared with", who.len()), "Only its owner may make volumes from it.", |html| {
        table::write(html, &["Account"], &who, |row, who| row.cell(|html| html.text_in("code", "", who)));
    });
}
