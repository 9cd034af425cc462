//! `rebuild`: an AMI, a snapshot, a bundle and a raw file come out again, and what is another is named.

use std::fs;

use amiforge_formats::digest::Digest;
use amiforge_tests::program;
use amiforge_tests::secure_boot::SecureBoot;
use serde_json::Value;

use super::fixture::System;

#[test]
fn an_ami_a_bundle_and_a_raw_file_are_built_again_with_an_equal_root() {
    for file_system in ["ext4", "erofs"] {
        let system = System::new(file_system);
        let (folder, root) = (system.path(""), &system.manifest["merkle_root"]);
        let disk = system.path("web-1/disk.raw");
        for target in [system.image.as_str(), &system.bundle(), &disk] {
            let (shown, _) = system.run(0, &["rebuild", target, "--source-dir", &folder]);
            assert_eq!(
                (&shown["blocks"]["root"], &shown["blocks"]["rebuiltRoot"]),
                (root, root),
                "{shown:#}"
            );
            assert_eq!((&shown["equal"], &shown["blocks"]["different"]), (&true.into(), &0.into()));
            assert!(shown["blocks"]["equal"].as_u64().unwrap() > 24, "{shown:#}");
            assert!(shown["bundle"].is_null() && shown["causes"].as_array().unwrap().is_empty());
        }
        let snapshot = system.fixture.images("local")[0].snapshots()[0].clone();
        let out = system.path("again");
        system.run(0, &["rebuild", &snapshot, "--source-dir", &folder, "-o", &out]);
        program::must(&["diff", &system.bundle(), &out]);
    }
}

#[test]
fn a_signature_is_no_difference_and_a_byte_beside_it_is_one() {
    let made = SecureBoot::with("", |made| {
        fs::create_dir_all(made.path("tree/etc")).unwrap();
        fs::write(made.path("tree/etc/os-release"), "ID=test\n").unwrap();
    });
    let Some(made) = made else { return };
    let signed = made.signed_bundle();
    let (store, folder) = (made.text("store"), made.text(""));
    let rebuild = |target: &str| {
        let output = program::run(&["--json", "rebuild", target, "--source-dir", &folder, "--store", &store]);
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code(), shown, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, shown, err) = rebuild(signed.to_str().unwrap());
    assert_eq!(code, Some(0), "{shown:#}{err}");
    let blocks = &shown["blocks"];
    assert!(blocks["signed"].as_u64().unwrap() > 0 && blocks["different"] == 0, "{blocks:#}");
    assert_eq!(blocks["unsignedRoot"], blocks["rebuiltRoot"]);
    assert_ne!(blocks["root"], blocks["rebuiltRoot"]);
    // A byte before the signature, in the same block.
    let manifest: Value = serde_json::from_slice(&fs::read(signed.join("manifest.json")).unwrap()).unwrap();
    let at = manifest["secure_boot"]["programs"][0]["ranges"][0][0].as_u64().unwrap() - 1;
    let mut disk = fs::read(signed.join("disk.raw")).unwrap();
    disk[usize::try_from(at).unwrap()] ^= 1;
    fs::write(made.path("changed.raw"), disk).unwrap();
    let (code, shown, err) = rebuild(&made.text("changed.raw"));
    assert_eq!((code, &shown["blocks"]["different"]), (Some(3), &1.into()), "{shown:#}{err}");
}

#[test]
fn the_time_of_the_build_is_taken_from_the_provenance() {
    let system = System::new("erofs");
    let text = fs::read_to_string(system.path("recipe.toml")).unwrap();
    fs::write(system.path("recipe.toml"), text.replace("epoch = 1700000000\n", "")).unwrap();
    let out = system.path("dated");
    let mut build = std::process::Command::new(program::path());
    build.args(["build", &system.path("recipe.toml"), "-o", &out]).env("SOURCE_DATE_EPOCH", "1600000000");
    assert!(build.status().unwrap().success());
    let (shown, _) = system.run(0, &["rebuild", &out, "--source-dir", &system.path("")]);
    assert_eq!(shown["builtBy"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_file_with_another_digest_is_named_with_both() {
    let system = System::new("ext4");
    fs::write(system.path("motd"), "hullo\n").unwrap();
    let (shown, _) = system.run(3, &["rebuild", &system.image, "--source-dir", &system.path("")]);
    let causes = shown["causes"].to_string();
    let (old, new) = (Digest::of(b"hello\n").to_string(), Digest::of(b"hullo\n").to_string());
    assert!(causes.contains("`motd`") && causes.contains(&old) && causes.contains(&new), "{causes}");
}

#[test]
fn an_input_that_is_another_is_named_with_the_blocks_that_differ() {
    let system = System::new("ext4");
    let folder = system.path("");
    fs::write(system.path("tree/usr/share/added"), "another\n").unwrap();
    let out = system.path("again");
    let (shown, err) = system.run(3, &["rebuild", &system.image, "--source-dir", &folder, "-o", &out]);
    let blocks = &shown["blocks"];
    assert_ne!(blocks["root"], blocks["rebuiltRoot"]);
    assert!(blocks["different"].as_u64().unwrap() > 0 && !blocks["ranges"].as_array().unwrap().is_empty());
    assert_eq!(blocks["root"], system.manifest["merkle_root"]);
    let causes = shown["causes"].to_string();
    assert!(causes.contains("(tree)") && causes.contains("not pinned"), "{causes} {err}");
}

#[test]
fn an_input_that_is_missing_is_named_before_anything_is_built() {
    let system = System::new("ext4");
    fs::remove_file(system.path("motd")).unwrap();
    let (_, err) = system.run(1, &["rebuild", &system.image, "--source-dir", &system.path("")]);
    assert!(err.contains("1 inputs of the recipe are missing: `motd`"), "{err}");
    assert!(err.contains("--source-dir DIR"), "{err}");
}

#[test]
fn recipe_and_lock_are_taken_out_and_an_image_without_them_says_so() {
    let system = System::new("ext4");
    let taken = system.path("taken");
    system.run(0, &["rebuild", &system.image, "--extract", &taken]);
    let recipe = fs::read(system.path("taken/recipe.toml")).unwrap();
    assert_eq!(Digest::of(&recipe).to_string(), system.manifest["recipe_sha256"].as_str().unwrap());
    let text = String::from_utf8(recipe).unwrap();
    fs::write(system.path("recipe.toml"), text.replace("[image]\n", "[image]\nprovenance = false\n"))
        .unwrap();
    let out = system.path("without");
    program::must(&["build", &system.path("recipe.toml"), "-o", &out]);
    let (_, err) = system.run(1, &["rebuild", &out]);
    assert!(err.contains("there is no `/usr/lib/amiforge/recipe.toml` in it"), "{err}");
}
