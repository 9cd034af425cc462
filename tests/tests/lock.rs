//! `lock` against archives that the tests sign: what it pins, what it refuses, and in which words.

use std::fs;
use std::process::Command;

use amiforge_tests::debs::server::Server;
use amiforge_tests::debs::{Compression, Deb, Key, Signing, Suite};
use amiforge_tests::locking::Place;
use amiforge_tests::program;
use amiforge_tests::recipe::Recipe;

/// 2026-11-01.
const FIRST: i64 = 1_793_491_200;

fn place(suite: &Suite) -> Option<(Place, String)> {
    let place = Place::new(&["app"])?;
    let mirror = place.archive(suite).url();
    Some((place, mirror))
}

fn usual() -> Option<(Place, String)> {
    place(&Suite::new("stable", Place::usual()))
}

#[test]
fn a_lock_pins_what_is_needed_and_is_the_same_from_any_mirror() {
    let Some((place, mirror)) = usual() else { return };
    let said = place.must("lock", &mirror, &[]);
    assert_eq!(said, "app added 1.0\nlib added 2.1\n");
    let lock = place.lock();
    assert!(lock.contains(&place.key.fingerprint) && lock.contains("date = 2026-11-01T00:00:00Z"), "{lock}");
    assert!(!lock.contains("other") && !lock.contains("file://"), "{lock}");
    fs::remove_file(place.path("recipe.lock")).unwrap();
    let server = Server::start(&place.path("archive"));
    fs::remove_dir_all(place.path("store")).unwrap();
    place.must("lock", &server.url(), &[]);
    assert_eq!(place.lock(), lock);
    let asked = server.asked();
    assert!(asked.iter().any(|asked| asked.target.contains("by-hash/SHA256/")), "{asked:?}");
}

#[test]
fn a_lock_that_fits_needs_no_mirror_and_one_that_does_not_is_refused_with_the_command() {
    let Some((place, mirror)) = usual() else { return };
    let said = place.fails(2, "fetch", &mirror, &[]);
    assert!(said.contains("recipe.lock`") && said.contains("amiforge lock"), "{said}");
    place.must("lock", &mirror, &[]);
    place.must("lock", "file:///nowhere", &[]);
    place.recipe(&["app"], "docs = false\n[[file]]\npath = \"/etc/motd\"\ncontent = \"x\"\n");
    place.must("lock", "file:///nowhere", &[]);
    place.recipe(&["app", "other"], "");
    let said = place.fails(2, "fetch", &mirror, &[]);
    assert!(said.contains("before the packages or sources of the recipe were changed"), "{said}");
    assert!(said.contains("hint: `amiforge lock"), "{said}");
    assert_eq!(place.run("lock", &mirror, &["--check"]).status.code(), Some(3));
    assert_eq!(place.must("lock", &mirror, &[]), "other added 3\n");
    assert_eq!(place.run("lock", &mirror, &["--check"]).status.code(), Some(0));
}

#[test]
fn versions_stay_until_an_update_is_asked_for() {
    let Some((place, mirror)) = usual() else { return };
    place.must("lock", &mirror, &[]);
    let mut packages = Place::usual();
    packages.push(Deb::new("lib", "2.2~rc1"));
    packages.push(Deb::new("app", "1.1").field("Depends", "lib (>= 2)"));
    place.archive(&Suite::new("stable", packages).date(FIRST + 86_400));
    assert_eq!(place.must("lock", &mirror, &["--check"]), "");
    assert_eq!(place.run("lock", &mirror, &["--update", "--check"]).status.code(), Some(3));
    let said = place.must("lock", &mirror, &["--update", "lib"]);
    assert_eq!(said, "lib upgraded 2.1 to 2.2~rc1\n");
    assert_eq!(place.must("lock", &mirror, &["--update"]), "app upgraded 1.0 to 1.1\n");
    let said = place.fails(2, "lock", &mirror, &["--update", "libb"]);
    assert!(said.contains("`libb` is not in the lock"), "{said}");
}

#[test]
fn an_archive_that_was_rolled_back_is_refused() {
    let Some((place, mirror)) = usual() else { return };
    place.must("lock", &mirror, &[]);
    let before = place.lock();
    place.archive(&Suite::new("stable", Place::usual()).date(FIRST - 1));
    let said = place.fails(1, "lock", &mirror, &["--update"]);
    assert!(said.contains("older than the one of"), "{said}");
    assert_eq!(place.lock(), before);
}

