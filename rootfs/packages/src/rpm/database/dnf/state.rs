//! The state of dnf 5: files of TOML by package.
//!
//! dnf5, `libdnf5/system/state.cpp`, version 1.0; files that are missing have nothing in them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::package::DnfPackage;

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
    [
        ("packages.toml", toml("packages", "reason", &reasons)),
        ("nevras.toml", toml("nevras", "from_repo", &origins)),
    ]
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
