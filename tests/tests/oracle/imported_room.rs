//! `import` on a full disk and killed at any moment: there is a whole folder or none, the store is good, and the next run succeeds.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use amiforge_tests::program::Bundle;
use amiforge_tests::rng::Rng;
use amiforge_tests::{archive, oracle, program, scratch};

/// A disk with the files of a system in a folder, as a compressed qcow2, and what `import` makes of it as `good`.
fn prepared(folder: &Path) -> String {
    let tree = folder.join("tree");
    fs::create_dir_all(tree.join("etc")).unwrap();
    fs::create_dir_all(tree.join("usr/bin")).unwrap();
    fs::write(tree.join("etc/os-release"), "ID=tests\n").unwrap();
    fs::write(tree.join("usr/bin/noise"), archive::noise(24 << 20, 5)).unwrap();
    let recipe = "[image]\nname = \"base\"\nversion = \"1\"\narch = \"x86_64\"\n[[source]]\nkind = \"dir\"\npath = \"tree\"\n";
    fs::write(folder.join("base.toml"), recipe).unwrap();
    let base = Bundle::build(&folder.join("base.toml"), &folder.join("base"));
    let packed = folder.join("packed.qcow2").to_string_lossy().into_owned();
    oracle::must("qemu-img", &["convert", "-c", "-O", "qcow2", &base.image().to_string_lossy(), &packed]);
    let output = import(folder, "web", "store").output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    fs::rename(folder.join("web"), folder.join("good")).unwrap();
    fs::remove_dir_all(folder.join("store")).unwrap();
    packed
}

fn import(folder: &Path, out: &str, store: &str) -> Command {
    let mut command = Command::new(program::path());
    command.args(["import", "packed.qcow2", "-o", out, "--store", store]).current_dir(folder);
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn recipe(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name).join("recipe.toml")).unwrap()
}

#[test]
fn a_full_disk_leaves_no_folder_and_with_room_the_same_command_succeeds() {
    if !oracle::ready(&["qemu-img", "unshare", "mount"], true) {
        return;
    }
    let folder = scratch::folder();
    prepared(folder.path());
    fs::create_dir(folder.path().join("small")).unwrap();
    let mut refused = 0;
    // The folder, then the store. A store is no more than a memory of digests for `import`.
    for (size, out, store) in [
        ("size=4k,nr_inodes=2", "small/web", "store"),
        ("size=4k,nr_inodes=3", "small/web", "store"),
        ("size=4k,nr_inodes=9", "small/web", "store"),
        ("size=4k", "web", "small/store"),
        ("size=64k", "web", "small/store"),
        ("size=1m", "web", "small/store"),
    ] {
        let script = format!(
            "mount -t tmpfs -o {size} none small || exit 99\n\
             case {size} in *=9) head -c 4096 /dev/zero >small/full;; esac\n\
             \"$AMIFORGE\" import packed.qcow2 -o {out} --store {store}; code=$?\n\
             [ $code = 0 ] || {{ [ ! -e {out} ] || exit 98; mount -o remount,size=1g,nr_inodes=1000 none small && \
             \"$AMIFORGE\" import packed.qcow2 -o {out} --store {store} >/dev/null || exit 97; }}\n\
             cmp {out}/recipe.toml good/recipe.toml || exit 96\nrm -r {out}; exit $code"
        );
        let mut command = Command::new(oracle::find("unshare").unwrap());
        command.args(["-m", "sh", "-c", &script]).env("AMIFORGE", program::path());
        let output = command.current_dir(folder.path()).output().unwrap();
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 1)), "{size} {out}: {code:?} {}", said(&output));
        if code == Some(1) {
            refused += 1;
            assert!(said(&output).contains("No space left"), "{size} {out}: {}", said(&output));
        }
        let mut left = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(left.all(|name| !name.to_string_lossy().ends_with(".partial")));
    }
    assert!(refused >= 2, "{refused}");
}

#[test]
fn an_import_that_is_killed_at_any_moment_is_made_again() {
    if !oracle::ready(&["qemu-img"], false) {
        return;
    }
    let folder = scratch::folder();
    prepared(folder.path());
    let good = recipe(folder.path(), "good");
    let begun = Instant::now();
    assert!(import(folder.path(), "web", "first").output().unwrap().status.success());
    let took = begun.elapsed();
    fs::remove_dir_all(folder.path().join("web")).unwrap();
    let mut rng = Rng(11);
    let mut killed = 0;
    for round in 0..24 {
        if round % 4 == 0 {
            let _ = fs::remove_dir_all(folder.path().join("store"));
        }
        let mut command = import(folder.path(), "web", "store");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(rng.below(took.as_micros() as u64)));
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());
        if folder.path().join("web").exists() {
            assert_eq!(recipe(folder.path(), "web"), good, "{round}");
            fs::remove_dir_all(folder.path().join("web")).unwrap();
        }
        let output = import(folder.path(), "web", "store").output().unwrap();
        assert!(output.status.success(), "{round}: {}", said(&output));
        assert_eq!(recipe(folder.path(), "web"), good, "{round}");
        fs::remove_dir_all(folder.path().join("web")).unwrap();
        assert!(!folder.path().join(".web.partial").exists(), "{round}");
        let store = folder.path().join("store");
        if store.exists() {
            program::must(&["store", "verify", "--store", &store.to_string_lossy()]);
        }
    }
    assert!(killed > 5, "{killed} were killed");
}
