//! Packages that have something to do with each other: the same path, `Replaces`, diversions, architectures.

use amiforge_packages::deb::database::DatabaseState;
use amiforge_packages::filters::Filters;
use amiforge_tests::{oracle, written};

use super::made::{Bench, Made, PROGRAMS, chain, with_database};

fn shared<'a>(name: &'a str, fields: &'a str) -> Made<'a> {
    let files: &[(&str, &str)] = match name {
        "one" => &[("usr/bin/shared", "of one"), ("usr/bin/one", "one")],
        _ => &[("usr/bin/shared", "of two"), ("usr/bin/two", "two")],
    };
    Made { name, fields, files, ..Made::default() }
}

#[test]
fn two_packages_with_one_path_are_refused_by_name() {
    if !oracle::ready(&PROGRAMS, false) {
        return;
    }
    let bench = Bench::new();
    let debs = [bench.make(&shared("one", "")), bench.make(&shared("two", "Replaces: one (<< 1:1)\n"))];
    let told = chain(&bench.unpack(&debs).unwrap_err());
    assert!(told.contains("`/usr/bin/shared` is in one:amd64 1:2.0-1 and in two:amd64 1:2.0-1"), "{told}");
}

#[test]
fn the_same_path_by_way_of_merged_usr_is_the_same_path() {
    if !oracle::ready(&PROGRAMS, false) {
        return;
    }
    let bench = Bench::new();
    let two = Made { name: "two", files: &[("bin/shared", "of two")], ..Made::default() };
    let debs = [bench.make(&shared("one", "")), bench.make(&two)];
    let told = chain(&bench.unpack(&debs).unwrap_err());
    assert!(told.contains("`/bin/shared` is in one"), "{told}");
}

#[test]
fn replaced_files_are_the_replacing_packages_in_either_order() {
    if !oracle::ready(&PROGRAMS, true) {
        return;
    }
    let bench = Bench::new();
    let (one, two) =
        (bench.make(&shared("one", "")), bench.make(&shared("two", "Replaces: one (<= 1:2.0-1)\n")));
    for debs in [[one.clone(), two.clone()], [two, one]] {
        let ours = bench.ours(&debs, DatabaseState::Unpacked, &Filters::default());
        let theirs = bench.theirs(&debs, &[]);
        for path in ["usr/bin/shared", "var/lib/dpkg/info/one.list", "var/lib/dpkg/info/two.list"] {
            let read = |root: &std::path::Path| std::fs::read_to_string(root.join(path)).unwrap();
            assert_eq!(read(&ours), read(&theirs), "{path}");
        }
        assert_eq!(std::fs::read_to_string(ours.join("usr/bin/shared")).unwrap(), "of two");
    }
}

#[test]
fn a_diverted_file_makes_room() {
    if !oracle::ready(&PROGRAMS, false) {
        return;
    }
    let bench = Bench::new();
    let preinst = "#!/bin/sh\nset -e\nif [ \"$1\" = install ]; then\n  dpkg-divert --package two --add --rename \\\n    \
                   --divert /usr/bin/shared.one /usr/bin/shared\nfi\n";
    let two = Made { members: &[("preinst", preinst)], ..shared("two", "") };
    let debs = [bench.make(&shared("one", "")), bench.make(&two)];
    let (mut unpacked, blobs) = bench.unpack(&debs).unwrap();
    with_database(&mut unpacked, &blobs, DatabaseState::Installed);
    let folder = bench.new_folder("ours");
    if !oracle::ready(&PROGRAMS, true) {
        return;
    }
    written::write_out(&unpacked.tree, &blobs, &folder);
    let read = |path: &str| std::fs::read_to_string(folder.join(path)).unwrap();
    assert_eq!((read("usr/bin/shared"), read("usr/bin/shared.one")), ("of two".into(), "of one".into()));
    assert!(read("var/lib/dpkg/info/one.list").contains("/usr/bin/shared\n"));
    let root = format!("--root={}", folder.display());
    let listed = oracle::must("dpkg-divert", &[root.as_str(), "--list"]);
    assert_eq!(listed.trim(), "diversion of /usr/bin/shared to /usr/bin/shared.one by two");
    assert_eq!(oracle::must("dpkg", &[root.as_str(), "--verify"]), "");
}

#[test]
fn architectures_share_what_is_the_same_and_nothing_else() {
    if !oracle::ready(&PROGRAMS, false) {
        return;
    }
    let bench = Bench::new();
    let same = |arch, text| Made {
        arch,
        fields: "Multi-Arch: same\n",
        files: if text == "a" { &[("usr/share/one", "a")] } else { &[("usr/share/one", "b")] },
        ..Made::default()
    };
    let (native, foreign) = (bench.make(&same("amd64", "a")), bench.make(&same("i386", "a")));
    let (unpacked, _) = bench.unpack(&[native.clone(), foreign]).unwrap();
    assert!(unpacked.packages.iter().all(|package| package.files.contains(&b"/usr/share/one".to_vec())));
    assert_eq!(unpacked.packages[1].info_name(), "one:i386");
    let other = bench.make(&same("i386", "b"));
    let told = chain(&bench.unpack(&[native, other]).unwrap_err());
    assert!(
        told.contains("`/usr/share/one` differs between one:amd64") && told.contains("one:i386"),
        "{told}"
    );
}

#[test]
fn a_path_through_a_file_of_another_package_is_named() {
    if !oracle::ready(&PROGRAMS, false) {
        return;
    }
    let bench = Bench::new();
    let one = Made { files: &[("opt/a", "a file")], ..Made::default() };
    let two = Made { name: "two", files: &[("opt/a/b", "below it")], ..Made::default() };
    let told = chain(&bench.unpack(&[bench.make(&one), bench.make(&two)]).unwrap_err());
    assert!(told.contains("/opt/a") && told.contains("one:amd64"), "{told}");
    let looped = Made { files: &[("opt/a", "-> b"), ("opt/b", "-> a")], ..Made::default() };
    let told = chain(&bench.unpack(&[bench.make(&looped), bench.make(&two)]).unwrap_err());
    assert!(told.contains("through symlinks without end"), "{told}");
}