#[test]
fn an_expired_archive_is_refused_unless_the_recipe_accepts_it() {
    let Some((place, mirror)) = place(&Suite::new("stable", Place::usual()).valid_until(FIRST + 1)) else {
        return;
    };
    // The clock of whoever tests is past that.
    let said = place.fails(1, "lock", &mirror, &[]);
    assert!(
        said.contains("archive `tests`") && said.contains("01 Nov 2026") || said.contains("2026-11-01"),
        "{said}"
    );
    place.recipe(&["app"], "allow-expired = true\n");
    place.must("lock", &mirror, &[]);
}

#[test]
fn what_nobody_or_somebody_else_signed_is_refused() {
    let Some((place, mirror)) = usual() else { return };
    let suite = Suite::new("stable", Place::usual());
    suite.write(&place.path("archive"), Signing::Not);
    let said = place.fails(1, "lock", &mirror, &[]);
    assert!(said.contains("this archive is not signed"), "{said}");
    let stranger = Key::make("stranger").unwrap();
    suite.write(&place.path("archive"), Signing::Inline(&stranger));
    let said = place.fails(1, "lock", &mirror, &[]);
    assert!(said.contains(&stranger.fingerprint[24..]) && said.contains("archive.gpg"), "{said}");
    suite.write(&place.path("archive"), Signing::Detached(&place.key));
    place.must("lock", &mirror, &[]);
    assert!(!place.path("archive/dists/stable/InRelease").exists());
}

#[test]
fn a_text_that_was_changed_after_signing_is_refused() {
    let Some((place, mirror)) = usual() else { return };
    let path = place.path("archive/dists/stable/InRelease");
    let text = fs::read_to_string(&path).unwrap().replace("Label: Tests", "Label: Pests");
    fs::write(&path, text).unwrap();
    let said = place.fails(1, "lock", &mirror, &[]);
    assert!(said.contains("checking the signature") && said.contains("is wrong"), "{said}");
}

