//! `whois`: what is inside agrees with tags, watermarks and blocks, or it says what does not.

use std::fs;

use amiforge_formats::digest::Digest;
use amiforge_publish::api::ec2::{Ec2 as _, Tags};
use amiforge_publish::request::AmiOptions;
use amiforge_tests::{program, python};
use serde_json::{Value, json};

use super::fixture::{System, differences};
use crate::register::fixture::request;

fn tag(key: &str, value: &str) -> Tags {
    Tags::from([(key.to_owned(), value.to_owned())])
}

#[test]
fn tags_watermark_and_what_is_inside_agree_on_the_ami_and_its_copy_of_either_file_system() {
    for file_system in ["ext4", "erofs"] {
        let system = System::new(file_system);
        let recipe = fs::read(system.path("recipe.toml")).unwrap();
        for (region, image) in [("local", &system.image), ("local-2", &system.copy)] {
            let (shown, _) = system.run(0, &["whois", image, "--region", region]);
            let inside = &shown["inside"];
            assert_eq!(inside["recipe"], Digest::of(&recipe).to_string(), "{shown:#}");
            assert_eq!((&inside["image"], &inside["version"]), (&json!("web"), &json!("1")));
            assert_eq!(inside["fileSystem"], file_system);
            assert_eq!((&inside["tool"], &inside["inputs"]), (&env!("CARGO_PKG_VERSION").into(), &2.into()));
            let (read, held) =
                (inside["blocksRead"].as_u64().unwrap(), inside["blocksHeld"].as_u64().unwrap());
            assert!(read > 0 && read <= 10 && held > 24, "{read} of {held}");
            let root = system.manifest["merkle_root"].as_str().unwrap();
            assert_eq!(shown["watermarks"][0]["key"], format!("123456789012:web/{root}"));
            assert_eq!(shown["watermarks"][0]["sourceImage"], system.image.as_str());
            assert_eq!(differences(&shown), [""; 0]);
        }
        let bundle = system.bundle();
        system.whois(0, &["--verify", "--bundle", &bundle]);
    }
}

#[test]
fn only_what_is_needed_is_read_and_nothing_where_only_tags_are_asked_for() {
    let system = System::new("ext4");
    let reads = || system.fixture.region.requests("GetSnapshotBlock").len() as u64;
    let before = reads();
    let shown = system.whois(0, &[]);
    assert_eq!(shown["inside"]["blocksRead"], reads() - before);
    let before = reads();
    let shown = system.whois(0, &["--tags-only"]);
    assert!(shown["inside"].is_null() && reads() == before);
}

#[test]
fn boto3_reads_the_same_tags_on_the_ami_the_copy_and_their_snapshots() {
    let Some(python) = python::with(&["boto3"]) else { return };
    let system = System::new("ext4");
    let manifest = fs::read(system.fixture.bundle.join("manifest.json")).unwrap();
    let sums = fs::read_to_string(system.fixture.bundle.join("SHA256SUMS")).unwrap();
    let disk = sums.lines().find(|line| line.ends_with("disk.raw")).unwrap();
    let endpoint = system.fixture.region.running.endpoint();
    for (region, image) in [("local", &system.image), ("local-2", &system.copy)] {
        let args = [endpoint.clone(), region.to_owned(), image.clone()];
        let text = python::must(&python, "register/read_back.py", &args);
        let report: Value = serde_json::from_str(&text).unwrap();
        for tags in [&report["tags"], &report["snapshots"]["/dev/xvda"]["tags"]] {
            for (key, value) in [
                ("amiforge:image-sha256", disk.split(' ').next().unwrap()),
                ("amiforge:manifest-sha256", &Digest::of(&manifest).to_string()),
                ("amiforge:merkle-root", system.manifest["merkle_root"].as_str().unwrap()),
                ("amiforge:recipe", system.manifest["recipe_sha256"].as_str().unwrap()),
            ] {
                assert_eq!(tags[key], value, "{region} {key}");
            }
        }
        let root = system.manifest["merkle_root"].as_str().unwrap();
        let key = &report["image"]["ImageWatermarks"][0]["WatermarkKey"];
        assert_eq!(*key, format!("123456789012:web/{root}"));
    }
}

