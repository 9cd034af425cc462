//! What the comparison with dnf does not show: messages, what an image has already, earlier locks.

use super::*;
use crate::locked::PackageId;
use crate::rpm::available::{AvailablePackage, RpmRequirement, StatedChecksum};
use crate::rpm::evr::Evr;
use crate::rpm::relation::{RpmCapability, RpmDependency};

/// Packages from lines: `name version-release arch; Requires: a, (b or c)`.
fn packages(lines: &str) -> Vec<AvailablePackage> {
    lines.lines().map(package).collect()
}

fn package(line: &str) -> AvailablePackage {
    let mut fields = line.split("; ");
    let head: Vec<&str> = fields.next().unwrap().split(' ').collect();
    let fields: Vec<(&str, &str)> = fields.map(|field| field.split_once(": ").unwrap()).collect();
    let items = |key: &str| {
        let found = fields.iter().filter(|(known, _)| *known == key);
        found.flat_map(|(_, items)| items.split(", ")).collect::<Vec<_>>()
    };
    let plain = |key| items(key).into_iter().map(|item| RpmCapability::parse(item).unwrap()).collect();
    let any = |key| items(key).into_iter().map(|item| RpmDependency::parse(item).unwrap());
    AvailablePackage {
        name: head[0].to_owned(),
        evr: Evr::parse(head[1]),
        arch: head[2].to_owned(),
        repository: 0,
        checksum: StatedChecksum { algorithm: "sha256".to_owned(), hex: String::new() },
        size: 0,
        path: String::new(),
        base: None,
        header_range: None,
        source: String::new(),
        provides: plain("Provides"),
        requires: any("Requires")
            .map(|dependency| RpmRequirement { dependency, before_scripts: false })
            .collect(),
        conflicts: any("Conflicts").collect(),
        obsoletes: plain("Obsoletes"),
        recommends: any("Recommends").collect(),
        suggests: any("Suggests").collect(),
        supplements: any("Supplements").collect(),
        enhances: any("Enhances").collect(),
        files: items("Files").into_iter().map(str::to_owned).collect(),
    }
}

fn request(names: &[&str]) -> RpmRequest {
    RpmRequest {
        packages: names.iter().map(|name| RequestedRpm::named(name)).collect(),
        weak: true,
        best: true,
        without: Vec::new(),
        prefer: Vec::new(),
        installed: InstalledPolicy::Keep,
    }
}

fn answer(universe: &RpmUniverse, request: &RpmRequest) -> Result<String, RpmResolveError> {
    let label = |chosen: &ChosenRpm| universe.label(chosen.index as RpmIndex);
    Ok(resolve(universe, request)?.iter().map(label).collect::<Vec<_>>().join(" "))
}

fn universe(lines: &str) -> RpmUniverse {
    RpmUniverse::new(packages(lines), "x86_64", vec![99])
}

fn message(lines: &str, names: &[&str]) -> String {
    answer(&universe(lines), &request(names)).unwrap_err().to_string()
}

#[test]
fn the_way_to_what_is_missing_is_in_the_message() {
    let lines =
        "web 1-1 noarch; Requires: php >= 8\nphp 8-1 noarch; Requires: (zlib >= 2 or miniz)\nzlib 1-1 noarch";
    let expected = "these packages cannot be installed together:\n\
                    web is requested\n  which is web-1-1.noarch\n    which needs php >= 8\n      that is php-8-1.noarch\n        \
                    which needs (zlib >= 2 or miniz)\n          of which there is only zlib-1-1.noarch, that does not fit";
    assert_eq!(message(lines, &["web"]), expected);
    assert!(message("a 1-1 noarch; Requires: nowhere", &["a"]).ends_with("which no repository has"));
}

#[test]
fn two_ways_that_exclude_each_other_are_both_in_the_message() {
    let lines = "a 1-1 noarch; Requires: b\nb 1-1 noarch; Conflicts: d\nc 1-1 noarch; Requires: d\nd 1-1 noarch\ne 1-1 noarch";
    let expected = "these packages cannot be installed together:\n\
                    a is requested\n  which is a-1-1.noarch\n    which needs b\n      that is b-1-1.noarch\n        \
                    which conflicts with d\n\
                    c is requested\n  which is c-1-1.noarch\n    which needs d\n      that is d-1-1.noarch";
    assert_eq!(message(lines, &["a", "e", "c"]), expected);
}

