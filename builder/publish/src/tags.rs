//! The tags that say of a snapshot or an AMI what it is and which bundle it was made from: by them it is found, and
//! against them it is verified. Knows the manifest and no service.

use amiforge_formats::digest::Digest;
use amiforge_image::manifest::Manifest;

use super::api::ec2::Tags;

/// What every key of ours begins with.
pub const PREFIX: &str = "amiforge:";
/// The name that consoles show.
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
/// Number of blocks that the Merkle root is over.
pub const BLOCKS: &str = "amiforge:blocks";
/// SHA-256 of the recipe.
pub const RECIPE: &str = "amiforge:recipe";

/// The tags of what is made from a bundle, without [`NAME`]. `manifest_sha256` is the digest of the
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
    if let Some(version) = &origin.version {
        set(VERSION, version);
    }
    tags
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
    fn a_tag_is_missing_when_it_is_not_there_or_says_something_else() {
        let expected = tags(&[("a", "1"), ("b", "2"), ("c", "")]);
        let present = tags(&[("a", "1"), ("b", "3"), ("z", "")]);
        assert_eq!(missing(&expected, &present), tags(&[("b", "2"), ("c", "")]));
    }
}
