//! The document of a channel: a parameter that holds an image, and its history.

use super::layout::{Activity, Tone, View, badge};
use super::overview::{channels, image_link};
use super::{table, text};
use crate::state::Region;

/// The document of a channel; `None` if there is none with this name. Two accounts may have one of the same
/// name.
pub(super) fn document(view: &View<'_>, region: &Region, name: &str) -> Option<String> {
    let mut named = channels(region);
    named.retain(|channel| channel.name == name);
    if named.is_empty() {
        return None;
    }
    let now = view.now();
    let is_checked = named.iter().any(|channel| channel.versions.iter().any(|version| now < version.from));
    let activity = if is_checked { Activity::InProgress } else { Activity::Settled };
    Some(view.page((name, Some(region)), activity, |html| {
        html.text_in("h1", "", name);
        for channel in &named {
            table::facts(html, &[("Owner", channel.owner.clone()), ("Type", channel.data_type.clone())]);
            html.text_in("h2", "", "History");
            let columns = ["Version", "AMI", "Name of the AMI", "Labels", "Description", "Set"];
            table::write(html, &columns, channel.versions.iter().rev(), |row, version| {
                row.cell(|html| {
                    html.text(&version.number.to_string());
                    if now < version.from {
                        badge(html, Tone::Busy, "checking");
                    }
                });
                row.cell(|html| image_link(html, region, &version.value));
                let image = region.images.find(&version.value);
                row.text(&image.map(|image| image.name.clone()).unwrap_or_default());
                row.cell(|html| {
                    for label in &version.labels {
                        html.text_in("span", "chip", label);
                    }
                });
                row.text(version.description.as_deref().unwrap_or_default());
                row.text(&text::time(version.modified));
            });
            table::tags(html, &channel.tags);
        }
    }))
}
