//! Bad input and faults of builds from rpm packages: scripts that fail or do not end, signatures that do not count, repositories
//! that change between lock and fetch, full disks, and builds that are killed. Each is refused with what to do next, and leaves
//! nothing that a later run would take for whole.

mod over;
mod own;
mod room;

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use amiforge_tests::oracle;

use self::own::{OwnPackage, PackageSigner};

/// Packages that the scripts of `own` need.
const PACKAGES: [&str; 4] = ["bash", "coreutils", "rpm", "own"];

#[test]
fn scripts_that_fail_loop_or_fork_end_the_build() {
    let table = [
        (
            "echo its last words\nexit 3",
            &["%post of the package `own` failed", "status 3", "its last words", "hint: "][..],
        ),
        ("while :; do :; done", &["reached the limit of 6 seconds", "`seconds` of `[sandbox]` raises it"]),
        ("f() { f | f & }\nf\nsleep 100", &["`own`", "of `[sandbox]`"]),
        ("head -c 300M /dev/zero > /var/fill", &["`own`", "`disk` of `[sandbox]`"]),
        ("exec 3<>/dev/tcp/127.0.0.1/80", &["%post of the package `own` failed"]),
    ];
    for (script, words) in table {
        let Some(own) = OwnPackage::new(&format!("%post\n{script}"), "", "", PackageSigner::Own) else {
            return;
        };
        let limits = "[sandbox]\nseconds = 6\nprocesses = 200\ndisk = \"200 MiB\"";
        own.write_recipe("run", &PACKAGES, limits);
        own.must(&["lock"]);
        own.must(&["fetch"]);
        own.refused(1, &["build", "-o", "out"], words);
        assert!(!own.path("out").exists() && !own.path(".out.partial").exists(), "{script}");
        let store = own.path("store").display().to_string();
        amiforge_tests::program::must(&["store", "verify", "--store", &store]);
    }
}

#[test]
fn signatures_that_do_not_count_are_refused_by_lock() {
    let table = [
        (PackageSigner::Nobody, &["its header is not signed", "hint: ", "leave the package out"][..]),
        (PackageSigner::Foreign, &["of which no keyring given has any: own.asc", "hint: ", "`keyring`"]),
        (PackageSigner::Expired, &["expired at", "hint: ", "newer file"]),
    ];
    for (signer, words) in table {
        let Some(own) = OwnPackage::new("", "", "", signer) else { return };
        own.write_recipe("native", &["bash", "own"], "");
        own.refused(1, &["lock"], words);
        assert!(!own.path("recipe.lock").exists(), "{signer:?}");
    }
}

#[test]
fn a_file_of_two_packages_names_both() {
    let install = "mkdir -p %{buildroot}/usr/bin\necho other > %{buildroot}/usr/bin/bash";
    let Some(own) = OwnPackage::new("", install, "/usr/bin/bash", PackageSigner::Own) else { return };
    own.write_recipe("native", &["bash", "own"], "");
    own.must(&["lock"]);
    own.must(&["fetch"]);
    let words = ["`/usr/bin/bash` is in bash:x86_64", "in own:noarch 1-1", "leave one of the packages out"];
    own.refused(1, &["build", "-o", "out"], &words);
}

/// A change of the repository between lock and fetch, and what is said of it.
type BetweenCase = (&'static str, fn(&Path), &'static [&'static str]);

#[test]
fn what_changes_between_lock_and_fetch_is_refused() {
    let Some(own) = OwnPackage::new("", "", "", PackageSigner::Own) else { return };
    let good = fs::read(own.package()).unwrap();
    let flip: fn(&Path) = |path| {
        let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
        let at = file.metadata().unwrap().len() - 10;
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    };
    let table: [BetweenCase; 7] = [
        ("flipped", flip, &["is not what the lock pins", "hint: ", "AMIFORGE_RPM_MIRROR_OWN"]),
        (
            "cut",
            |path| OpenOptions::new().write(true).open(path).unwrap().set_len(1000).unwrap(),
            &["has 1000 bytes"],
        ),
        ("empty", |path| fs::write(path, "").unwrap(), &["has 0 bytes", "hint: "]),
        (
            "longer",
            |path| OpenOptions::new().append(true).open(path).unwrap().write_all(&[0; 99]).unwrap(),
            &["are expected", "hint: "],
        ),
        ("gone", |path| fs::remove_file(path).unwrap(), &["no such file", "hint: ", "--update"]),
        (
            "a folder",
            |path| {
                fs::remove_file(path).unwrap();
                fs::create_dir(path).unwrap();
            },
            &["it is a directory", "hint: "],
        ),
        (
            "a pipe",
            |path| {
                fs::remove_file(path).unwrap();
                oracle::must("mkfifo", &[path]);
            },
            &["it is a FIFO", "hint: "],
        ),
    ];
    own.write_recipe("native", &["bash", "own"], "");
    own.must(&["lock"]);
    for (name, change, words) in table {
        change(&own.package());
        own.refused(1, &["fetch"], words);
        own.refused(1, &["build", "-o", "out"], &["is not in the store", "amiforge fetch"]);
        let _ = fs::remove_dir(own.package()).or_else(|_| fs::remove_file(own.package()));
        fs::write(own.package(), &good).unwrap();
        assert!(!own.path("out").exists(), "{name}");
    }
    // The metadata is not needed any more.
    fs::remove_dir_all(own.path("own/repodata")).unwrap();
    own.must(&["fetch"]);
    own.must(&["build", "-o", "out"]);
}

#[test]
fn metadata_that_goes_back_is_refused_and_the_lock_stays() {
    let Some(own) = OwnPackage::new("", "", "", PackageSigner::Own) else { return };
    own.write_recipe("native", &["bash", "own"], "");
    own.index("1700000100");
    own.must(&["lock"]);
    let lock = fs::read(own.path("recipe.lock")).unwrap();
    own.index("1600000000");
    let words = ["the metadata of `own` is of 1600000000", "name another mirror"];
    own.refused(1, &["lock", "--update", "--check"], &words);
    own.refused(1, &["lock", "--update"], &words);
    assert!(fs::read(own.path("recipe.lock")).unwrap() == lock, "the lock has changed");
    own.index("1700000200");
    own.must(&["lock", "--update"]);
}
