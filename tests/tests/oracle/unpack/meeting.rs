//! Packages that affect each other: shared paths, `Replaces`, diversions, several architectures.

use amiforge_packages::deb::database::DatabaseState;
use amiforge_packages::deb::unpack::{PackageContentError, UnpackError};
use amiforge_packages::filters::Filters;
use amiforge_tests::{find_cause, folder_tree, oracle};

use super::fixture::{PROGRAMS, PackageSpec, UnpackFixture, with_database};

fn shared<'a>(name: &'a str, fields: &'a str) -> PackageSpec<'a> {
    let files: &[(&str, &str)] = match name {
        "one" => &[("usr/bin/shared", "of one"), ("usr/bin/one", "one")],
        _ => &[("usr/bin/shared", "of two"), ("usr/bin/two", "two")],
    };
    PackageSpec { name, fields, files, ..PackageSpec::default() }
}

#[test]
fn two_packages_with_one_path_are_refused_by_name() {
    if !oracle::ready(&PROGRAMS, false) {
        return;
    }
    let fixture = UnpackFixture::new();
    let debs = [fixture.make(&shared("one", "")), fixture.make(&shared("two", "Replaces: one (<< 1:1)\n"))];
    let error = fixture.unpack(&debs).unwrap_err();
    let UnpackError::Conflict { path, earlier, later } = &error else { panic!("{error:?}") };
    assert_eq!(
        (path.as_slice(), earlier.as_str(), later.as_str()),
        (&b"usr/bin/shared"[..], "one:amd64 1:2.0-1", "two:amd64 1:2.0-1")
    );
}

#[test]
fn the_same_path_by_way_of_merged_usr_is_the_same_path() {
    if !oracle::ready(&PROGRAMS, false) {
        return;
    }
    let fixture = UnpackFixture::new();
    let two = PackageSpec { name: "two", files: &[("bin/shared", "of two")], ..PackageSpec::default() };
    let debs = [fixture.make(&shared("one", "")), fixture.make(&two)];
    let error = fixture.unpack(&debs).unwrap_err();
    let UnpackError::Conflict { path, earlier, .. } = &error else { panic!("{error:?}") };
    assert_eq!((path.as_slice(), earlier.as_str()), (&b"bin/shared"[..], "one:amd64 1:2.0-1"));
}

#[test]
fn replaced_files_are_the_replacing_packages_in_either_order() {
    if !oracle::ready(&PROGRAMS, true) {
        return;
    }
    let fixture = UnpackFixture::new();
    let (one, two) =
        (fixture.make(&shared("one", "")), fixture.make(&shared("two", "Replaces: one (<= 1:2.0-1)\n")));
    for debs in [[one.clone(), two.clone()], [two, one]] {
        let ours = fixture.unpack_by_us(&debs, DatabaseState::Unpacked, &Filters::default());
        let theirs = fixture.unpack_by_dpkg(&debs, &[]);
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
    let fixture = UnpackFixture::new();
    let preinst = "#!/bin/sh\nset -e\nif [ \"$1\" = install ]; then\n  dpkg-divert --package two --add --rename \\\n    \
                   --divert /usr/bin/shared.one /usr/bin/shared\nfi\n";
    let two = PackageSpec { members: &[("preinst", preinst)], ..shared("two", "") };
    let debs = [fixture.make(&shared("one", "")), fixture.make(&two)];
    let (mut unpacked, blobs) = fixture.unpack(&debs).unwrap();
    with_database(&mut unpacked, &blobs, DatabaseState::Installed);
    let folder = fixture.new_folder("ours");
    if !oracle::ready(&PROGRAMS, true) {
        return;
    }
    folder_tree::write_tree(&unpacked.tree, &blobs, &folder);
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
    let fixture = UnpackFixture::new();
    let same = |arch, text| PackageSpec {
        arch,
        fields: "Multi-Arch: same\n",
        files: if text == "a" { &[("usr/share/one", "a")] } else { &[("usr/share/one", "b")] },
        ..PackageSpec::default()
    };
    let (native, foreign) = (fixture.make(&same("amd64", "a")), fixture.make(&same("i386", "a")));
    let (unpacked, _) = fixture.unpack(&[native.clone(), foreign]).unwrap();
    assert!(unpacked.packages.iter().all(|package| package.files.contains(&b"/usr/share/one".to_vec())));
    assert_eq!(unpacked.packages[1].info_name(), "one:i386");
    let other = fixture.make(&same("i386", "b"));
    let error = fixture.unpack(&[native, other]).unwrap_err();
    let UnpackError::Shared { path, earlier, later } = &error else { panic!("{error:?}") };
    assert_eq!(
        (path.as_slice(), earlier.as_str(), later.as_str()),
        (&b"usr/share/one"[..], "one:amd64 1:2.0-1", "one:i386 1:2.0-1")
    );
}

#[test]
fn a_path_through_a_file_of_another_package_is_named() {
    if !oracle::ready(&PROGRAMS, false) {
        return;
    }
    let fixture = UnpackFixture::new();
    let one = PackageSpec { files: &[("opt/a", "a file")], ..PackageSpec::default() };
    let two = PackageSpec { name: "two", files: &[("opt/a/b", "below it")], ..PackageSpec::default() };
    let error = fixture.unpack(&[fixture.make(&one), fixture.make(&two)]).unwrap_err();
    // The archive of the second package has an entry for the folder, too.
    let UnpackError::Conflict { path, earlier, .. } = &error else { panic!("{error:?}") };
    assert_eq!(path.as_slice(), b"opt/a");
    assert!(earlier.starts_with("one:amd64"), "{earlier}");
    let looped = PackageSpec { files: &[("opt/a", "-> b"), ("opt/b", "-> a")], ..PackageSpec::default() };
    let error = fixture.unpack(&[fixture.make(&looped), fixture.make(&two)]).unwrap_err();
    assert!(matches!(find_cause(&error), Some(PackageContentError::Loop { .. })), "{error:?}");
}
