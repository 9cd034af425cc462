//! Small archives, each with one thing to get right.

use crate::deb::index::PackageIndex;
use crate::deb::source::{PinTarget, VersionPin};
use crate::locked::{LockReason, PackageId};

use super::{BasePackages, Request, ResolveError, Suite, resolve};

/// A `Packages` from lines such as `a 1 amd64; Depends: b | c`.
fn index(lines: &str) -> String {
    let stanza = |line: &str| {
        let mut parts = line.split(';').map(str::trim);
        let words: Vec<&str> = parts.next().unwrap().split_whitespace().collect();
        let [name, version, arch] = words.as_slice() else { panic!("{line}") };
        let more: String = parts.flat_map(|field| [field, "\n"]).collect();
        let digest = amiforge_formats::digest::Digest::of(line.as_bytes());
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: {arch}\nFilename: pool/{name}_{version}_{arch}.deb\n\
             Size: 1\nSHA256: {digest}\n{more}\n"
        )
    };
    lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(stanza).collect()
}

fn request(packages: &[&str]) -> Request {
    Request {
        arch: "amd64".to_owned(),
        foreign: Vec::new(),
        base: BasePackages::Required,
        packages: packages.iter().map(|word| (*word).to_owned()).collect(),
        recommends: false,
        without: Vec::new(),
        pins: Vec::new(),
        prefer: Vec::new(),
        installed: None,
    }
}

/// The answer as text: `name version`, of other architectures `name:arch version`.
fn answer(suites: &[(&str, i32, &str)], request: &Request) -> Result<Vec<String>, ResolveError> {
    let texts: Vec<String> = suites.iter().map(|(_, _, lines)| index(lines)).collect();
    let indexes: Vec<PackageIndex<'_>> =
        texts.iter().map(|text| PackageIndex::parse(text.as_bytes()).unwrap()).collect();
    let suites: Vec<Suite<'_>> = suites
        .iter()
        .zip(&indexes)
        .map(|((name, priority, _), index)| Suite {
            archive: "test",
            names: vec![*name],
            priority: *priority,
            indexes: vec![index],
        })
        .collect();
    let resolved = resolve(&suites, request)?;
    let word = |arch: &str| if ["amd64", "all"].contains(&arch) { String::new() } else { format!(":{arch}") };
    let packages = resolved.packages.iter();
    Ok(packages
        .map(|package| format!("{}{} {}", package.name, word(&package.arch), package.version))
        .collect())
}

fn main_only(lines: &str, packages: &[&str]) -> Result<Vec<String>, ResolveError> {
    answer(&[("main", 500, lines)], &request(packages))
}

#[test]
fn the_first_alternative_that_can_be_had_is_taken_unless_one_is_there() {
    let lines = "a 1 amd64; Depends: gone | b | c\nb 1 amd64\nc 1 amd64\nd 1 amd64; Depends: c";
    assert_eq!(main_only(lines, &["a"]).unwrap(), ["a 1", "b 1"]);
    assert_eq!(main_only(lines, &["c", "a"]).unwrap(), ["a 1", "c 1"]);
    assert_eq!(main_only(lines, &["d", "a"]).unwrap(), ["a 1", "c 1", "d 1"]);
}

#[test]
fn a_real_package_goes_before_those_that_provide_its_name() {
    let lines = "a 1 amd64; Depends: mta\nx 1 amd64; Provides: mta\nmta 1 amd64";
    assert_eq!(main_only(lines, &["a"]).unwrap(), ["a 1", "mta 1"]);
}

#[test]
fn provided_versions_answer_versioned_dependencies_and_others_do_not() {
    let lines =
        "a 1 amd64; Depends: api (>= 2)\nold 1 amd64; Provides: api\nnew 1 amd64; Provides: api (= 2.1)";
    assert_eq!(main_only(lines, &["a"]).unwrap(), ["a 1", "new 1"]);
}

#[test]
fn a_package_does_not_conflict_with_what_it_provides_itself() {
    let lines = "m 1 amd64; Provides: mta; Conflicts: mta\nn 1 amd64; Provides: mta; Conflicts: mta";
    assert_eq!(main_only(lines, &["m"]).unwrap(), ["m 1"]);
    assert!(matches!(main_only(lines, &["m", "n"]), Err(ResolveError::Unsolvable { .. })));
}

