//! The licence that a package states, as an expression of SPDX: packages of today state one, older ones use the short names that
//! Fedora had until 2022, joined by `and`, `or` and parentheses.

/// Fedora's short names and the SPDX identifiers with the same meaning (Fedora, "Good Licenses").
const SHORT: &[(&str, &str)] = &[
    ("AFL", "AFL-3.0"),
    ("AGPLv3", "AGPL-3.0-only"),
    ("AGPLv3+", "AGPL-3.0-or-later"),
    ("ASL 1.0", "Apache-1.0"),
    ("ASL 1.1", "Apache-1.1"),
    ("ASL 2.0", "Apache-2.0"),
    ("Artistic", "Artistic-1.0-Perl"),
    ("Artistic 2.0", "Artistic-2.0"),
    ("Artistic clarified", "ClArtistic"),
    ("BSD", "BSD-3-Clause"),
    ("BSD with advertising", "BSD-4-Clause"),
    ("Boost", "BSL-1.0"),
    ("CC-BY", "CC-BY-3.0"),
    ("CC-BY-SA", "CC-BY-SA-3.0"),
    ("CC0", "CC0-1.0"),
    ("CDDL", "CDDL-1.0"),
    ("CPL", "CPL-1.0"),
    ("EPL", "EPL-1.0"),
    ("GPL+", "GPL-1.0-or-later"),
    ("GPLv1", "GPL-1.0-only"),
    ("GPLv2", "GPL-2.0-only"),
    ("GPLv2+", "GPL-2.0-or-later"),
    ("GPLv3", "GPL-3.0-only"),
    ("GPLv3+", "GPL-3.0-or-later"),
    ("IJG", "IJG"),
    ("ImageMagick", "ImageMagick"),
    ("LGPLv2", "LGPL-2.1-only"),
    ("LGPLv2+", "LGPL-2.1-or-later"),
    ("LGPLv2.1", "LGPL-2.1-only"),
    ("LGPLv2.1+", "LGPL-2.1-or-later"),
    ("LGPLv3", "LGPL-3.0-only"),
    ("LGPLv3+", "LGPL-3.0-or-later"),
    ("MPLv1.0", "MPL-1.0"),
    ("MPLv1.1", "MPL-1.1"),
    ("MPLv2.0", "MPL-2.0"),
    ("OFL", "OFL-1.1"),
    ("OpenLDAP", "OLDAP-2.8"),
    ("PHP", "PHP-3.01"),
    ("PostgreSQL", "PostgreSQL"),
    ("Python", "Python-2.0"),
    ("SISSL", "SISSL"),
    ("TCL", "TCL"),
    ("UCD", "Unicode-DFS-2016"),
    ("Unicode", "Unicode-DFS-2016"),
    ("W3C", "W3C"),
    ("ZPLv2.1", "ZPL-2.1"),
    ("libtiff", "libtiff"),
    ("zlib", "Zlib"),
];

/// SPDX identifiers that packages of distributions state (SPDX licence list 3.2x).
const IDENTIFIERS: &[&str] = &[
    "0BSD",
    "AFL-2.1",
    "AGPL-3.0-only",
    "AGPL-3.0-or-later",
    "Apache-1.0",
    "Apache-1.1",
    "Apache-2.0",
    "Artistic-1.0-Perl",
    "Artistic-2.0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-2-Clause-Views",
    "BSD-3-Clause",
    "BSD-3-Clause-Clear",
    "BSD-4-Clause",
    "BSD-4-Clause-UC",
    "BSD-Source-Code",
    "BSL-1.0",
    "Beerware",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "CC0-1.0",
    "CDDL-1.0",
    "EPL-1.0",
    "EPL-2.0",
    "FSFAP",
    "FSFUL",
    "FSFULLR",
    "FSFULLRWD",
    "GFDL-1.1-or-later",
    "GFDL-1.2-or-later",
    "GFDL-1.3-only",
    "GFDL-1.3-or-later",
    "GPL-1.0-only",
    "GPL-1.0-or-later",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "HPND",
    "HPND-sell-variant",
    "ICU",
    "IJG",
    "ISC",
    "Latex2e",
    "LGPL-2.0-only",
    "LGPL-2.0-or-later",
    "LGPL-2.1-only",
    "LGPL-2.1-or-later",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "MIT",
    "MIT-0",
    "MIT-CMU",
    "MIT-Modern-Variant",
    "MPL-1.1",
    "MPL-2.0",
    "NCSA",
    "NTP",
    "OFL-1.1",
    "OLDAP-2.8",
    "OpenSSL",
    "PSF-2.0",
    "Python-2.0",
    "Python-2.0.1",
    "RSA-MD",
    "SGI-B-2.0",
    "SISSL",
    "SMLNJ",
    "SSH-OpenSSH",
    "Sleepycat",
    "TCL",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Vim",
    "W3C",
    "WTFPL",
    "X11",
    "ZPL-2.1",
    "Zlib",
    "blessing",
    "bzip2-1.0.6",
    "curl",
    "dtoa",
    "etalab-2.0",
    "libtiff",
    "metamail",
    "snprintf",
    "zlib-acknowledgement",
];

