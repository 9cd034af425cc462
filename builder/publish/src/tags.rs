//! The tags that identify a snapshot or an AMI and its bundle. They serve to find resources and to verify them. Depends
//! on the manifest, not on the service.

use amiforge_formats::digest::Digest;
use amiforge_formats::pcr::Bank;
use amiforge_image::manifest::Manifest;

use super::api::ec2::Tags;

/// Prefix of all tag keys of this program.
pub const PREFIX: &str = "amiforge:";
/// The name that the console of AWS shows.
pub const NAME: &str = "Name";
/// Name of the image in its recipe.
pub const IMAGE: &str = "amiforge:image";
/// Version of the image.
pub const VERSION: &str = "amiforge:version";
/// Version of the program that built it.
pub const TOOL: &str = "amiforge:tool";
/// SHA-256 of `manifest.json`.
pub const MANIFEST: &str = "amiforge:manifest";
/// Merkle root over the blocks.
pub const MERKLE_ROOT: &str = "amiforge:merkle-root";
/// Number of blocks under the Merkle root.
pub const BLOCKS: &str = "amiforge:blocks";
/// SHA-256 of the recipe.
pub const RECIPE: &str = "amiforge:recipe";
/// SHA-256 of the disk as a file, `disk.raw`.
pub const IMAGE_SHA256: &str = "amiforge:image-sha256";
/// SHA-256 of `manifest.json`, under the name that says so.
pub const MANIFEST_SHA256: &str = "amiforge:manifest-sha256";
/// SHA-256 of the lock.
pub const LOCK_SHA256: &str = "amiforge:lock-sha256";
/// The snapshot whose disk an image keeps, of which its own snapshots are children.
pub const BASE_SNAPSHOT: &str = "amiforge:base-snapshot";
/// Names of rules of the leak gate whose findings whoever published it allowed by hand.
pub const LEAKS_ALLOWED: &str = "amiforge:leaks-allowed";
/// Of a copy that is read as the source of an image and then deleted: the snapshot that it is a copy of.
pub const SOURCE_COPY_OF: &str = "amiforge:source-copy-of";
/// Of such a copy: the ledger that it is recorded in.
pub const SOURCE_COPY_LEDGER: &str = "amiforge:source-copy-ledger";
/// Longest value of a tag, in characters (EC2 User Guide, "Tag restrictions").
const VALUE_MAX: usize = 256;
/// The PCRs that have a tag, where they are predicted: what firmware starts, its keys, the parts of the unified kernel
/// image, and its command line.
pub const PCRS: [u8; 4] = [4, 7, 11, 12];

/// The key of the tag for a PCR, whose value is of its SHA-384 bank.
pub fn pcr(number: u8) -> String {
    format!("{PREFIX}pcr{number}")
}

/// The tags of resources that are made from a bundle, without [`NAME`]. `manifest_sha256` is the digest of the
/// manifest's text.
pub fn of_manifest(manifest: &Manifest, manifest_sha256: Digest) -> Tags {
    let origin = &manifest.origin;
    let mut tags = Tags::new();
    let mut set = |key: &str, value: &str| tags.insert(key.to_owned(), value.to_owned());
    set(IMAGE, &origin.name);
    set(MANIFEST, &manifest_sha256.to_string());
    set(MERKLE_ROOT, &manifest.merkle_root.to_string());
    set(BLOCKS, &manifest.blocks.len().to_string());
    set(RECIPE, &origin.recipe.to_string());
    set(TOOL, &manifest.tool);
    set(IMAGE_SHA256, &manifest.plain.to_string());
    set(MANIFEST_SHA256, &manifest_sha256.to_string());
    if let Some(version) = &origin.version {
        set(VERSION, version);
    }
    if let Some(base) = origin.base_snapshot() {
        set(BASE_SNAPSHOT, base.id);
    }
    if let Some(lock) = &origin.lock {
        set(LOCK_SHA256, &lock.to_string());
    }
    for (number, value) in predicted(manifest) {
        set(&pcr(number), &value);
    }
    tags
}

/// The values of [`PCRS`] that the manifest predicts, in hexadecimal, for machines as the image intends them.
fn predicted(manifest: &Manifest) -> Vec<(u8, String)> {
    let Some(measurements) = &manifest.origin.measurements else { return Vec::new() };
    let (registers, _) = measurements.intended();
    let value = |number| Some((number, registers.get(&number)?.hex(Bank::Sha384)));
    PCRS.into_iter().filter_map(value).collect()
}

/// Words as the value of a tag: those that have room in it, and a `+` where there are more.
pub fn joined(words: &[String]) -> String {
    let mut value = String::new();
    for word in words {
        if value.len() + word.len() + 3 > VALUE_MAX {
            return value + " +";
        }
        if !value.is_empty() {
            value.push(' ');
        }
        value.push_str(word);
    }
    value
}

/// The tags of `expected` that `present` lacks or has with another value.
pub fn missing(expected: &Tags, present: &Tags) -> Tags {
    let missing = expected.iter().filter(|(key, value)| present.get(*key) != Some(value));
    missing.map(|(key, value)| (key.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn words_fill_a_tag_as_far_as_it_goes() {
        let words = |count| vec!["private-key".to_owned(); count];
        assert_eq!(joined(&words(2)), "private-key private-key");
        let long = joined(&words(100));
        assert!(long.len() <= VALUE_MAX && long.ends_with(" +"), "{long}");
    }

    #[test]
    fn a_tag_is_missing_when_it_is_absent_or_has_another_value() {
        let expected = tags(&[("a", "1"), ("b", "2"), ("c", "")]);
        let present = tags(&[("a", "1"), ("b", "3"), ("z", "")]);
        assert_eq!(missing(&expected, &present), tags(&[("b", "2"), ("c", "")]));
    }
}