#[test]
fn base_sets_come_with_what_they_need_and_say_why() {
    let lines = "e 1 amd64; Essential: yes; Depends: l\nl 1 amd64\nr 1 all; Priority: required\n\
                 i 1 amd64; Priority: important\no 1 amd64; Priority: optional";
    let of = |base| answer(&[("main", 500, lines)], &Request { base, ..request(&[]) }).unwrap();
    assert_eq!(of(BasePackages::None), Vec::<String>::new());
    assert_eq!(of(BasePackages::Essential), ["e 1", "l 1"]);
    assert_eq!(of(BasePackages::Required), ["e 1", "l 1", "r 1"]);
    assert_eq!(of(BasePackages::Important), ["e 1", "i 1", "l 1", "r 1"]);
    let text = index(lines);
    let index = PackageIndex::parse(text.as_bytes()).unwrap();
    let suite = Suite { archive: "test", names: vec!["main"], priority: 500, indexes: vec![&index] };
    let resolved = resolve(&[suite], &request(&["o"])).unwrap();
    let reasons: Vec<(&str, LockReason)> =
        resolved.packages.iter().map(|package| (package.name.as_str(), package.reason)).collect();
    let expected = [
        ("e", LockReason::Base),
        ("l", LockReason::Dependency),
        ("o", LockReason::Named),
        ("r", LockReason::Base),
    ];
    assert_eq!(reasons, expected);
}

#[test]
fn recommended_packages_come_when_asked_and_failing_ones_leave_nothing_behind() {
    let lines = "a 1 amd64; Recommends: b, c\nb 1 amd64\nc 1 amd64; Depends: d, e\nd 1 amd64\n\
                 e 1 amd64; Depends: f\nf 1 amd64; Depends: gone";
    assert_eq!(main_only(lines, &["a"]).unwrap(), ["a 1"]);
    let request = Request { recommends: true, ..request(&["a"]) };
    assert_eq!(answer(&[("main", 500, lines)], &request).unwrap(), ["a 1", "b 1"]);
}

#[test]
fn the_newest_version_of_the_highest_priority_is_taken() {
    let suites = [
        ("main", 500, "a 1 amd64\nb 1 amd64"),
        ("updates", 500, "a 2 amd64"),
        ("backports", 100, "a 3 amd64; Depends: b (>= 3)\nb 3 amd64"),
    ];
    let of = |request: Request| answer(&suites, &request).unwrap();
    assert_eq!(of(request(&["a"])), ["a 2"]);
    assert_eq!(of(request(&["a=1"])), ["a 1"]);
    // Its dependencies come from there too, where they cannot come from elsewhere.
    assert_eq!(of(request(&["a/backports"])), ["a 3", "b 3"]);
    let pin = |package: &str, to, priority| VersionPin { package: package.to_owned(), to, priority };
    let pinned = |pins| of(Request { pins, ..request(&["a", "b"]) });
    assert_eq!(pinned(vec![pin("a", PinTarget::Version("1*".to_owned()), 990)]), ["a 1", "b 1"]);
    assert_eq!(pinned(vec![pin("*", PinTarget::Suite("backports".to_owned()), 990)]), ["a 3", "b 3"]);
    assert_eq!(pinned(vec![pin("?", PinTarget::Suite("updates".to_owned()), -1)]), ["a 1", "b 1"]);
}

#[test]
fn the_solver_goes_on_where_marking_ends_in_a_conflict() {
    let lines = "x 1 amd64; Depends: p | q\ny 1 amd64; Depends: r\nr 1 amd64; Conflicts: p; Recommends: s\n\
                 p 1 amd64\nq 1 amd64\ns 1 amd64";
    assert_eq!(main_only(lines, &["x", "y"]).unwrap(), ["q 1", "r 1", "x 1", "y 1"]);
    let request = Request { recommends: true, ..request(&["x", "y"]) };
    assert_eq!(answer(&[("main", 500, lines)], &request).unwrap(), ["q 1", "r 1", "s 1", "x 1", "y 1"]);
}

