//! Changed packages as Markdown, for the description of a pull request or the summary of a CI job.
//!
//! Names and versions are of foreign origin. Each is shown as a code span (`CommonMark` 0.31, 6.1), in which Markdown, HTML
//! and mentions have no effect.

use std::fmt::Write as _;

use amiforge_formats::terminal::escape;

use super::{HeldBackJson, Outdated, PackageJson, Scope, SourceJson, SourceState};

/// Rows of a table; further ones are counted only, because services limit the length of such texts (65,536 characters in
/// the description of a pull request of GitHub).
const ROWS_MAX: usize = 200;

/// What is outdated.
pub fn outdated_summary(image: &str, outdated: &Outdated) -> String {
    let (all, security) = (outdated.count(Scope::All), outdated.count(Scope::Security));
    let mut text = format!("## {}: ", code(image));
    // Writing to a String cannot fail, here and below.
    let _ = match all {
        0 => writeln!(text, "nothing is outdated"),
        _ => writeln!(text, "{all} outdated, {security} of them by security updates"),
    };
    if outdated.security_suites.is_empty() {
        text.push_str("\nThe recipe takes packages from no suite of security updates.\n");
    }
    let packages: Vec<_> = outdated.packages.iter().map(PackageJson::from).collect();
    let held_back: Vec<_> = outdated.held_back.iter().map(HeldBackJson::from).collect();
    package_tables(&mut text, &packages, &held_back);
    let differing = outdated.sources.iter().filter(|source| source.state != SourceState::Same);
    for source in differing.map(SourceJson::from) {
        let detail = source.detail.as_deref().map(code).unwrap_or_default();
        let of = source.stage.as_deref().map(|stage| format!(" of {}", code(stage))).unwrap_or_default();
        let _ = writeln!(text, "\n- {}{of}: {}, {detail}", code(&source.name), source.state);
    }
    text
}

/// Tables of the packages, those with security updates first, and a list of those that are held back.
pub(crate) fn package_tables(text: &mut String, all: &[PackageJson], held: &[HeldBackJson]) {
    let (security, others): (Vec<_>, Vec<_>) = all.iter().partition(|package| package.security.is_some());
    packages(text, "Security updates", &security);
    packages(text, "Other packages", &others);
    held_back(text, held);
}

/// A table of packages.
fn packages(text: &mut String, title: &str, packages: &[&PackageJson]) {
    if packages.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n<details><summary>{title}: {}</summary>\n", packages.len());
    text.push_str("| package | change | from | to | source | security |\n|---|---|---|---|---|---|\n");
    for package in packages.iter().take(ROWS_MAX) {
        let optional = |value: &Option<String>| value.as_deref().map(code).unwrap_or_default();
        let of = if package.of == crate::lock::IMAGE {
            String::new()
        } else {
            format!(" ({})", code(&package.of))
        };
        let _ = writeln!(
            text,
            "| {}{of} | {} | {} | {} | {} | {} |",
            code(&package.name),
            package.change,
            optional(&package.from),
            optional(&package.to),
            optional(&package.source),
            optional(&package.security)
        );
    }
    if let Some(more) = packages.len().checked_sub(ROWS_MAX).filter(|more| *more > 0) {
        let _ = writeln!(text, "\nand {more} more");
    }
    text.push_str("\n</details>\n");
}

fn held_back(text: &mut String, packages: &[HeldBackJson]) {
    if packages.is_empty() {
        return;
    }
    text.push_str("\nSecurity updates that a pin or a dependency holds back:\n\n");
    for package in packages.iter().take(ROWS_MAX) {
        let (name, version, security) =
            (code(&package.name), code(&package.version), code(&package.security));
        let _ = writeln!(text, "- {name} is {version}, and {security} is there");
    }
}

/// A code span that shows a text as it is, also in a cell of a table, where a bar would end the cell.
pub(crate) fn code(text: &str) -> String {
    let text = escape(text).replace('\n', " ").replace('|', "\\|");
    let mut longest = 0;
    let mut run = 0;
    for character in text.chars() {
        run = if character == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    let space = if text.is_empty() || text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_in_its_span_and_its_cell() {
        assert_eq!(code("a|b"), "`a\\|b`");
        assert_eq!(code("``x"), "``` ``x ```");
        assert_eq!(code("</details>\n@all"), "`</details> @all`");
        assert_eq!(code("\x1b[2J"), "`\\x1b[2J`");
        assert_eq!(code(""), "`  `");
    }
}