#[test]
fn an_index_whose_digest_differs_is_refused() {
    let Some((place, mirror)) = usual() else { return };
    for entry in fs::read_dir(place.path("archive/dists/stable/main/binary-amd64/by-hash/SHA256")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    let said = place.fails(1, "lock", &mirror, &[]);
    assert!(said.contains("by-hash") && said.contains("instead of"), "{said}");
    assert!(said.contains("hint: the mirror is behind its own Release"), "{said}");
}

#[test]
fn missing_keys_mirrors_suites_components_and_packages_are_told_with_what_to_do() {
    let Some((place, mirror)) = usual() else { return };
    let said = place.fails(1, "lock", "", &[]);
    assert!(said.contains("set `AMIFORGE_DEB_MIRROR`"), "{said}");
    let said = place.fails(1, "lock", "file:///nowhere", &[]);
    assert!(said.contains("file:///nowhere/dists/stable/Release"), "{said}");
    place.recipe(&["ap"], "");
    let said = place.fails(2, "lock", &mirror, &[]);
    assert!(said.contains("`ap`"), "{said}");
    place.recipe(&["app"], "components = [\"contrib\"]\n");
    let said = place.fails(1, "lock", &mirror, &[]);
    assert!(said.contains("no index of `contrib` for `amd64`"), "{said}");
    let recipe =
        Recipe::parse(&fs::read_to_string(place.path("recipe.toml")).unwrap()).remove("source.0.keyring");
    fs::write(place.path("recipe.toml"), recipe.to_string()).unwrap();
    let said = place.fails(1, "lock", &mirror, &[]);
    assert!(said.contains("install the package `tests-archive-keyring`"), "{said}");
    assert!(!place.path("recipe.lock").exists());
}

#[test]
fn sources_of_stages_are_pinned_by_digest() {
    let Some((place, mirror)) = usual() else { return };
    let server = Server::start(&place.path("archive"));
    fs::write(place.path("archive/x-1.tar"), b"source").unwrap();
    fs::write(place.path("local.tar"), b"local").unwrap();
    let stage = |digest: &str| {
        format!(
            "[[stage]]\nname = \"x\"\nrun = [\"make\"]\n[[stage.source]]\nurl = \"{}/x-1.tar\"\nsha256 = \"{digest}\"\n\
             [[stage.source]]\npath = \"local.tar\"\n[[stage.install]]\nfrom = \"/x\"\n",
            server.url()
        )
    };
    place.recipe(&["app"], &stage(&"ab".repeat(32)));
    let said = place.fails(1, "lock", &mirror, &[]);
    assert!(said.contains("pinning `x-1.tar` of the stage `x`") && said.contains("abababab"), "{said}");
    let digest = amiforge_formats::digest::Digest::of(b"source").to_string();
    place.recipe(&["app"], &stage(&digest));
    place.must("lock", &mirror, &[]);
    let lock = place.lock();
    assert!(lock.contains(&digest) && lock.contains("name = \"local.tar\""), "{lock}");
    fs::write(place.path("local.tar"), b"other").unwrap();
    place.must("fetch", &mirror, &[]);
}

/// An archive as Ubuntu lays one out (pockets, two components, packages packed with zstd, a base of its own), and one
/// of somebody else with a key of its own, out of which a pin wants an older version.
fn two_archives(place: &Place, other: &Key) -> [String; 2] {
    let zstd = |name: &str, version: &str| Deb::new(name, version).compression(Compression::Zstd);
    let base = zstd("base-files", "13ubuntu10").field("Essential", "yes").field("Priority", "required");
    let lib = zstd("libc6", "2.39-0ubuntu8").field("Priority", "required");
    let mut noble =
        Suite::new("noble", vec![base, lib.clone(), zstd("extra", "1").field("Priority", "standard")]);
    let app = zstd("app", "1.0-1build1").field("Depends", "libc6 (>= 2.39), tool");
    noble.components.push(("universe".to_owned(), vec![app, zstd("tool", "2.0")]));
    let mut updates = Suite::new("noble-updates", vec![Deb { version: "2.39-0ubuntu8.3".into(), ..lib }]);
    updates.components.push(("universe".to_owned(), Vec::new()));
    let (ubuntu, ours) = (place.path("ubuntu"), place.path("ours"));
    noble.write(&ubuntu, Signing::Inline(&place.key));
    let ubuntu = updates.write(&ubuntu, Signing::Inline(&place.key));
    let ours = Suite::new("ours", vec![zstd("tool", "1.5")]).write(&ours, Signing::Inline(other));
    [ubuntu.url(), ours.url()]
}

#[test]
fn ubuntu_and_an_archive_of_somebody_else_go_the_same_way() {
    let Some(place) = Place::new(&[]) else { return };
    let other = Key::make("other").unwrap();
    other.export(&place.path("other.gpg"));
    let [ubuntu, ours] = two_archives(&place, &other);
    let recipe = |keyring: &str| {
        let text = format!(
            "[image]\nname = \"noble\"\narch = \"x86_64\"\n[[source]]\nkind = \"deb\"\ndistribution = \"ubuntu\"\n\
             suites = [\"noble\", \"noble-updates\"]\ncomponents = [\"main\", \"universe\"]\nkeyring = \"archive.gpg\"\n\
             packages = [\"app\"]\nscripts = \"none\"\n[[source.archive]]\nname = \"ours\"\nsuites = [\"ours\"]\n\
             keyring = \"{keyring}\"\n[[source.pin]]\npackage = \"to*l\"\nsuite = \"ours\"\npriority = 1001\n"
        );
        fs::write(place.path("recipe.toml"), text).unwrap();
    };
    let run = |verb: &str, more: &[&str]| {
        let output =
            place.command(verb, &ubuntu).env("AMIFORGE_DEB_MIRROR_OURS", &ours).args(more).output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.code(), said.concat())
    };
    recipe("archive.gpg");
    let (code, said) = run("lock", &[]);
    assert!(code == Some(1) && said.contains("archive `ours`") && said.contains("archive.gpg"), "{said}");
    recipe("other.gpg");
    let (code, said) = run("lock", &[]);
    assert_eq!(code, Some(0), "{said}");
    for line in [
        "app added 1.0-1build1",
        "base-files added 13ubuntu10",
        "libc6 added 2.39-0ubuntu8.3",
        "tool added 1.5",
    ] {
        assert!(said.lines().any(|said| said == line), "no {line:?} in {said}");
    }
    assert!(!said.contains("extra"), "{said}");
    let lock = place.lock();
    assert!(lock.contains(&other.fingerprint) && lock.contains(&place.key.fingerprint), "{lock}");
    assert_eq!(run("fetch", &[]).0, Some(0));
    let out = place.path("out").display().to_string();
    let (code, said) = run("build", &["--offline", "-o", &out]);
    assert_eq!(code, Some(0), "{said}");
    let file = format!("{out}:root/usr/share/doc/tool/changelog");
    let inspected = Command::new(program::path()).args(["inspect", &file, "--cat"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&inspected.stdout), "tool 1.5\n");
    let bill = fs::read_to_string(place.path("out/sbom.spdx.json")).unwrap();
    assert!(bill.contains("pkg:deb/ubuntu/libc6@2.39-0ubuntu8.3?arch=amd64"), "{bill}");
}
