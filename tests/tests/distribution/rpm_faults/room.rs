//! Full disks, no network, and kills at any moment.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use amiforge_tests::program::Bundle;
use amiforge_tests::rng::Rng;
use amiforge_tests::{oracle, program};

use super::own::{OwnPackage, PackageSigner, said};
use super::{PACKAGES, over};

/// A package with a script that takes a moment, locked and fetched into `store`; `fresh` is a copy without any layer. With
/// `over` it goes over an image.
fn fetched(scripts: &str) -> Option<OwnPackage> {
    let own = OwnPackage::new("%post\nsleep 0.2", "", "", PackageSigner::Own)?;
    match scripts {
        "over" => over::write_recipe(&own),
        scripts => own.write_recipe(scripts, &PACKAGES, ""),
    }
    own.must(&["lock"]);
    own.must(&["fetch"]);
    copy_objects(&own.path("store"), &own.path("fresh"));
    Some(own)
}

fn copy_objects(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("objects")).unwrap();
    for entry in fs::read_dir(from.join("objects")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join("objects").join(entry.file_name())).unwrap();
    }
}

/// Runs a script in mounts of its own, with a tmpfs of this size at `small`.
fn with_small_disk(own: &OwnPackage, size: &str, script: &str) -> (Option<i32>, String, String) {
    fs::create_dir_all(own.path("small")).unwrap();
    let script = format!("mount -t tmpfs -o size={size} none small || exit 99\n{script}");
    let mut command = Command::new(oracle::find("unshare").unwrap());
    command.args(["-m", "sh", "-c", &script]).env("AMIFORGE", program::path());
    let output = command.current_dir(own.path("")).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), said(&output))
}

#[test]
fn a_full_disk_is_named_and_the_next_build_is_good() {
    if !oracle::ready(&["unshare", "mount"], true) {
        return;
    }
    for scripts in ["native", "run", "over"] {
        let Some(own) = fetched(scripts) else { return };
        own.must(&["build", "-o", "good"]);
        let good = Bundle::open(&own.path("good")).digest();
        let objects = size_of(&own.path("fresh"));
        // The store: room for what was fetched and ever more besides, until the build has enough.
        let mut refused = 0;
        for more in [0, 1, 4, 16, 40, 70, 400] {
            let script = "cp -r fresh/. small/ && \"$AMIFORGE\" build recipe.toml --store small --force -o out; code=$?\n\
                          [ $code = 0 ] || { [ ! -e out ] && [ ! -e .out.partial ] || exit 98; mount -o remount,size=2g none small && \
                          \"$AMIFORGE\" build recipe.toml --store small -o out >/dev/null || exit 97; }\nexit $code";
            let (code, _, said) =
                with_small_disk(&own, &format!("{}k", objects / 1024 + 64 + more * 1024), script);
            assert!(matches!(code, Some(0 | 1)), "{scripts}, {more} MiB: {code:?} {said}");
            if code == Some(1) {
                refused += 1;
                assert!(
                    said.contains("No space left") && said.contains("`small"),
                    "{scripts}, {more} MiB: {said}"
                );
                assert!(said.contains("hint: make room"), "{scripts}, {more} MiB: {said}");
            }
            assert_eq!(Bundle::open(&own.path("out")).digest(), good, "{scripts}, {more} MiB");
            fs::remove_dir_all(own.path("out")).unwrap();
        }
        assert!((3..7).contains(&refused), "{scripts}: {refused}");
        for size in ["64k", "5m", "20m"] {
            let script = "\"$AMIFORGE\" build recipe.toml --store store -o small/out; code=$?; ls -A small; exit $code";
            let (code, left, said) = with_small_disk(&own, size, script);
            assert_eq!((code, left.as_str()), (Some(1), ""), "{scripts}, {size}: {said}");
            assert!(
                said.contains("bytes of disk space") && said.contains("hint: make room"),
                "{size}: {said}"
            );
        }
    }
}

fn size_of(store: &Path) -> u64 {
    let files = fs::read_dir(store.join("objects")).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len().next_multiple_of(4096)).sum()
}

#[test]
fn a_build_that_is_killed_at_any_moment_leaves_a_store_that_is_good() {
    for (scripts, times) in [("native", 12), ("run", 12), ("over", 12)] {
        let Some(own) = fetched(scripts) else { return };
        let begun = Instant::now();
        own.must(&["build", "-o", "good"]);
        let (good, took) = (Bundle::open(&own.path("good")).digest(), begun.elapsed());
        let mut rng = Rng(7);
        let mut killed = 0;
        for round in 0..times {
            if round % 4 == 0 {
                let _ = fs::remove_dir_all(own.path("used"));
                copy_objects(&own.path("store"), &own.path("used"));
            }
            let mut command = own.command(&own.path("used"), &["build", "-o", "out"]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_micros(rng.below(took.as_micros() as u64)));
            child.kill().unwrap();
            if child.wait().unwrap().success() {
                program::must(&["verify", &own.path("out").to_string_lossy()]);
                fs::remove_dir_all(own.path("out")).unwrap();
                continue;
            }
            killed += 1;
            assert!(!own.path("out").exists(), "{scripts}, {round}: it has the final name");
            if round % 4 == 3 {
                let output = own.command(&own.path("used"), &["build", "-o", "out"]).output().unwrap();
                assert!(output.status.success(), "{scripts}, {round}: {}", said(&output));
                assert_eq!(Bundle::open(&own.path("out")).digest(), good, "{scripts}, {round}");
                fs::remove_dir_all(own.path("out")).unwrap();
                program::must(&["store", "verify", "--store", &own.path("used").to_string_lossy()]);
                assert!(!own.path(".out.partial").exists(), "{scripts}, {round}");
            }
        }
        assert!(killed > 2, "{scripts}: {killed} builds were killed");
    }
}

#[test]
fn a_build_needs_no_network_and_a_lock_says_that_it_does() {
    if !oracle::ready(&["unshare"], true) {
        return;
    }
    let Some(own) = fetched("run") else { return };
    let offline = |args: &[&str]| {
        let mut command = Command::new(oracle::find("unshare").unwrap());
        command.arg("-n").arg(program::path()).args(args).arg(own.path("recipe.toml"));
        command
            .env("AMIFORGE_RPM_MIRROR_OWN", "https://own.example")
            .current_dir(own.path(""))
            .output()
            .unwrap()
    };
    own.must(&["build", "-o", "good"]);
    let output = offline(&["build", "-o", "out", "--store", "fresh"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(Bundle::open(&own.path("out")).digest(), Bundle::open(&own.path("good")).digest());
    let output = offline(&["lock", "--update", "--store", "fresh"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("hint: check the network"), "{}", said(&output));
}