#[test]
fn every_alternative_is_in_the_message() {
    let lines = "a 1-1 noarch; Requires: v\nx 1-1 noarch; Provides: v; Requires: no\ny 1-1 noarch; Provides: v; Conflicts: a";
    let text = message(lines, &["a"]);
    assert!(text.contains("that is x-1-1.noarch") && text.contains("or y-1-1.noarch"), "{text}");
    assert!(text.contains("which needs no") && text.contains("which conflicts with a"), "{text}");
}

#[test]
fn what_cannot_be_requested_says_why() {
    let lines = "httpd 1-1 x86_64\nother 1-1 aarch64";
    assert_eq!(
        message(lines, &["httpt"]),
        "no repository has a package `httpt`, nor one that provides it: did you mean `httpd`?"
    );
    assert!(message(lines, &["nothing"]).ends_with("is a repository missing?"));
    assert_eq!(
        message(lines, &["other"]),
        "`other` cannot be installed: it is for aarch64, the image for x86_64"
    );
    let without = RpmRequest { without: vec!["http*".to_owned()], ..request(&["httpd"]) };
    let error = answer(&universe(lines), &without).unwrap_err().to_string();
    assert_eq!(error, "`httpd` cannot be installed: it is left out by `without`");
}

#[test]
fn paths_beyond_the_primary_metadata_ask_for_the_lists_of_all_files() {
    let lines =
        "a 1-1 noarch; Requires: /usr/share/words\nb 1-1 noarch\nwords 1-1 noarch; Files: /usr/share/words";
    let mut without_files = packages(lines);
    without_files[2].files.clear();
    let primary = RpmUniverse::new(without_files.clone(), "x86_64", vec![99]);
    let needed = RpmResolveError::NeedsFileLists(vec!["/usr/share/words".to_owned()]);
    assert_eq!(answer(&primary, &request(&["a"])), Err(needed.clone()));
    assert_eq!(answer(&primary, &request(&["/usr/share/words"])), Err(needed));
    assert_eq!(answer(&primary, &request(&["b"])).unwrap(), "b-1-1.noarch");
    let complete = universe(lines).with_complete_files();
    assert_eq!(answer(&complete, &request(&["a"])).unwrap(), "a-1-1.noarch words-1-1.noarch");
    let nowhere = RpmUniverse::new(without_files, "x86_64", vec![99]).with_complete_files();
    let error = answer(&nowhere, &request(&["a"])).unwrap_err().to_string();
    assert!(error.contains("which needs /usr/share/words\n      which no repository has"), "{error}");
}

#[test]
fn an_earlier_lock_is_kept_to_where_it_fits() {
    let lines = "app 1-1 noarch; Requires: lib\napp 2-1 noarch; Requires: lib\nlib 1-1 noarch\nlib 2-1 noarch\nstrict 1-1 noarch; Requires: lib >= 2\nnext 1-1 noarch; Requires: app >= 2";
    let id = |name: &str| PackageId {
        name: name.to_owned(),
        version: "1-1".to_owned(),
        arch: "noarch".to_owned(),
    };
    let prefer = vec![id("app"), id("lib"), id("gone")];
    let of =
        |names: &[&str]| answer(&universe(lines), &RpmRequest { prefer: prefer.clone(), ..request(names) });
    assert_eq!(of(&["app"]).unwrap(), "app-1-1.noarch lib-1-1.noarch");
    assert_eq!(of(&["app", "strict"]).unwrap(), "app-1-1.noarch lib-2-1.noarch strict-1-1.noarch");
    assert_eq!(of(&["app", "next"]).unwrap(), "app-2-1.noarch lib-1-1.noarch next-1-1.noarch");
}

