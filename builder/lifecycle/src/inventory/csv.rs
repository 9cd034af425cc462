//! The inventory as comma-separated values (RFC 4180).

use super::row::{ImageRow, Listing};

const HEADER: [&str; 21] = [
    "region",
    "image_id",
    "image",
    "version",
    "state",
    "created",
    "age_days",
    "channels",
    "shared_with",
    "encrypted",
    "tier",
    "last_launched",
    "referenced_by",
    "protected",
    "volumes_gib",
    "full_bytes",
    "changed_bytes",
    "usd_a_month",
    "usd_at_most",
    "digest",
    "ami_name",
];

/// The inventory as comma-separated values, with a header.
pub fn csv(listing: &Listing) -> String {
    let mut text = HEADER.join(",") + "\r\n";
    for row in &listing.images {
        let cells = cells(row);
        text.push_str(&cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(","));
        text.push_str("\r\n");
    }
    text
}

fn cells(row: &ImageRow) -> [String; HEADER.len()] {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let number = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
    let references: Vec<_> = row.referenced_by.iter().map(|reference| reference.arn.as_str()).collect();
    [
        row.region.clone(),
        row.image_id.clone(),
        row.image.clone(),
        text(&row.version),
        row.state.word().to_owned(),
        text(&row.created),
        row.age_days.map(|days| days.to_string()).unwrap_or_default(),
        row.channels.join(" "),
        row.shared.words(),
        row.encrypted.to_string(),
        text(&row.tier),
        text(&row.last_launched),
        references.join(" "),
        row.protected.to_string(),
        row.volumes_gib.to_string(),
        number(row.full_bytes),
        number(row.changed_bytes),
        format!("{:.4}", row.month.usd),
        row.month.at_most.to_string(),
        text(&row.digest),
        text(&row.ami_name),
    ]
}

/// A cell. Spreadsheets take a cell that begins with one of `=+-@` for a formula, so such a one gets an apostrophe.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_are_never_formulas() {
        for (cell, text) in [
            ("web", "web"),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("=1+1", "'=1+1"),
            ("@cmd,x", "\"'@cmd,x\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(quoted(cell), text);
        }
    }
}
