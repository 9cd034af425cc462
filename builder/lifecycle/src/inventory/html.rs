//! The inventory as one page of HTML: everything is in the file, nothing is loaded, no script runs.

use std::fmt::Write as _;

use super::row::{ImageRow, Listing};

/// Styles of the page; colours follow the reader's light or dark setting.
const STYLE: &str = include_str!("page.css");

/// The inventory as a page.
pub fn html(listing: &Listing) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = page_into(&mut page, listing);
    page
}

fn page_into(page: &mut String, listing: &Listing) -> std::fmt::Result {
    let total = listing.total();
    let bound = if total.at_most { "at most " } else { "" };
    write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Images</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>Images</h1>\n\
         <p>{} images in {} regions, {bound}{:.2} US dollars a month. Made {}.</p>\n</header>\n",
        listing.images.len(),
        regions(listing).len(),
        total.usd,
        escape(&listing.made),
    )?;
    for region in regions(listing) {
        writeln!(page, "<section>\n<h2>{}</h2>\n<div class=\"table\">\n<table>", escape(&region))?;
        writeln!(
            page,
            "<thead><tr><th>Image</th><th>Id</th><th>State</th><th>Age</th><th>Channels</th><th>Size</th>\
             <th>Changed</th><th>Shared with</th><th>Last launched</th><th>Named by</th><th>USD a month</th></tr></thead>\n<tbody>"
        )?;
        for row in listing.images.iter().filter(|row| row.region == region) {
            row_into(page, row)?;
        }
        writeln!(page, "</tbody>\n</table>\n</div>\n</section>")?;
    }
    writeln!(page, "<footer><p>Prices: {}. ", escape(listing.prices))?;
    writeln!(
        page,
        "A size is that of all blocks; snapshots of one line share blocks, so their sum is more than is paid for.</p></footer>"
    )?;
    writeln!(page, "</body>\n</html>")
}

fn row_into(page: &mut String, row: &ImageRow) -> std::fmt::Result {
    let (state, age) = (row.state.word(), row.age_days.map(|days| format!("{days} d")).unwrap_or_default());
    let version = row.version.as_deref().unwrap_or_default();
    let class: String = state.chars().filter(char::is_ascii_alphanumeric).collect();
    writeln!(page, "<tr>")?;
    writeln!(
        page,
        "<td><b>{}</b> {}<details><summary>facts</summary><dl>{}</dl></details></td>",
        escape(&row.image),
        escape(version),
        facts(row)
    )?;
    writeln!(page, "<td><code>{}</code></td>", escape(&row.image_id))?;
    writeln!(page, "<td><span class=\"state {class}\">{}</span>{}</td>", escape(state), marks(row))?;
    writeln!(page, "<td class=\"number\">{age}</td>")?;
    let channels =
        row.channels.iter().map(|channel| format!("<span class=\"channel\">{}</span>", escape(channel)));
    writeln!(page, "<td>{}</td>", channels.collect::<Vec<_>>().join(" "))?;
    writeln!(page, "<td class=\"number\">{}</td>", bytes(row.full_bytes))?;
    writeln!(page, "<td class=\"number\">{}</td>", bytes(row.changed_bytes))?;
    writeln!(page, "<td>{}</td>", escape(&row.shared.words()))?;
    let launched = row.last_launched.as_deref().and_then(|at| at.split('T').next()).unwrap_or_default();
    writeln!(page, "<td>{}</td>", escape(launched))?;
    writeln!(page, "<td>{}</td>", references(row))?;
    let bound = if row.month.at_most { "≤ " } else { "" };
    writeln!(page, "<td class=\"number\">{bound}{:.2}</td>\n</tr>", row.month.usd)
}

/// Marks beside the state.
fn marks(row: &ImageRow) -> String {
    let archived = row.tier.as_deref().filter(|tier| *tier != "standard");
    let mut marks = String::new();
    for (on, word) in [(row.encrypted, "encrypted"), (row.protected, "protected")] {
        if on {
            let _ = write!(marks, " <span class=\"mark\">{word}</span>");
        }
    }
    if let Some(tier) = archived {
        let _ = write!(marks, " <span class=\"mark\">{}</span>", escape(tier));
    }
    marks
}

fn references(row: &ImageRow) -> String {
    if row.referenced_by.is_empty() {
        return String::new();
    }
    let item = |arn: &str| format!("<li><code>{}</code></li>", escape(arn));
    let items: String = row.referenced_by.iter().map(|reference| item(&reference.arn)).collect();
    format!("<details><summary>{}</summary><ul>{items}</ul></details>", row.referenced_by.len())
}

fn facts(row: &ImageRow) -> String {
    let snapshots = row.snapshots.join(" ");
    let mut facts = String::new();
    for (name, value) in [
        ("AMI name", row.ami_name.as_deref()),
        ("registered", row.created.as_deref()),
        ("deprecated", row.deprecated.as_deref()),
        ("architecture", row.architecture.as_deref()),
        ("snapshots", Some(snapshots.as_str())),
        ("digest", row.digest.as_deref()),
        ("recipe", row.recipe.as_deref()),
        ("previous", row.previous.as_deref()),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            let _ = write!(facts, "<dt>{name}</dt><dd>{}</dd>", escape(value));
        }
    }
    facts
}

fn bytes(bytes: Option<u64>) -> String {
    match bytes {
        None => String::new(),
        Some(bytes) if bytes >= 1 << 30 => format!("{:.2} GiB", bytes as f64 / f64::from(1 << 30)),
        Some(bytes) => format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
    }
}

/// Escapes a text for HTML. Control characters and those that reorder text are shown by their numbers: names and tags
/// may be of foreign origin.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                let _ = write!(escaped, "\\u{{{:x}}}", u32::from(character));
            }
            one if one.is_control() => {
                let _ = write!(escaped, "\\x{:02x}", u32::from(one));
            }
            one => escaped.push(one),
        }
    }
    escaped
}

/// The regions of a listing, each once, in order.
fn regions(listing: &Listing) -> Vec<String> {
    let mut regions: Vec<String> = listing.images.iter().map(|row| row.region.clone()).collect();
    regions.dedup();
    regions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_words_are_text_and_nothing_else() {
        assert_eq!(
            escape("<script>'\"&\u{1b}[2J\u{202e}"),
            "&lt;script&gt;&#39;&quot;&amp;\\x1b[2J\\u{202e}"
        );
        let page = html(&Listing { made: "<b>".to_owned(), prices: "p", images: Vec::new() });
        assert!(page.contains("Made &lt;b&gt;") && !page.contains("<script"), "{page}");
    }
}