#[test]
fn locked_versions_are_preferred_until_something_needs_a_newer_one() {
    let lines = "a 1 amd64\na 2 amd64\nb 1 amd64; Depends: a (>= 2)\nc 1 amd64\nc 2 amd64";
    let preferred =
        |name: &str| PackageId { name: name.to_owned(), version: "1".to_owned(), arch: "amd64".to_owned() };
    let of = |packages: &[&str]| {
        let prefer = vec![preferred("a"), preferred("c"), preferred("gone")];
        answer(&[("main", 500, lines)], &Request { prefer, ..request(packages) }).unwrap()
    };
    assert_eq!(of(&["a", "c"]), ["a 1", "c 1"]);
    assert_eq!(of(&["b", "c"]), ["a 2", "b 1", "c 1"]);
    assert_eq!(of(&["a=2"]), ["a 2"]);
}

#[test]
fn other_architectures_come_as_multi_arch_lets_them() {
    let lines = "lib 1 amd64; Multi-Arch: same\nlib 1 i386; Multi-Arch: same\ntool 1 amd64; Multi-Arch: foreign\n\
                 tool 1 i386; Multi-Arch: foreign\nperl 1 amd64; Multi-Arch: allowed\nperl 1 i386; Multi-Arch: allowed\n\
                 plain 1 amd64\nplain 1 i386\napp 1 i386; Depends: lib, tool, perl:any\nnear 1 i386; Depends: plain";
    let of = |packages: &[&str]| {
        let foreign = vec!["i386".to_owned()];
        answer(&[("main", 500, lines)], &Request { foreign, ..request(packages) })
    };
    assert_eq!(of(&["app:i386"]).unwrap(), ["app:i386 1", "lib:i386 1", "perl 1", "tool 1"]);
    assert_eq!(of(&["lib", "lib:i386"]).unwrap(), ["lib 1", "lib:i386 1"]);
    assert!(matches!(of(&["plain", "near"]), Err(ResolveError::Unsolvable { .. })));
    assert!(matches!(main_only(lines, &["app:i386"]), Err(ResolveError::UnknownPackage { .. })));
}

#[test]
fn versions_of_multi_arch_same_go_in_step() {
    let lines = "lib 2 amd64; Multi-Arch: same\nlib 1 i386; Multi-Arch: same";
    let request = Request { foreign: vec!["i386".to_owned()], ..request(&["lib", "lib:i386"]) };
    assert!(matches!(answer(&[("main", 500, lines)], &request), Err(ResolveError::Unsolvable { .. })));
}

#[test]
fn a_request_that_cannot_be_met_says_what_to_ask_for() {
    let lines = "apache2 1 amd64\nv1 1 amd64; Provides: virtual\nv2 1 amd64; Provides: virtual, single";
    let message = |request: &Request| answer(&[("main", 500, lines)], request).unwrap_err().to_string();
    let of = |word: &str| message(&request(&[word]));
    assert_eq!(of("apche2"), "no suite has a package `apche2`: did you mean `apache2`?");
    assert_eq!(of("nowhere"), "no suite has a package `nowhere`: is a component or a suite missing?");
    assert_eq!(of("apache2=2.*"), "`apache2` is not available in version `2.*`: there is 1");
    assert_eq!(of("apache2/other"), "`apache2` is not in the suite `other`, but in main");
    assert_eq!(of("virtual"), "`virtual` is provided by several packages: name one of v1, v2");
    assert_eq!(main_only(lines, &["single"]).unwrap(), ["v2 1"]);
    let without = Request { without: vec!["apache2".to_owned()], ..request(&["apache2"]) };
    assert!(message(&without).contains("left out by `without`"));
    let never =
        VersionPin { package: "apache2".to_owned(), to: PinTarget::Version("*".to_owned()), priority: -1 };
    assert!(
        message(&Request { pins: vec![never], ..request(&["apache2"]) }).contains("pins are all below 0")
    );
}

#[test]
fn the_way_to_what_is_missing_is_told() {
    let lines = "web 1 amd64; Depends: php (>= 8)\nphp 8 amd64; Depends: zlib (>= 2) | miniz\nzlib 1 amd64";
    let error = main_only(lines, &["web"]).unwrap_err().to_string();
    let expected = "these packages cannot be installed together:\n\
                    web (= 1) is requested\n  which needs php (= 8)\n    which needs zlib (>= 2) or miniz\n      \
                    of which there is only zlib (= 1), that does not fit or may not be installed";
    assert_eq!(error, expected);
}