/// A part of what a package states.
#[derive(Debug, Clone, PartialEq, Eq)]
enum LicencePart {
    Open,
    Close,
    And,
    Or,
    Name(String),
}

/// The expression of what a package states. Names that are unknown here become references; what does not parse, one.
pub(super) fn expression(stated: &str) -> String {
    let parts = parts(stated);
    if !is_well_formed(&parts) {
        return reference(stated);
    }
    let mut text = String::new();
    for part in &parts {
        match part {
            LicencePart::Open => text.push('('),
            LicencePart::Close => text.push(')'),
            LicencePart::And => text.push_str(" AND "),
            LicencePart::Or => text.push_str(" OR "),
            LicencePart::Name(stated) => text.push_str(&name(stated)),
        }
    }
    text
}

fn parts(stated: &str) -> Vec<LicencePart> {
    let mut parts = Vec::new();
    let mut words: Vec<&str> = Vec::new();
    let spaced = stated.replace('(', " ( ").replace(')', " ) ").replace(',', " and ");
    for word in spaced.split_whitespace() {
        let sign = match word {
            "(" => LicencePart::Open,
            ")" => LicencePart::Close,
            word if word.eq_ignore_ascii_case("and") || word == "&" => LicencePart::And,
            word if word.eq_ignore_ascii_case("or") => LicencePart::Or,
            word => {
                words.push(word);
                continue;
            }
        };
        end(&mut words, &mut parts);
        parts.push(sign);
    }
    end(&mut words, &mut parts);
    parts
}

/// Ends a name: its words.
fn end(words: &mut Vec<&str>, parts: &mut Vec<LicencePart>) {
    if !words.is_empty() {
        parts.push(LicencePart::Name(words.join(" ")));
        words.clear();
    }
}

/// Whether names and operators take turns, and parentheses close.
fn is_well_formed(parts: &[LicencePart]) -> bool {
    let (mut open, mut wants_name) = (0_usize, true);
    for part in parts {
        match part {
            LicencePart::Open if wants_name => open += 1,
            LicencePart::Close if !wants_name && open > 0 => open -= 1,
            LicencePart::And | LicencePart::Or if !wants_name => wants_name = true,
            LicencePart::Name(_) if wants_name => wants_name = false,
            _ => return false,
        }
    }
    open == 0 && !wants_name
}

/// A name as SPDX has it; an exception stays with what it is of.
fn name(stated: &str) -> String {
    let short = SHORT.iter().find(|(short, _)| *short == stated);
    if let Some((_, identifier)) = short {
        return (*identifier).to_owned();
    }
    if let Some((licence, exception)) = stated.split_once(" WITH ")
        && let Some(identifier) = identifier(licence)
        && exception.ends_with(|letter: char| letter.is_ascii_alphanumeric())
        && exception.chars().all(|letter| letter.is_ascii_alphanumeric() || "-.".contains(letter))
    {
        return format!("{identifier} WITH {exception}");
    }
    identifier(stated).unwrap_or_else(|| reference(stated))
}

/// An identifier in the letters that SPDX writes it with, or a reference that the package itself makes.
fn identifier(stated: &str) -> Option<String> {
    let known = IDENTIFIERS.iter().find(|known| known.eq_ignore_ascii_case(stated));
    let is_reference =
        stated.starts_with("LicenseRef-") && reference(stated) == format!("LicenseRef-{stated}");
    known.map(|known| (*known).to_owned()).or_else(|| is_reference.then(|| stated.to_owned()))
}

/// The reference for a licence without an SPDX identifier: letters, digits, `.` and `-`.
fn reference(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-');
    let name: String = text.chars().map(|letter| if is_plain(letter) { letter } else { '-' }).collect();
    format!("LicenseRef-{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_and_expressions_become_expressions() {
        for (stated, written) in [
            ("GPLv2+", "GPL-2.0-or-later"),
            ("GPLv3+ and (ASL 2.0 or MIT)", "GPL-3.0-or-later AND (Apache-2.0 OR MIT)"),
            ("BSD with advertising", "BSD-4-Clause"),
            (
                "Apache-2.0 AND LicenseRef-Fedora-Public-Domain",
                "Apache-2.0 AND LicenseRef-Fedora-Public-Domain",
            ),
            ("gpl-2.0-or-later WITH GCC-exception-2.0", "GPL-2.0-or-later WITH GCC-exception-2.0"),
            ("Public Domain", "LicenseRef-Public-Domain"),
            ("GPLv2+ with exceptions", "LicenseRef-GPLv2--with-exceptions"),
            ("MIT and", "LicenseRef-MIT-and"),
            ("(MIT", "LicenseRef--MIT"),
        ] {
            assert_eq!(expression(stated), written, "{stated}");
        }
    }
}
