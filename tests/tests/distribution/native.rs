//! `scripts = "native"`: images of a distribution for which nothing of it runs, also for another architecture.

use std::fs;
use std::process::Command;

use amiforge_tests::oracle;
use amiforge_tests::program::Bundle;
use amiforge_tests::recipe::Recipe;
use toml::Value;

use crate::fixtures::{LockedRecipe, has_line, must, verified_listing};

/// Builds the minimal server natively under strace, and gives the listing.
fn built(arch: &str, kernel: &str) -> Option<(Bundle, String)> {
    let mut recipe = Recipe::example("debian-minimal").set("source.0.scripts", "native");
    if arch != "x86_64" {
        // The distribution's version before that of the examples.
        let suites = ["bookworm", "bookworm-updates", "bookworm-security"];
        recipe =
            recipe.change("image.arch", arch).change("source.0.suites", suites.map(Value::from).to_vec());
        recipe = recipe.replace_package("linux-image-cloud-amd64", &[kernel]);
    }
    let fixture = LockedRecipe::new(&recipe.to_string())?;
    if !oracle::ready(&["strace"], false) {
        return None;
    }
    let (log, command) = (fixture.path("strace.log"), fixture.command("out", "store"));
    let mut traced = Command::new(oracle::find("strace").unwrap());
    traced
        .args(["-f", "-e", "trace=execve,execveat,unshare,mount", "-o"])
        .arg(&log)
        .arg(command.get_program());
    must(&traced.args(command.get_args()).output().unwrap());
    let log = fs::read_to_string(log).unwrap();
    let calls = |name: &str| log.lines().filter(|line| line.contains(&format!(" {name}("))).count();
    assert_eq!(calls("execve") + calls("execveat"), 1, "nothing but the program itself is started:\n{log}");
    assert_eq!(calls("unshare") + calls("mount"), 0, "{log}");
    let bundle = Bundle::open(&fixture.path("out"));
    let listing = verified_listing(&bundle);
    let skipped = bundle.manifest["skipped"].as_array().map_or(0, Vec::len);
    println!("{arch}: {skipped} things skipped: {}", bundle.manifest["skipped"]);
    Some((bundle, listing))
}

/// What every minimal server has to have.
fn is_a_server(listing: &str) {
    for line in [
        "/etc/ld.so.cache file ",
        "/etc/ssl/certs/ca-certificates.crt file ",
        "/etc/systemd/system/multi-user.target.wants/ssh.service symlink ",
        "/usr/bin/awk symlink ",
        "/etc/alternatives/awk symlink ",
        "/etc/pam.d/common-auth file ",
        "/var/lib/dpkg/status file ",
    ] {
        assert!(has_line(listing, line), "no line `{line}…`");
    }
    let modules = listing.lines().filter(|line| line.contains("/modules.dep.bin file ")).count();
    assert_eq!(modules, 1, "the kernel's modules have an index");
}

#[test]
fn nothing_runs_for_a_native_image() {
    let Some((bundle, listing)) = built("x86_64", "linux-image-cloud-amd64") else { return };
    is_a_server(&listing);
    assert_eq!(bundle.manifest["image"]["arch"], "x86_64");
}

#[test]
fn an_image_for_another_architecture_is_built_without_its_programs() {
    let Some((bundle, listing)) = built("aarch64", "linux-image-cloud-arm64") else { return };
    is_a_server(&listing);
    assert_eq!(bundle.manifest["image"]["arch"], "aarch64");
    assert!(
        has_line(&listing, "/usr/lib/aarch64-linux-gnu/libc.so.6 file "),
        "it is of the other architecture"
    );
}
