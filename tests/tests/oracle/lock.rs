//! `lock` against archives that the tests sign: what it pins, what it refuses, and in which words.

use std::fs;
use std::process::Command;

use amiforge_tests::debs::server::Server;
use amiforge_tests::debs::{Compression, Deb, Key, Signing, Suite};
use amiforge_tests::lock_fixture::LockFixture;
use amiforge_tests::program;
use amiforge_tests::recipe::Recipe;

/// 2026-11-01.
const FIRST: i64 = 1_793_491_200;

fn fixture(suite: &Suite) -> Option<(LockFixture, String)> {
    let fixture = LockFixture::new(&["app"])?;
    let mirror = fixture.write_archive(suite).url();
    Some((fixture, mirror))
}

fn usual() -> Option<(LockFixture, String)> {
    fixture(&Suite::new("stable", LockFixture::sample_packages()))
}

#[test]
fn a_lock_pins_what_is_needed_and_is_the_same_from_any_mirror() {
    let Some((fixture, mirror)) = usual() else { return };
    let output = fixture.must("lock", &mirror, &[]);
    assert_eq!(output, "app added 1.0\nlib added 2.1\n");
    let lock = fixture.lock_text();
    assert!(
        lock.contains(&fixture.key.fingerprint) && lock.contains("date = 2026-11-01T00:00:00Z"),
        "{lock}"
    );
    assert!(!lock.contains("other") && !lock.contains("file://"), "{lock}");
    fs::remove_file(fixture.path("recipe.lock")).unwrap();
    let server = Server::start(&fixture.path("archive"));
    fs::remove_dir_all(fixture.path("store")).unwrap();
    fixture.must("lock", &server.url(), &[]);
    assert_eq!(fixture.lock_text(), lock);
    let requests = server.requests();
    assert!(requests.iter().any(|request| request.target.contains("by-hash/SHA256/")), "{requests:?}");
}

#[test]
fn a_lock_that_fits_needs_no_mirror_and_one_that_does_not_is_refused_with_the_command() {
    let Some((fixture, mirror)) = usual() else { return };
    let stderr = fixture.must_fail(2, "fetch", &mirror, &[]);
    assert!(stderr.contains("recipe.lock`") && stderr.contains("amiforge lock"), "{stderr}");
    fixture.must("lock", &mirror, &[]);
    fixture.must("lock", "file:///nowhere", &[]);
    fixture.write_recipe(&["app"], "docs = false\n[[file]]\npath = \"/etc/motd\"\ncontent = \"x\"\n");
    fixture.must("lock", "file:///nowhere", &[]);
    fixture.write_recipe(&["app", "other"], "");
    let stderr = fixture.must_fail(2, "fetch", &mirror, &[]);
    assert!(stderr.contains("before the packages or sources of the recipe were changed"), "{stderr}");
    assert!(stderr.contains("hint: `amiforge lock"), "{stderr}");
    assert_eq!(fixture.run("lock", &mirror, &["--check"]).status.code(), Some(3));
    assert_eq!(fixture.must("lock", &mirror, &[]), "other added 3\n");
    assert_eq!(fixture.run("lock", &mirror, &["--check"]).status.code(), Some(0));
}

#[test]
fn versions_stay_until_an_update_is_asked_for() {
    let Some((fixture, mirror)) = usual() else { return };
    fixture.must("lock", &mirror, &[]);
    let mut packages = LockFixture::sample_packages();
    packages.push(Deb::new("lib", "2.2~rc1"));
    packages.push(Deb::new("app", "1.1").field("Depends", "lib (>= 2)"));
    fixture.write_archive(&Suite::new("stable", packages).date(FIRST + 86_400));
    assert_eq!(fixture.must("lock", &mirror, &["--check"]), "");
    assert_eq!(fixture.run("lock", &mirror, &["--update", "--check"]).status.code(), Some(3));
    let output = fixture.must("lock", &mirror, &["--update", "lib"]);
    assert_eq!(output, "lib upgraded 2.1 to 2.2~rc1\n");
    assert_eq!(fixture.must("lock", &mirror, &["--update"]), "app upgraded 1.0 to 1.1\n");
    let output = fixture.must_fail(2, "lock", &mirror, &["--update", "libb"]);
    assert!(output.contains("`libb` is not in the lock"), "{output}");
}

#[test]
fn an_archive_that_was_rolled_back_is_refused() {
    let Some((fixture, mirror)) = usual() else { return };
    fixture.must("lock", &mirror, &[]);
    let before = fixture.lock_text();
    fixture.write_archive(&Suite::new("stable", LockFixture::sample_packages()).date(FIRST - 1));
    let stderr = fixture.must_fail(1, "lock", &mirror, &["--update"]);
    assert!(stderr.contains("older than the one of"), "{stderr}");
    assert_eq!(fixture.lock_text(), before);
}

