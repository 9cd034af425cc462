//! Only inputs matter: builds under changed conditions give one digest, and a changed input gives another.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_tests::program::{self, Bundle};
use amiforge_tests::{oracle, scratch};

const RECIPE: &str = r#"
[image]
name = "reproduce"
version = "1"
arch = "x86_64"
epoch = 1700000000

[disk]
size = 1

[[source]]
kind = "dir"
path = "tree"
owners = [{ path = "home/**", owner = "1000:1000" }]

[[file]]
path = "/etc/motd"
content = "hello\n"

[[user]]
name = "admin"
uid = 1000
authorized-keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0k admin"]
"#;

/// Files of a folder source: enough to fill directories, extents and several blocks.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut files = vec![("etc/passwd".to_owned(), b"root:x:0:0:root:/root:/bin/sh\n".to_vec())];
    for index in 0..400_u32 {
        let len = index * 7919 % 40_000;
        let bytes = (0..len).map(|at| at.wrapping_mul(2_654_435_761).wrapping_add(index) as u8).collect();
        files.push((format!("usr/share/d{}/file-{index}", index % 17), bytes));
    }
    files.push(("opt/large".to_owned(), vec![0xa5; 3 << 20]));
    files.push(("home/keep/note".to_owned(), b"mine".to_vec()));
    files
}

/// Lays the recipe and its folder out; `reversed` creates the files in the opposite order.
fn lay_out(folder: &Path, reversed: bool) -> PathBuf {
    let mut files = files();
    if reversed {
        files.reverse();
    }
    let tree = folder.join("tree");
    for (path, bytes) in files {
        let path = tree.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    // Folders carry modes and times too: both are inputs, so both are set.
    let tree = tree.to_string_lossy();
    let script = format!(
        "find '{tree}' -type d -exec chmod 755 {{}} +; find '{tree}' -exec touch -h -d @1600000000 {{}} +"
    );
    oracle::must("sh", &["-c", &script]);
    let recipe = folder.join("recipe.toml");
    std::fs::write(&recipe, RECIPE).unwrap();
    recipe
}

/// Builds under one set of conditions and gives the digests of all that the bundle holds.
fn digests(recipe: &Path, out: &Path, number: usize) -> BTreeMap<String, String> {
    let zones = ["UTC", "Asia/Kathmandu", "America/St_Johns"];
    let locales = ["C", "de_DE.UTF-8", "tr_TR.UTF-8"];
    let folder = recipe.parent().unwrap();
    let places = [Path::new("/"), folder, folder.parent().unwrap()];
    let script = format!("umask {}; exec \"$0\" \"$@\"", ["022", "077", "000"][number / 2 % 3]);
    let output = Command::new("/bin/sh")
        .args(["-c", &script])
        .arg(program::path())
        .args(["build", "--threads", ["1", "2", "3", "8"][number % 4]])
        .arg(recipe)
        .arg("-o")
        .arg(out)
        .current_dir(places[number % 3])
        .env_clear()
        .env("TZ", zones[number / 3 % 3])
        .env("LC_ALL", locales[number / 4 % 3])
        .env("HOME", out.with_extension("home"))
        .env("NOISE", "x".repeat(number * 37))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let sums = std::fs::read_to_string(out.join("SHA256SUMS")).unwrap();
    let digests: BTreeMap<_, _> = sums
        .lines()
        .map(|line| line.split_once("  ").unwrap())
        .map(|(digest, name)| (name.to_owned(), digest.to_owned()))
        .collect();
    assert!(digests.contains_key("disk.raw"), "{sums}");
    std::fs::remove_dir_all(out).unwrap();
    digests
}

#[test]
fn thirty_two_builds_under_changed_conditions_give_one_digest() {
    let folders = [scratch::folder(), tempfile::tempdir().unwrap()];
    let recipes = [lay_out(folders[0].path(), false), lay_out(folders[1].path(), true)];
    let mut seen: BTreeMap<BTreeMap<String, String>, usize> = BTreeMap::new();
    for number in 0..32 {
        let out = folders[number / 3 % 2].path().join(format!("out-{number}"));
        *seen.entry(digests(&recipes[number % 2], &out, number)).or_default() += 1;
    }
    println!("{} digest(s) in 32 builds", seen.len());
    assert_eq!(seen.len(), 1, "{seen:#?}");
}

#[test]
fn one_changed_time_changes_the_digest() {
    let folder = scratch::folder();
    let recipe = lay_out(folder.path(), false);
    let before = digests(&recipe, &folder.path().join("a"), 0);
    let file = folder.path().join("tree/opt/large");
    oracle::must("touch", &["-d", "@1600000001", &file.to_string_lossy()]);
    let after = digests(&recipe, &folder.path().join("b"), 0);
    assert_ne!(before["disk.raw"], after["disk.raw"]);
}

#[test]
fn a_clock_in_another_year_changes_nothing() {
    if !oracle::ready(&["faketime"], false) {
        return;
    }
    let folder = scratch::folder();
    let recipe = lay_out(folder.path(), false);
    let now = digests(&recipe, &folder.path().join("now"), 0);
    let out = folder.path().join("later");
    let program = program::path();
    let mut args = vec!["2031-07-01 12:00:00".as_ref(), program.as_os_str(), "build".as_ref()];
    args.extend([recipe.as_os_str(), "-o".as_ref(), out.as_os_str()]);
    oracle::must("faketime", &args);
    assert_eq!(Bundle::open(&out).digest(), now["disk.raw"]);
}
