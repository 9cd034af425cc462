//! The examples of Amazon Linux with Amazon's own packages: only where `AMIFORGE_AMAZON_MIRROR` is the address of a mirror, which takes
//! the place of `https://cdn.amazonlinux.com` for `lock` and `fetch`. Without it every test says that it skips.
//!
//! rpm of this machine judges the files (`rpm -Va` of the root), QEMU boots the image.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_tests::{oracle, program, scratch};

/// The variable with the address of a mirror.
const MIRROR: &str = "AMIFORGE_AMAZON_MIRROR";

/// The folder of the database, which is elsewhere for the rpm of some machines.
const DATABASE: &str = "/var/lib/rpm";

/// Seconds that a boot may take, in software on a busy machine.
const TIMEOUT: &str = "1500";

/// The mirror; without one a word about it, whether oracles are required or not: no CI has Amazon's packages.
fn mirror() -> Option<String> {
    let mirror = std::env::var(MIRROR).ok().filter(|mirror| !mirror.is_empty());
    if mirror.is_none() {
        eprintln!("SKIP {MIRROR} is not set: Amazon's own packages are not tried");
    }
    mirror
}

/// Runs the program with the mirror; returns what it says.
fn run(mirror: &str, args: &[&str]) -> String {
    let output =
        Command::new(program::path()).env("AMIFORGE_RPM_MIRROR", mirror).args(args).output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{args:?}: {said}");
    said
}

/// Locks, fetches and builds an example; the bundle is in `out`.
fn build(mirror: &str, example: &str, folder: &Path) {
    let text = fs::read(scratch::repository().join("examples").join(example).join("recipe.toml")).unwrap();
    let recipe = folder.join("recipe.toml");
    fs::write(&recipe, text).unwrap();
    let (recipe, store) = (recipe.display().to_string(), folder.join("store").display().to_string());
    let said = run(mirror, &["lock", &recipe, "--store", &store]);
    println!("{said}");
    run(mirror, &["fetch", &recipe, "--store", &store]);
    let out = folder.join("out").display().to_string();
    println!("{}", run(mirror, &["build", &recipe, "--store", &store, "-o", &out]));
    program::must(&["verify", &out]);
}

/// Unpacks the root of the bundle; returns its folder.
fn unpacked(folder: &Path) -> PathBuf {
    let root = folder.join("root");
    let volume = format!("{}:root", folder.join("out").display());
    let owners = if oracle::ready(&[], true) { "--owners" } else { "--force" };
    program::must(&["inspect", &volume, "--extract", &root.display().to_string(), owners]);
    root
}

/// rpm finds every file of every package as the package has it, but for configuration files and what the build cleans.
fn rpm_agrees(root: &Path) {
    if !oracle::ready(&["rpm"], true) {
        return;
    }
    let root = root.display().to_string();
    let packages = oracle::must("rpm", &["--root", &root, "--dbpath", DATABASE, "-qa"]);
    assert!(packages.lines().any(|line| line.starts_with("httpd-")), "{packages}");
    let output = oracle::run("rpm", &["--root", &root, "--dbpath", DATABASE, "-Va", "--noscripts"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // The second column is `c` for configuration, `g` for files that packages own and do not bring.
    let is_expected = |line: &&str| {
        let kind = line.get(11..12).unwrap_or_default();
        kind == "c" || kind == "g"
    };
    let wrong: Vec<_> = said.lines().filter(|line| !is_expected(line)).collect();
    assert!(wrong.is_empty(), "rpm -Va: {wrong:#?}");
}

/// Boots the bundle; returns a page that it serves.
fn page(folder: &Path, path: &str) -> Option<String> {
    if !oracle::ready(&["qemu-system-x86_64"], false) {
        return None;
    }
    let out = folder.join("out").display().to_string();
    let get = format!("80/{path}");
    let output = Command::new(program::path())
        .args(["boot", "--quiet", "--memory", "2 GiB", "--timeout", TIMEOUT, "--get", &get, &out])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    Some(said)
}

#[test]
fn the_web_server_of_amazon_linux_is_what_rpm_expects_and_serves_its_page() {
    let Some(mirror) = mirror() else { return };
    let folder = scratch::folder();
    build(&mirror, "amazon-linux-web", folder.path());
    rpm_agrees(&unpacked(folder.path()));
    assert!(page(folder.path(), "").is_none_or(|page| page.contains("It works")));
}

#[test]
fn the_lamp_of_amazon_linux_is_what_rpm_expects_and_asks_its_database() {
    let Some(mirror) = mirror() else { return };
    let folder = scratch::folder();
    build(&mirror, "amazon-linux-lamp", folder.path());
    rpm_agrees(&unpacked(folder.path()));
    assert!(page(folder.path(), "index.php").is_none_or(|page| page.contains("Hello from the database")));
}