#[test]
fn an_expired_archive_is_refused_unless_the_recipe_accepts_it() {
    let Some((fixture, mirror)) =
        fixture(&Suite::new("stable", LockFixture::sample_packages()).valid_until(FIRST + 1))
    else {
        return;
    };
    // The clock of whoever tests is past that.
    let stderr = fixture.must_fail(1, "lock", &mirror, &[]);
    assert!(
        stderr.contains("archive `tests`") && stderr.contains("01 Nov 2026") || stderr.contains("2026-11-01"),
        "{stderr}"
    );
    fixture.write_recipe(&["app"], "allow-expired = true\n");
    fixture.must("lock", &mirror, &[]);
}

#[test]
fn what_nobody_or_somebody_else_signed_is_refused() {
    let Some((fixture, mirror)) = usual() else { return };
    let suite = Suite::new("stable", LockFixture::sample_packages());
    suite.write(&fixture.path("archive"), Signing::Unsigned);
    let stderr = fixture.must_fail(1, "lock", &mirror, &[]);
    assert!(stderr.contains("this archive is unsigned"), "{stderr}");
    let stranger = Key::generate("stranger").unwrap();
    suite.write(&fixture.path("archive"), Signing::Inline(&stranger));
    let stderr = fixture.must_fail(1, "lock", &mirror, &[]);
    assert!(stderr.contains(&stranger.fingerprint[24..]) && stderr.contains("archive.gpg"), "{stderr}");
    suite.write(&fixture.path("archive"), Signing::Detached(&fixture.key));
    fixture.must("lock", &mirror, &[]);
    assert!(!fixture.path("archive/dists/stable/InRelease").exists());
}

#[test]
fn a_text_that_was_changed_after_signing_is_refused() {
    let Some((fixture, mirror)) = usual() else { return };
    let path = fixture.path("archive/dists/stable/InRelease");
    let text = fs::read_to_string(&path).unwrap().replace("Label: Tests", "Label: Pests");
    fs::write(&path, text).unwrap();
    let stderr = fixture.must_fail(1, "lock", &mirror, &[]);
    assert!(stderr.contains("checking the signature") && stderr.contains("is wrong"), "{stderr}");
}

