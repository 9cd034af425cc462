//! Choices over a system of a few packages.

use super::base::RpmBase;
use super::choose::{OverChoice, OverRequest, choose};
use super::error::RpmOverError;
use crate::over::UpgradePolicy;
use crate::rpm::available::{AvailablePackage, RpmRequirement};
use crate::rpm::evr::Evr;
use crate::rpm::relation::{RpmCapability, RpmDependency};
use crate::rpm::repository::updateinfo::SecurityUpdates;
use crate::rpm::resolve::{InstalledPolicy, RequestedRpm, RpmRequest, RpmUniverse};
use crate::rpm::testing::package;

/// A package of `name version`, and after `:` what it requires.
fn of(line: &str) -> AvailablePackage {
    let (head, requires) = line.split_once(':').unwrap_or((line, ""));
    let (name, version) = head.trim().split_once(' ').unwrap();
    let dependency = |name: &str| RpmDependency::parse(name).unwrap();
    let requires = requires.split(',').map(str::trim).filter(|name| !name.is_empty()).map(dependency);
    // `awk-a` and `awk-b` are both an `awk`.
    let names = [name, name.split('-').next().unwrap_or(name)];
    let provided = |name: &str| RpmCapability { name: name.to_owned(), versions: None };
    AvailablePackage {
        evr: Evr::parse(version),
        provides: names.map(provided).to_vec(),
        requires: requires.map(|dependency| RpmRequirement { dependency, before_scripts: false }).collect(),
        ..package(name)
    }
}

fn chosen(
    (available, installed): (&[&str], &[&str]),
    (named, without): (&[&str], &[&str]),
    upgrade: UpgradePolicy,
) -> Result<(String, String, OverChoice), RpmOverError> {
    let all = |lines: &[&str]| lines.iter().map(|line| of(line)).collect::<Vec<_>>();
    let mut universe = RpmUniverse::new(all(available), "x86_64", vec![99]);
    let base = RpmBase { packages: all(installed), protected: vec!["dnf".to_owned()], limit: Some(2) };
    let request = RpmRequest {
        packages: named.iter().map(|name| RequestedRpm::named(name)).collect(),
        weak: false,
        best: true,
        without: without.iter().map(|name| (*name).to_owned()).collect(),
        prefer: Vec::new(),
        installed: InstalledPolicy::Keep,
    };
    let security: SecurityUpdates =
        [(("lib".to_owned(), "x86_64".to_owned()), Evr::parse("2-1"))].into_iter().collect();
    let choice = choose(&mut universe, OverRequest { base: &base, upgrade, security: &security, request })?;
    let new = choice.new.iter().map(|one| &universe.packages()[one.index]);
    let new: Vec<String> = new.map(|one| format!("{}-{}", one.name, one.evr)).collect();
    let removed: Vec<String> =
        choice.removed.iter().map(|one| format!("{}-{}", one.name, one.version)).collect();
    Ok((new.join(" "), removed.join(" "), choice))
}

#[test]
fn policies_upgrade_nothing_what_is_security_or_all() {
    let repository = ["app 1-1: lib", "lib 3-1", "tool 2-1", "kernel 3-1"];
    let system = ["lib 1-1", "tool 1-1", "kernel 1-1", "kernel 2-1"];
    let new = |upgrade| chosen((&repository, &system), (&["app"], &[]), upgrade).unwrap();
    assert_eq!(new(UpgradePolicy::Keep).0, "app-1-1");
    assert_eq!(new(UpgradePolicy::Security).0, "app-1-1 lib-3-1");
    let (all, removed, choice) = new(UpgradePolicy::All);
    assert_eq!((all.as_str(), removed.as_str()), ("app-1-1 kernel-3-1 lib-3-1 tool-2-1", "kernel-1-1"));
    assert!(choice.notes[0].contains("installonly_limit"), "{:?}", choice.notes);
}

#[test]
fn what_needs_a_removed_package_goes_too_unless_another_takes_its_place() {
    let system = ["awk-a 1-1", "user 1-1: awk", "tools 1-1: user"];
    let repository = ["awk-b 1-1"];
    let gone =
        |named: &[&str]| chosen((&repository, &system), (named, &["awk-a"]), UpgradePolicy::Keep).unwrap();
    assert_eq!(gone(&["awk-b"]).1, "awk-a-1-1");
    let (_, removed, choice) = gone(&[]);
    assert_eq!(removed, "awk-a-1-1 user-1-1 tools-1-1");
    assert_eq!(choice.notes.len(), 2);
    let system = ["awk-a 1-1", "dnf 1-1: awk-a"];
    let refused = chosen((&repository, &system), (&[], &["awk-a"]), UpgradePolicy::Keep);
    assert!(matches!(refused, Err(RpmOverError::Protected { .. })));
}
