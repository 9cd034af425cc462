//! Our tree and database compared with those of `dpkg --unpack`, and our database checked by dpkg.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use amiforge_packages::deb::database::DatabaseState;
use amiforge_packages::filters::Filters;
use amiforge_tests::{folder_tree, oracle, scratch};

use super::fixture::{PROGRAMS, PackageSpec, UnpackFixture, locked};

/// The description of a folder without the files that only dpkg or only we write, and without times that always differ.
fn comparable(folder: &Path) -> BTreeMap<String, String> {
    let mut lines = folder_tree::describe(folder);
    let ours = |name: &str| {
        let name = name.strip_prefix("var/lib/dpkg/").unwrap_or_default();
        matches!(name, "arch" | "lock" | "lock-frontend" | "status-old" | "triggers/Lock")
    };
    lines.retain(|name, _| !ours(name));
    for (name, line) in &mut lines {
        // dpkg computes the sums too, because dpkg-deb puts none into a package.
        let ends = ["list", "md5sums", "format"];
        let made = ends.iter().any(|end| name.ends_with(end));
        if name.starts_with("var/lib/dpkg/") && (made || !name.contains("/info/")) {
            let mut words: Vec<&str> = line.split(' ').collect();
            // The time follows `at`.
            if let Some(at) = words.iter().position(|word| *word == "at") {
                words[at + 1] = "";
            }
            *line = words.join(" ");
        }
    }
    lines
}

const FILES: &[(&str, &str)] = &[
    ("bin/tool", "tool"),
    ("bin/tool-too", "= bin/tool"),
    ("usr/bin/su", "setuid"),
    ("usr/lib/empty/", ""),
    ("lib/x86_64-linux-gnu/libone.so.1", "-> libone.so.1.2"),
    ("lib/x86_64-linux-gnu/libone.so.1.2", "library"),
    ("etc/one.conf", "configuration"),
    ("etc/one.d/two three.conf", "more"),
    ("usr/share/doc/one/copyright", "licence"),
    ("usr/share/doc/one/README", "words"),
    ("usr/share/man/man1/one.1", "manual"),
    ("usr/share/odd/na\u{ef}ve \"name\"", ""),
];

const MEMBERS: &[(&str, &str)] = &[
    ("conffiles", "/etc/one.conf\n/etc/one.d/two three.conf\n"),
    ("triggers", "interest-noawait /usr/share/one\ninterest one-changed\nactivate-noawait ldconfig\n"),
    ("shlibs", "libone 1 one\n"),
    ("postinst", "#!/bin/sh\nexit 0\n"),
];

#[test]
fn every_compression_gives_dpkgs_tree_and_database() {
    if !oracle::ready(&PROGRAMS, true) {
        return;
    }
    let fields = "Priority: Optional\nSection: admin\nMulti-Arch: same\nInstalled-Size: 12\n\
                  Depends: libc6(>=2.3),  b:any | c ( << 1:3 )\nProvides: virtual (= 4)\nHomepage: https://example.org\n\
                  Essential: no\nX-Kept: as it\n  was written\n";
    for compression in ["gzip", "xz", "zstd", "none"] {
        let fixture = UnpackFixture::new();
        let one =
            PackageSpec { fields, files: FILES, members: MEMBERS, compression, ..PackageSpec::default() };
        // A package without sums, which dpkg computes.
        let two = PackageSpec {
            name: "generated",
            arch: "all",
            files: &[("usr/share/two", "2"), ("etc/two", "two"), ("var/run/two", "in /run"), ("run/", "")],
            members: &[("conffiles", "/etc/two\n")],
            compression,
            ..PackageSpec::default()
        };
        let debs = [fixture.make(&one), fixture.make(&two)];
        let ours = fixture.unpack_by_us(&debs, DatabaseState::Unpacked, &Filters::default());
        let theirs = fixture.unpack_by_dpkg(&debs, &[]);
        let found = folder_tree::differences(&comparable(&ours), &comparable(&theirs));
        assert!(found.is_empty(), "{compression}: {}", found.join("\n"));
    }
}

