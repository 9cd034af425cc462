//! Made-up images of a few blocks.

use std::collections::BTreeMap;

use amiforge_formats::guid::Guid;
use amiforge_image::image::Aggregate;
use amiforge_image::manifest::ImageOrigin;
use amiforge_image::secure_boot::{SecureBootRecord, SignedProgram};

use super::*;

fn map(bytes: &[u8]) -> BlockMap {
    let mut map = BlockMap::default();
    for block in bytes.chunks(BLOCK as usize) {
        map.push(Block::hashed(Digest::of(block)), 1);
    }
    map
}

/// The manifest of an image whose signatures are in `ranges`.
fn manifest(bytes: &[u8], ranges: &[(u64, u64)]) -> Manifest {
    let blocks = map(bytes);
    let none = Aggregate { blocks: 0, sha256: Digest([0; 32]) };
    let origin = ImageOrigin {
        name: "x".to_owned(),
        version: None,
        arch: "x86_64".to_owned(),
        epoch: 0,
        boot_mode: None,
        recipe: Digest([0; 32]),
        lock: None,
        inputs: Vec::new(),
        cleaned: Vec::new(),
        secrets: Vec::new(),
        secrets_unknown: Vec::new(),
        skipped: Vec::new(),
        leaks_allowed: Vec::new(),
        measurements: None,
    };
    let program = SignedProgram {
        authenticode: String::new(),
        id: "uki".to_owned(),
        path: String::new(),
        ranges: ranges.to_vec(),
        signature: None,
    };
    let record = SecureBootRecord { programs: vec![program], variables: BTreeMap::new() };
    Manifest {
        tool: "1".to_owned(),
        origin,
        size: bytes.len() as u64,
        disk: Guid::derive("x", "y"),
        partitions: Vec::new(),
        documents: BTreeMap::new(),
        secure_boot: (!ranges.is_empty()).then_some(record),
        pcr_policy: None,
        merkle_root: blocks.merkle_root(),
        blocks,
        plain: Digest([0; 32]),
        without_free: none,
        without_zero: none,
        verity: Vec::new(),
    }
}

const B: usize = BLOCK as usize;

/// Six blocks.
fn image() -> Vec<u8> {
    let mut bytes = vec![0; 6 * B];
    (0..4).for_each(|block| bytes[block * B] = block as u8 + 1);
    bytes
}

#[expect(clippy::ptr_arg, reason = "what is compared is read at offsets, which a vector is")]
fn compared(original: &Vec<u8>, rebuilt: &Vec<u8>, ranges: &[(u64, u64)]) -> RebuildComparison {
    compare((&map(original), original), (&manifest(rebuilt, ranges), rebuilt)).unwrap()
}

#[test]
fn an_equal_image_has_equal_roots_whatever_zeros_follow() {
    let bytes = image();
    let found = compared(&bytes, &bytes, &[]);
    assert!(found.is_equal() && found.root == found.rebuilt_root && found.unsigned_root.is_none());
    let mut longer = bytes.clone();
    longer.resize(9 * B, 0);
    let found = compared(&longer, &bytes, &[]);
    assert!(found.is_equal() && found.equal == 6 && found.root == found.rebuilt_root);
}

#[test]
fn blocks_that_differ_are_counted_and_joined_to_ranges() {
    let bytes = image();
    let mut other = bytes.clone();
    other.resize(9 * B, 0);
    for at in [0, B + 7, 4 * B, 8 * B] {
        other[at] ^= 0x80;
    }
    let found = compared(&other, &bytes, &[]);
    assert_eq!((found.equal, found.different, found.signed), (3, 4, 0));
    assert_eq!(found.ranges, [(0, 1), (4, 4), (8, 8)]);
    assert!(!found.is_equal() && found.root != found.rebuilt_root);
    let short = bytes[..5 * B].to_vec();
    assert_eq!(compared(&short, &bytes, &[]).ranges, [(5, 5)]);
}

#[test]
fn a_signature_is_no_difference_and_what_is_beside_it_is_one() {
    let bytes = image();
    // A range over the border of two blocks.
    let ranges = [((2 * B - 8) as u64, 16_u64)];
    let mut signed = bytes.clone();
    signed[2 * B - 8..2 * B + 8].fill(0xee);
    let found = compared(&signed, &bytes, &ranges);
    assert_eq!((found.equal, found.different, found.signed), (4, 0, 2));
    assert!(found.is_equal() && found.root != found.rebuilt_root);
    assert_eq!(found.unsigned_root.as_deref(), Some(found.rebuilt_root.as_str()));
    signed[2 * B + 8] = 0xee;
    let found = compared(&signed, &bytes, &ranges);
    assert_eq!((found.signed, found.ranges.as_slice()), (1, &[(2, 2)][..]));
}

#[test]
fn causes_name_the_tool_first_and_then_the_inputs() {
    let statement = EmbeddedStatement { tool: Some("0.9".to_owned()), ..EmbeddedStatement::default() };
    let input = |name: &str, expected: Option<&str>, actual: Option<&str>| LocalInput {
        name: name.to_owned(),
        path: "x".into(),
        expected: expected.map(str::to_owned),
        actual: actual.map(str::to_owned),
    };
    let inputs = [input("base.tar", Some("aa"), Some("bb")), input("site", None, None)];
    let named = causes(Some(&statement), "1.0", &inputs);
    assert!(named[0].starts_with("amiforge 0.9 built the image, and this is 1.0"), "{named:?}");
    assert!(
        named[1].contains("`base.tar`") && named[1].contains("bb") && named[1].contains("aa"),
        "{named:?}"
    );
    assert!(named[2].contains("`site` is not pinned"), "{named:?}");
    assert_eq!(causes(Some(&statement), "0.9", &[]), [""; 0]);
    assert_eq!(causes(None, "0.9", &[]).len(), 1);
}