#[test]
fn an_index_whose_digest_differs_is_refused() {
    let Some((fixture, mirror)) = usual() else { return };
    for entry in fs::read_dir(fixture.path("archive/dists/stable/main/binary-amd64/by-hash/SHA256")).unwrap()
    {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    let stderr = fixture.must_fail(1, "lock", &mirror, &[]);
    assert!(stderr.contains("by-hash") && stderr.contains("instead of"), "{stderr}");
    assert!(stderr.contains("hint: the mirror is behind its own Release"), "{stderr}");
}

#[test]
fn missing_keys_mirrors_suites_components_and_packages_are_told_with_what_to_do() {
    let Some((fixture, mirror)) = usual() else { return };
    let stderr = fixture.must_fail(1, "lock", "", &[]);
    assert!(stderr.contains("set `AMIFORGE_DEB_MIRROR`"), "{stderr}");
    let stderr = fixture.must_fail(1, "lock", "file:///nowhere", &[]);
    assert!(stderr.contains("file:///nowhere/dists/stable/Release"), "{stderr}");
    fixture.write_recipe(&["ap"], "");
    let stderr = fixture.must_fail(2, "lock", &mirror, &[]);
    assert!(stderr.contains("`ap`"), "{stderr}");
    fixture.write_recipe(&["app"], "components = [\"contrib\"]\n");
    let stderr = fixture.must_fail(1, "lock", &mirror, &[]);
    assert!(stderr.contains("no index of `contrib` for `amd64`"), "{stderr}");
    let recipe =
        Recipe::parse(&fs::read_to_string(fixture.path("recipe.toml")).unwrap()).remove("source.0.keyring");
    fs::write(fixture.path("recipe.toml"), recipe.to_string()).unwrap();
    let stderr = fixture.must_fail(1, "lock", &mirror, &[]);
    assert!(stderr.contains("install the package `tests-archive-keyring`"), "{stderr}");
    assert!(!fixture.path("recipe.lock").exists());
}

#[test]
fn sources_of_stages_are_pinned_by_digest() {
    let Some((fixture, mirror)) = usual() else { return };
    let server = Server::start(&fixture.path("archive"));
    fs::write(fixture.path("archive/x-1.tar"), b"source").unwrap();
    fs::write(fixture.path("local.tar"), b"local").unwrap();
    let stage = |digest: &str| {
        format!(
            "[[stage]]\nname = \"x\"\nrun = [\"make\"]\n[[stage.source]]\nurl = \"{}/x-1.tar\"\nsha256 = \"{digest}\"\n\
             [[stage.source]]\npath = \"local.tar\"\n[[stage.install]]\nfrom = \"/x\"\n",
            server.url()
        )
    };
    fixture.write_recipe(&["app"], &stage(&"ab".repeat(32)));
    let stderr = fixture.must_fail(1, "lock", &mirror, &[]);
    assert!(stderr.contains("pinning `x-1.tar` of the stage `x`") && stderr.contains("abababab"), "{stderr}");
    let digest = amiforge_formats::digest::Digest::of(b"source").to_string();
    fixture.write_recipe(&["app"], &stage(&digest));
    fixture.must("lock", &mirror, &[]);
    let lock = fixture.lock_text();
    assert!(lock.contains(&digest) && lock.contains("name = \"local.tar\""), "{lock}");
    fs::write(fixture.path("local.tar"), b"other").unwrap();
    fixture.must("fetch", &mirror, &[]);
}

/// An archive as Ubuntu lays one out (pockets, two components, packages packed with zstd, a base of its own), and one
/// of somebody else with a key of its own, out of which a pin wants an older version.
fn two_archives(fixture: &LockFixture, other: &Key) -> [String; 2] {
    let zstd = |name: &str, version: &str| Deb::new(name, version).compression(Compression::Zstd);
    let base = zstd("base-files", "13ubuntu10").field("Essential", "yes").field("Priority", "required");
    let lib = zstd("libc6", "2.39-0ubuntu8").field("Priority", "required");
    let mut noble =
        Suite::new("noble", vec![base, lib.clone(), zstd("extra", "1").field("Priority", "standard")]);
    let app = zstd("app", "1.0-1build1").field("Depends", "libc6 (>= 2.39), tool");
    noble.components.push(("universe".to_owned(), vec![app, zstd("tool", "2.0")]));
    let mut updates = Suite::new("noble-updates", vec![Deb { version: "2.39-0ubuntu8.3".into(), ..lib }]);
    updates.components.push(("universe".to_owned(), Vec::new()));
    let (ubuntu, ours) = (fixture.path("ubuntu"), fixture.path("ours"));
    noble.write(&ubuntu, Signing::Inline(&fixture.key));
    let ubuntu = updates.write(&ubuntu, Signing::Inline(&fixture.key));
    let ours = Suite::new("ours", vec![zstd("tool", "1.5")]).write(&ours, Signing::Inline(other));
    [ubuntu.url(), ours.url()]
}

#[test]
fn ubuntu_and_an_archive_of_somebody_else_go_the_same_way() {
    let Some(fixture) = LockFixture::new(&[]) else { return };
    let other = Key::generate("other").unwrap();
    other.export(&fixture.path("other.gpg"));
    let [ubuntu, ours] = two_archives(&fixture, &other);
    let recipe = |keyring: &str| {
        let text = format!(
            "[image]\nname = \"noble\"\narch = \"x86_64\"\n[[source]]\nkind = \"deb\"\ndistribution = \"ubuntu\"\n\
             suites = [\"noble\", \"noble-updates\"]\ncomponents = [\"main\", \"universe\"]\nkeyring = \"archive.gpg\"\n\
             packages = [\"app\"]\nscripts = \"none\"\n[[source.archive]]\nname = \"ours\"\nsuites = [\"ours\"]\n\
             keyring = \"{keyring}\"\n[[source.pin]]\npackage = \"to*l\"\nsuite = \"ours\"\npriority = 1001\n"
        );
        fs::write(fixture.path("recipe.toml"), text).unwrap();
    };
    let run = |verb: &str, more: &[&str]| {
        let output = fixture
            .command(verb, &ubuntu)
            .env("AMIFORGE_DEB_MIRROR_OURS", &ours)
            .args(more)
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.code(), text.concat())
    };
    recipe("archive.gpg");
    let (code, output) = run("lock", &[]);
    assert!(
        code == Some(1) && output.contains("archive `ours`") && output.contains("archive.gpg"),
        "{output}"
    );
    recipe("other.gpg");
    let (code, output) = run("lock", &[]);
    assert_eq!(code, Some(0), "{output}");
    for line in [
        "app added 1.0-1build1",
        "base-files added 13ubuntu10",
        "libc6 added 2.39-0ubuntu8.3",
        "tool added 1.5",
    ] {
        assert!(output.lines().any(|present| present == line), "no {line:?} in {output}");
    }
    assert!(!output.contains("extra"), "{output}");
    let lock = fixture.lock_text();
    assert!(lock.contains(&other.fingerprint) && lock.contains(&fixture.key.fingerprint), "{lock}");
    assert_eq!(run("fetch", &[]).0, Some(0));
    let out = fixture.path("out").display().to_string();
    let (code, output) = run("build", &["--offline", "-o", &out]);
    assert_eq!(code, Some(0), "{output}");
    let file = format!("{out}:root/usr/share/doc/tool/changelog");
    let inspected = Command::new(program::path()).args(["inspect", &file, "--cat"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&inspected.stdout), "tool 1.5\n");
    let bill = fs::read_to_string(fixture.path("out/sbom.spdx.json")).unwrap();
    assert!(bill.contains("pkg:deb/ubuntu/libc6@2.39-0ubuntu8.3?arch=amd64"), "{bill}");
}
