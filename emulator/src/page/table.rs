//! Tables: on a narrow screen each row becomes a list, whose labels are the names of the columns.

use super::html::{Attribute, Html};

/// A row of a table that is being written.
pub(super) struct Row<'h> {
    html: &'h mut Html,
    columns: std::slice::Iter<'h, &'static str>,
}

impl Row<'_> {
    /// Writes the next cell.
    pub(super) fn cell(&mut self, write: impl FnOnce(&mut Html)) {
        let label = self.columns.next().copied().unwrap_or_default();
        self.html.element("td", &[Attribute::Fixed("data-label", label)], write);
    }

    /// Writes the next cell with a text.
    pub(super) fn text(&mut self, text: &str) {
        self.cell(|html| html.text(text));
    }
}

/// Writes a table with a row for each of `rows`.
pub(super) fn write<T>(
    html: &mut Html,
    columns: &[&'static str],
    rows: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Row<'_>, T),
) {
    html.element("table", &[], |html| {
        html.element("thead", &[], |html| {
            html.element("tr", &[], |html| {
                for column in columns {
                    html.element("th", &[Attribute::Fixed("scope", "col")], |html| html.text(column));
                }
            });
        });
        html.element("tbody", &[], |html| {
            for row in rows {
                html.element("tr", &[], |html| write(&mut Row { html, columns: columns.iter() }, row));
            }
        });
    });
}

/// Writes a list of facts: name and value.
pub(super) fn facts(html: &mut Html, facts: &[(&'static str, String)]) {
    html.element("dl", &[], |html| {
        for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
            html.element("div", &[], |html| {
                html.text_in("dt", "", name);
                html.text_in("dd", "", value);
            });
        }
    });
}

/// Writes the tags of a resource.
pub(super) fn tags(html: &mut Html, tags: &crate::state::tags::Tags) {
    if tags.is_empty() {
        return;
    }
    html.text_in("h2", "", "Tags");
    write(html, &["Key", "Value"], tags, |row, (key, value)| {
        row.cell(|html| html.text_in("code", "", key));
        row.text(value);
    });
}