#[test]
fn two_ways_that_exclude_each_other_are_both_told() {
    let lines = "a 1 amd64; Depends: b\nb 1 amd64; Conflicts: d\nc 1 amd64; Depends: d\nd 1 amd64";
    let error = main_only(lines, &["a", "c"]).unwrap_err().to_string();
    let expected = "these packages cannot be installed together:\n\
                    a (= 1) is requested\n  which needs b (= 1)\n    which conflicts with d\n\
                    c (= 1) is requested\n  which needs d (= 1)";
    assert_eq!(error, expected);
}

#[test]
fn a_field_that_cannot_be_read_names_its_package() {
    let error = main_only("a 1 amd64; Depends: b (1)", &["a"]).unwrap_err();
    assert!(matches!(error, ResolveError::Relation { field: "Depends", .. }), "{error}");
    assert_eq!(main_only("a 1 amd64; Depends: b (1)\nc 1 amd64", &["c"]).unwrap(), ["c 1"]);
}

/// The answer over a system; the policy is what `prefer` names.
fn over(
    installed: &str,
    archive: &str,
    prefer: &[(&str, &str)],
    request: Request,
) -> Result<Vec<String>, ResolveError> {
    let status: String = index(installed).replace("Filename:", "Status: install ok installed\nX-Filename:");
    let (archive, status) = (index(archive), status);
    let archive = PackageIndex::parse(archive.as_bytes()).unwrap();
    let status = PackageIndex::parse_status(status.as_bytes()).unwrap();
    let suites = [
        Suite { archive: "test", names: vec!["main"], priority: 500, indexes: vec![&archive] },
        Suite { archive: "", names: Vec::new(), priority: 100, indexes: vec![&status] },
    ];
    let id = |(name, version): &(&str, &str)| PackageId {
        name: (*name).to_owned(),
        version: (*version).to_owned(),
        arch: "amd64".to_owned(),
    };
    let prefer = prefer.iter().map(id).collect();
    let resolved =
        resolve(&suites, &Request { base: BasePackages::None, installed: Some(1), prefer, ..request })?;
    Ok(resolved.packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect())
}

#[test]
fn over_an_installed_system_only_what_is_new_is_taken() {
    let installed = "base 1 amd64; Depends: lib\nlib 1 amd64\nold 1 amd64";
    let archive = "base 2 amd64; Depends: lib\nlib 2 amd64\nweb 1 amd64; Depends: base, lib\nweb2 1 amd64; Depends: lib (>= 2)";
    let keep = [("base", "1"), ("lib", "1"), ("old", "1")];
    assert_eq!(over(installed, archive, &keep, request(&["web"])).unwrap(), ["web 1"]);
    // What a new package needs newer is upgraded, and nothing else.
    assert_eq!(over(installed, archive, &keep, request(&["web2"])).unwrap(), ["lib 2", "web2 1"]);
    // All: nothing is preferred.
    assert_eq!(over(installed, archive, &[], request(&["web"])).unwrap(), ["base 2", "lib 2", "web 1"]);
    assert_eq!(over(installed, archive, &keep, request(&["base"])).unwrap(), Vec::<String>::new());
}

#[test]
fn an_installed_package_goes_only_where_the_recipe_names_it() {
    let installed = "mta 1 amd64; Conflicts: other\nuser 1 amd64; Depends: mta";
    let archive = "other 1 amd64; Conflicts: mta";
    let keep = [("mta", "1"), ("user", "1")];
    assert!(matches!(
        over(installed, archive, &keep, request(&["other"])),
        Err(ResolveError::Unsolvable { .. })
    ));
    let without = |names: &[&str]| Request {
        without: names.iter().map(|name| (*name).to_owned()).collect(),
        ..request(&["other"])
    };
    assert!(over(installed, archive, &keep, without(&["mta"])).is_err(), "`user` needs it");
    assert_eq!(over(installed, archive, &keep, without(&["mta", "user"])).unwrap(), ["other 1"]);
}
