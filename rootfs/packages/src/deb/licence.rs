//! The licences that a package states, and their SPDX identifiers. Knows no package.
//!
//! Follows Debian's machine-readable copyright format 1.0, and the SPDX licence list 3.2x.

use std::collections::BTreeSet;

use crate::installed::Licence;

/// Debian's short names and the SPDX identifiers with the same meaning.
const NAMES: &[(&str, &str)] = &[
    ("apache-2.0", "Apache-2.0"),
    ("artistic", "Artistic-1.0"),
    ("artistic-2.0", "Artistic-2.0"),
    ("bsd-2-clause", "BSD-2-Clause"),
    ("bsd-3-clause", "BSD-3-Clause"),
    ("bsd-4-clause", "BSD-4-Clause"),
    ("bsl-1.0", "BSL-1.0"),
    ("cc-by-3.0", "CC-BY-3.0"),
    ("cc-by-4.0", "CC-BY-4.0"),
    ("cc-by-sa-3.0", "CC-BY-SA-3.0"),
    ("cc0-1.0", "CC0-1.0"),
    ("curl", "curl"),
    ("expat", "MIT"),
    ("gfdl-1.2+", "GFDL-1.2-or-later"),
    ("gfdl-1.3", "GFDL-1.3-only"),
    ("gfdl-1.3+", "GFDL-1.3-or-later"),
    ("gpl-1", "GPL-1.0-only"),
    ("gpl-1+", "GPL-1.0-or-later"),
    ("gpl-2", "GPL-2.0-only"),
    ("gpl-2.0", "GPL-2.0-only"),
    ("gpl-2+", "GPL-2.0-or-later"),
    ("gpl-2.0+", "GPL-2.0-or-later"),
    ("gpl-3", "GPL-3.0-only"),
    ("gpl-3+", "GPL-3.0-or-later"),
    ("gpl-3.0+", "GPL-3.0-or-later"),
    ("isc", "ISC"),
    ("lgpl-2", "LGPL-2.0-only"),
    ("lgpl-2+", "LGPL-2.0-or-later"),
    ("lgpl-2.0+", "LGPL-2.0-or-later"),
    ("lgpl-2.1", "LGPL-2.1-only"),
    ("lgpl-2.1+", "LGPL-2.1-or-later"),
    ("lgpl-3", "LGPL-3.0-only"),
    ("lgpl-3+", "LGPL-3.0-or-later"),
    ("mit", "MIT"),
    ("mpl-1.1", "MPL-1.1"),
    ("mpl-2.0", "MPL-2.0"),
    ("ofl-1.1", "OFL-1.1"),
    ("openssl", "OpenSSL"),
    ("psf-2", "PSF-2.0"),
    ("sleepycat", "Sleepycat"),
    ("unlicense", "Unlicense"),
    ("x11", "X11"),
    ("zlib", "Zlib"),
];

/// The licences that a copyright file states, sorted; none if it is not machine-readable.
pub(super) fn parse_copyright(text: &str) -> Vec<Licence> {
    let mut lines = text.lines();
    if !lines.next().is_some_and(|line| line.starts_with("Format:") && line.contains("copyright-format")) {
        return Vec::new();
    }
    let mut licences = BTreeSet::new();
    for stanza in text.split("\n\n") {
        let field = |name: &str| {
            stanza
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .map(str::trim)
                .filter(|value| !value.is_empty())
        };
        // A stanza without files only defines the text of a licence.
        let of_files = field("Files:").is_some() || stanza.lines().any(|line| line.trim_end() == "Files:");
        if let Some(licence) = field("License:").filter(|_| of_files || field("Format:").is_some()) {
            licences.insert(Licence { stated: licence.to_owned(), expression: expression(licence) });
        }
    }
    licences.into_iter().collect()
}

/// Converts `A or B` or `A and B`; any other text is treated as one name.
fn expression(text: &str) -> String {
    for (separator, operator) in [(" or ", " OR "), (" and ", " AND ")] {
        let other = if separator == " or " { " and " } else { " or " };
        if text.contains(separator) && !text.contains(other) && !text.contains(" with ") {
            let names: Vec<String> = text
                .split(separator)
                .flat_map(|part| part.split(','))
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(name)
                .collect();
            return format!("({})", names.join(operator));
        }
    }
    name(text)
}

fn name(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    NAMES
        .iter()
        .find(|(debian, _)| *debian == lower)
        .map_or_else(|| reference(text), |(_, spdx)| (*spdx).to_owned())
}

/// The reference for a licence without an SPDX identifier: letters, digits, `.` and `-`.
fn reference(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-');
    let name: String = text.chars().map(|letter| if is_plain(letter) { letter } else { '-' }).collect();
    format!("LicenseRef-{name}")
}