#[test]
fn a_tag_that_was_changed_is_named() {
    let system = System::new("ext4");
    let ec2 = system.fixture.ec2("local");
    let other = "0".repeat(64);
    for (key, place) in [
        ("amiforge:recipe", "in the image"),
        ("amiforge:version", "1 in the image"),
        ("amiforge:merkle-root", "in the watermarks"),
    ] {
        let set = |value: &str| {
            let tags = tag(key, value);
            let work = ec2.create_tags(std::slice::from_ref(&system.image), &tags);
            system.fixture.region.block_on(work).unwrap();
        };
        let before = system.whois(0, &[]);
        let before = match key {
            "amiforge:recipe" => &before["recipe"],
            "amiforge:version" => &before["version"],
            _ => &before["merkleRoot"],
        };
        set(&other);
        let shown = system.whois(3, &[]);
        let named = differences(&shown);
        assert!(named.len() == 1 && named[0].starts_with(key) && named[0].contains(place), "{named:?}");
        set(before.as_str().unwrap());
    }
}

/// Publishes the disk of the bundle with a byte changed, under the tags of the bundle, as somebody would who may write both.
fn forged(system: &System, name: &str, at: usize) -> String {
    let mut disk = fs::read(system.fixture.bundle.join("disk.raw")).unwrap();
    disk[at] ^= 1;
    let path = system.path(&format!("{name}.raw"));
    fs::write(&path, disk).unwrap();
    let endpoint = system.fixture.region.running.endpoint();
    let args = ["upload", &path, "--region", "local", "--endpoint-url", &endpoint, "--json"];
    let sent: Value = serde_json::from_str(&program::must(&args)).unwrap();
    let snapshot = sent["snapshotId"].as_str().unwrap().to_owned();
    let of_bundle =
        request(&system.fixture.bundle, &AmiOptions { name: Some(name.to_owned()), ..AmiOptions::default() });
    let ec2 = system.fixture.ec2("local");
    system.fixture.region.block_on(async {
        ec2.create_tags(std::slice::from_ref(&snapshot), &of_bundle.image_tags()).await.unwrap();
        ec2.register_image(&of_bundle.new_image(&snapshot, &[])).await.unwrap()
    })
}

#[test]
fn a_changed_recipe_is_found_by_its_digest_and_any_other_byte_by_reading_all() {
    let system = System::new("erofs");
    let disk = fs::read(system.fixture.bundle.join("disk.raw")).unwrap();
    let find = |text: &[u8]| disk.windows(text.len()).position(|bytes| bytes == text).unwrap();
    let image = forged(&system, "forged-recipe", find(b"# An image of a test.") + 2);
    let (shown, _) = system.run(3, &["whois", &image]);
    let named = differences(&shown);
    // Neither the provenance beside it nor the tag knows this recipe.
    let starts = ["recipe.toml: ", "amiforge:recipe: "];
    assert!(
        named.len() == 2 && named.iter().zip(starts).all(|(one, start)| one.starts_with(start)),
        "{named:?}"
    );
    // The middle of the noise is in a block that nobody reads for this.
    let image = forged(
        &system,
        "forged-content",
        find(&amiforge_tests::archive::noise(12 << 20, 1)[6 << 20..][..64]),
    );
    system.run(0, &["whois", &image]);
    let (shown, _) = system.run(3, &["whois", &image, "--verify"]);
    let named = shown["verified"][0]["differences"].as_array().unwrap();
    assert_eq!(named.len(), 1, "{named:?}");
}

#[test]
fn a_block_that_is_damaged_in_storage_is_named() {
    let system = System::new("ext4");
    let disk = fs::read(system.fixture.bundle.join("disk.raw")).unwrap();
    let text = b"# An image of a test.";
    let at = disk.windows(text.len()).position(|bytes| bytes == text).unwrap();
    let index = at >> 19;
    let mut block = disk[index << 19..][..disk.len().min((index + 1) << 19) - (index << 19)].to_vec();
    block.resize(1 << 19, 0);
    let name = Digest::of(&block).to_string();
    block[at & ((1 << 19) - 1)] ^= 1;
    fs::write(system.path(&format!("region/blocks/{}/{name}", &name[..2])), &block).unwrap();
    // The first byte of the comment: the recipe is no TOML any more.
    let named = differences(&system.whois(3, &[]));
    let starts = ["recipe.toml: ", "amiforge:recipe: "];
    assert!(
        named.len() == 2 && named.iter().zip(starts).all(|(one, start)| one.starts_with(start)),
        "{named:?}"
    );
    let shown = system.whois(3, &["--verify", "--bundle", &system.bundle()]);
    let named = shown["verified"][0]["differences"].to_string();
    assert!(named.contains(&format!("\"block\":{index},")), "{named}");
}