#[test]
fn what_an_image_has_stays_or_is_updated() {
    let lines = "app 1-1 noarch; Requires: lib\nlib 1-1 noarch\nlib 2-1 noarch\nnew 1-1 noarch; Requires: lib >= 2\ntool 2-1 noarch";
    let installed = packages("lib 1-1 noarch\ntool 1-1 noarch");
    let universe = universe(lines).on_top_of(installed);
    let of = |names: &[&str], policy: InstalledPolicy| {
        answer(&universe, &RpmRequest { installed: policy, ..request(names) }).unwrap()
    };
    assert_eq!(of(&["app"], InstalledPolicy::Keep), "app-1-1.noarch lib-1-1.noarch tool-1-1.noarch");
    assert_eq!(of(&["new"], InstalledPolicy::Keep), "lib-2-1.noarch new-1-1.noarch tool-1-1.noarch");
    assert_eq!(of(&["app"], InstalledPolicy::Update), "app-1-1.noarch lib-2-1.noarch tool-2-1.noarch");
    let named = InstalledPolicy::UpdateNamed(vec!["tool".to_owned()]);
    assert_eq!(of(&["app"], named), "app-1-1.noarch lib-1-1.noarch tool-2-1.noarch");
}

#[test]
fn what_an_image_has_is_not_taken_away() {
    let lines = "app 1-1 noarch; Conflicts: lib\nnext 2-1 noarch; Obsoletes: lib\nlib 1-1 noarch";
    let universe = universe(lines).on_top_of(packages("lib 1-1 noarch"));
    assert_eq!(answer(&universe, &request(&["next"])).unwrap(), "next-2-1.noarch");
    let both = answer(&universe, &request(&["app"])).unwrap();
    assert_eq!(both, "app-1-1.noarch next-2-1.noarch");
    let narrow = RpmUniverse::new(packages("app 1-1 noarch; Conflicts: lib"), "x86_64", vec![99]);
    let narrow = narrow.on_top_of(packages("lib 1-1 noarch"));
    let error = answer(&narrow, &request(&["app"])).unwrap_err().to_string();
    assert!(error.contains("lib-1-1.noarch is installed already"), "{error}");
}

#[test]
fn members_of_groups_come_as_their_group_has_them() {
    let lines = "base 1-1 noarch\nextra 1-1 noarch; Requires: no\nlang 1-1 noarch\ndesk 1-1 noarch";
    let member = |text: &str, need, condition: Option<&str>| RequestedRpm {
        need,
        condition: condition.map(str::to_owned),
        reason: LockReason::Base,
        ..RequestedRpm::named(text)
    };
    let members = vec![
        member("base", RequestNeed::IfThereIsOne, None),
        member("gone", RequestNeed::IfThereIsOne, None),
        member("extra", RequestNeed::IfPossible, None),
        member("lang", RequestNeed::IfThereIsOne, Some("desk")),
    ];
    let universe = universe(lines);
    let of = |packages| answer(&universe, &RpmRequest { packages, ..request(&[]) }).unwrap();
    assert_eq!(of(members.clone()), "base-1-1.noarch");
    let with = [members.clone(), vec![RequestedRpm::named("desk")]].concat();
    assert_eq!(of(with.clone()), "base-1-1.noarch desk-1-1.noarch lang-1-1.noarch");
    let chosen = resolve(&universe, &RpmRequest { packages: with, ..request(&[]) }).unwrap();
    let reasons: Vec<LockReason> = chosen.iter().map(|chosen| chosen.reason).collect();
    assert_eq!(reasons, [LockReason::Base, LockReason::Named, LockReason::Base]);
}

#[test]
fn packages_of_the_other_word_size_come_only_by_name() {
    let lines = "lib 1-1 x86_64\nlib 1-1 i686\nlib 2-1 i686\napp 1-1 i686; Requires: lib\nonly 1-1 i686";
    let of = |names: &[&str]| answer(&universe(lines), &request(names));
    assert!(of(&["only"]).is_err());
    assert_eq!(of(&["lib"]).unwrap(), "lib-1-1.x86_64");
    assert_eq!(of(&["only.i686"]).unwrap(), "only-1-1.i686");
    assert_eq!(of(&["lib-1-1.i686"]).unwrap(), "lib-1-1.i686 lib-1-1.x86_64");
}

#[test]
fn a_relation_of_too_many_combinations_is_refused() {
    let many: Vec<String> = (0..1000).map(|at| format!("p{at} 1-1 noarch; Provides: v")).collect();
    let lines = format!(
        "a 1-1 noarch; Requires: (((v and x) or (v and y)) or (v if v))\nx 1-1 noarch\ny 1-1 noarch\n{}",
        many.join("\n")
    );
    let error = answer(&universe(&lines), &request(&["a"]));
    assert!(matches!(error, Err(RpmResolveError::TooManyCombinations { .. })), "{error:?}");
}