#[test]
fn files_that_dpkg_leaves_out_are_left_out() {
    if !oracle::ready(&PROGRAMS, true) {
        return;
    }
    let fixture = UnpackFixture::new();
    let debs = [fixture.make(&PackageSpec { files: FILES, ..PackageSpec::default() })];
    let filters =
        Filters::new(["/usr/share/doc/**", "/usr/share/man/**", "/bin/tool"], ["/usr/share/doc/*/copyright"]);
    let ours = fixture.unpack_by_us(&debs, DatabaseState::Unpacked, &filters.unwrap());
    let options = [
        "--path-exclude=/usr/share/doc/*",
        "--path-include=/usr/share/doc/*/copyright",
        "--path-exclude=/usr/share/man/*",
    ];
    let theirs = fixture.unpack_by_dpkg(&debs, &options);
    let (ours, theirs) = (comparable(&ours), comparable(&theirs));
    // We leave out most empty parent folders; dpkg cannot leave out the first of several hard links, which we do.
    let kept = |text: &BTreeMap<String, String>| -> Vec<String> {
        text.iter()
            .filter(|(name, line)| !line.starts_with('4') && !name.contains("tool"))
            .map(|(name, _)| name.clone())
            .collect()
    };
    assert_eq!(kept(&ours), kept(&theirs));
    assert_eq!(ours["var/lib/dpkg/info/one.list"], theirs["var/lib/dpkg/info/one.list"]);
    // Folders of manual pages stay, because maintainer scripts put links there.
    let pages = ours.keys().filter(|name| name.starts_with("usr/share/man/man1"));
    assert_eq!(pages.collect::<Vec<_>>(), ["usr/share/man/man1"]);
    assert!(!ours.contains_key("usr/bin/tool"));
    assert!(ours["usr/bin/tool-too"].contains("x1 "), "{}", ours["usr/bin/tool-too"]);
}

/// Packages of Debian, fetched by apt; empty when no archive is reachable.
fn real() -> Vec<PathBuf> {
    let names = [
        "base-files",
        "base-passwd",
        "bash",
        "coreutils",
        "dash",
        "debianutils",
        "dpkg",
        "init-system-helpers",
        "libc-bin",
        "libc6",
        "libgcc-s1",
        "libpam-modules",
        "libpam-runtime",
        "libsystemd0",
        "login",
        "passwd",
        "perl-base",
        "sed",
        "systemd",
        "udev",
        "util-linux",
        "openssh-server",
        "zlib1g",
    ];
    let folder = scratch::repository().join("target/inputs/debs");
    let _one_at_a_time = scratch::lock(&folder);
    let listed = |folder: &Path| -> Vec<PathBuf> {
        let mut debs: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        debs.retain(|path| path.extension().is_some_and(|end| end == "deb"));
        debs.sort();
        debs
    };
    if listed(&folder).len() < names.len() {
        let _ =
            std::process::Command::new("apt-get").arg("download").args(names).current_dir(&folder).output();
    }
    listed(&folder)
}

#[test]
fn dpkg_finds_nothing_wrong_with_real_packages() {
    let paths = real();
    if !oracle::ready(&PROGRAMS, true) {
        return;
    }
    if paths.is_empty() {
        return oracle::skip("no packages: apt-get download gave none");
    }
    let fixture = UnpackFixture::new();
    let debs: Vec<_> = paths.into_iter().map(|path| (locked(&path), path)).collect();
    let ours = fixture.unpack_by_us(&debs, DatabaseState::Installed, &Filters::default());
    let root = format!("--root={}", ours.display());
    let dpkg = |args: &[&str]| {
        let args: Vec<&str> = [root.as_str()].into_iter().chain(args.iter().copied()).collect();
        oracle::must("dpkg", &args)
    };
    assert_eq!(dpkg(&["--verify"]), "");
    assert_eq!(dpkg(&["--audit"]), "");
    let listed = dpkg(&["-l"]).lines().filter(|line| line.starts_with("ii ")).count();
    assert_eq!(listed, debs.len());
    assert_eq!(dpkg(&["-S", "/bin/bash"]), "bash: /bin/bash\n");
    // Contents and metadata compared with those of tar, package by package.
    let theirs = fixture.new_folder("theirs");
    for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        std::fs::create_dir_all(theirs.join("usr").join(name)).unwrap();
        std::os::unix::fs::symlink(format!("usr/{name}"), theirs.join(name)).unwrap();
    }
    for (_, path) in &debs {
        let script = format!(
            "dpkg-deb --fsys-tarfile '{}' | tar -x -p --keep-directory-symlink -C '{}'",
            path.display(),
            theirs.display()
        );
        oracle::must("sh", &["-c", &script]);
    }
    let mut ours = folder_tree::describe(&ours);
    ours.retain(|name, _| !name.starts_with("var/lib/dpkg/"));
    let mut theirs = folder_tree::describe(&theirs);
    theirs.retain(|name, _| !name.starts_with("var/lib/dpkg/"));
    // The scratch folder has the mode of mktemp, and our root that of base-files.
    for text in [&mut ours, &mut theirs] {
        text.remove("");
    }
    let found = folder_tree::differences(&ours, &theirs);
    assert!(found.is_empty(), "{}", found.join("\n"));
}
