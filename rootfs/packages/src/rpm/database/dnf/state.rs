//! The state of dnf 5: files of TOML by package.
//!
//! dnf5, `libdnf5/system/state.cpp`, version 1.0; files that are missing have nothing in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::package::DnfPackage;

/// The file of reasons.
pub(super) const PACKAGES: &str = "packages.toml";
/// The file of repositories.
pub(super) const NEVRAS: &str = "nevras.toml";

/// The files: why each package is there, and where each version of one came from.
pub(super) fn files(packages: &[DnfPackage]) -> [(&'static str, String); 2] {
    let mut reasons = BTreeMap::new();
    let mut origins = BTreeMap::new();
    for DnfPackage { identity, is_wished, repository } in packages {
        let reason = if *is_wished { "User" } else { "Dependency" };
        reasons.insert(format!("{}.{}", identity.name, identity.arch), reason);
        let version = format!("{}-{}.{}", identity.name, identity.evr, identity.arch);
        origins.insert(version, repository.as_str());
    }
    [(PACKAGES, toml("packages", "reason", &reasons)), (NEVRAS, toml("nevras", "from_repo", &origins))]
}

/// A file of the state with other rows: none of those whose keys are `without`, those of `values` in place of rows of their keys or
/// at the end, and for other rows the value that `other` gives. A row is a line with a quoted key, as dnf 5 writes them; all other
/// lines stay. A reason that is there stays where a package came as a dependency: an upgrade changes none.
pub(super) fn amended(
    text: &str,
    field: &str,
    without: &BTreeSet<String>,
    values: &BTreeMap<String, &str>,
    other: impl Fn(&str) -> Option<&'static str>,
) -> String {
    let row = |key: &str, value: &str| format!("{} = {{{field} = {}}}\n", quoted(key), quoted(value));
    let mut changed = String::new();
    let mut there = BTreeSet::new();
    for line in text.lines() {
        let key =
            line.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"')).map(|(key, _)| key);
        let Some(key) = key else {
            changed += line;
            changed.push('\n');
            continue;
        };
        there.insert(key.to_owned());
        let value = values.get(key).copied().filter(|value| *value != "Dependency");
        match value.or_else(|| other(key)) {
            _ if without.contains(key) => {}
            Some(value) => changed += &row(key, value),
            None => {
                changed += line;
                changed.push('\n');
            }
        }
    }
    for (key, value) in values.iter().filter(|(key, _)| !there.contains(*key)) {
        changed += &row(key, value);
    }
    changed
}

fn toml(table: &str, field: &str, values: &BTreeMap<String, &str>) -> String {
    let mut text = format!("version = \"1.0\"\n\n[{table}]\n");
    for (key, value) in values {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} = {{{field} = {}}}", quoted(key), quoted(value));
    }
    text
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04X}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpm::database::identity::HeaderIdentity;
    use crate::rpm::evr::Evr;

    #[test]
    fn reasons_and_repositories_are_written_by_package() {
        let package = |name: &str, evr: &str, is_wished| DnfPackage {
            identity: HeaderIdentity {
                name: name.to_owned(),
                evr: Evr::parse(evr),
                arch: "x86_64".to_owned(),
            },
            is_wished,
            repository: "a\"b".to_owned(),
        };
        let [(_, reasons), (_, origins)] =
            files(&[package("b+", "1:2-3", true), package("a", "0:1-2", false)]);
        assert_eq!(
            reasons,
            "version = \"1.0\"\n\n[packages]\n\"a.x86_64\" = {reason = \"Dependency\"}\n\"b+.x86_64\" = {reason = \"User\"}\n"
        );
        assert!(
            origins.contains("\"a-1-2.x86_64\" = {from_repo = \"a\\\"b\"}\n\"b+-1:2-3.x86_64\""),
            "{origins}"
        );
    }
}
