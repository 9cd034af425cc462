//! Hash trees of dm-verity: veritysetup makes the same ones, and verifies those of built images.

mod built;

use std::path::Path;
use std::process::Output;

use amiforge_formats::plan::{Claims, Data, NoSources, Plan};
use amiforge_formats::verity::BLOCK;
use amiforge_formats::verity::write::{HashTree, VerityIds};
use amiforge_tests::{oracle, scratch, volume};
use proptest::prelude::*;

/// A device of that many blocks; those for which `holds` is false hold zeros.
fn device(blocks: u64, seed: u64, holds: impl Fn(u64) -> bool) -> Plan {
    let mut claims = Claims::new(blocks * BLOCK);
    for index in (0..blocks).filter(|index| holds(*index)) {
        let word = (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed;
        claims.bytes(index * BLOCK, word.to_le_bytes().repeat(512));
    }
    claims.finish(&Data::Free).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    amiforge_formats::digest::hex(bytes)
}

/// `veritysetup verify`.
fn verify(data: &Path, hash: &Path, root: &str) -> Output {
    oracle::run("veritysetup", &["verify", &data.to_string_lossy(), &hash.to_string_lossy(), root])
}

/// Compares superblock and tree of a device with those of veritysetup, byte for byte, and has it verify ours.
fn compare(plan: &Plan, ids: VerityIds) {
    let folder = scratch::folder();
    let path = |name: &str| folder.path().join(name);
    let (data, ours, theirs) = (path("data"), path("ours"), path("theirs"));
    volume::write(plan, &data, 0);
    let tree = HashTree::of(ids, plan, &NoSources).unwrap();
    volume::write(&tree.plan(tree.len()).unwrap(), &ours, 0);
    std::fs::write(&theirs, b"").unwrap();
    let output = oracle::must(
        "veritysetup",
        &[
            "format".to_owned(),
            format!("--salt={}", hex(&ids.salt)),
            format!("--uuid={}", ids.uuid),
            data.to_string_lossy().into_owned(),
            theirs.to_string_lossy().into_owned(),
        ],
    );
    let root = output.lines().find_map(|line| line.strip_prefix("Root hash:")).unwrap().trim();
    assert_eq!(tree.root.to_string(), root);
    assert!(std::fs::read(&ours).unwrap() == std::fs::read(&theirs).unwrap(), "{} bytes", plan.len());
    assert!(verify(&data, &ours, root).status.success());
}

#[test]
fn superblock_and_tree_equal_those_of_veritysetup() {
    if !oracle::ready(&["veritysetup"], false) {
        return;
    }
    // One level ends at 128 blocks, two at 16384; nothing, holes and all of it are data.
    for (blocks, name) in
        [(1, "a"), (2, "b"), (127, "c"), (128, "d"), (129, "e"), (3000, "f"), (16384, "g"), (16385, "h")]
    {
        let ids = VerityIds::derive(name, "root-verity");
        compare(&device(blocks, 0, |_| true), ids);
        compare(&device(blocks, 1, |index| index % 300 < 20), ids);
        compare(&device(blocks, 2, |_| false), ids);
    }
}

#[test]
fn a_changed_byte_anywhere_is_refused_by_veritysetup_too() {
    if !oracle::ready(&["veritysetup"], false) {
        return;
    }
    let folder = scratch::folder();
    let (data, hash) = (folder.path().join("data"), folder.path().join("hash"));
    let plan = device(300, 0, |_| true);
    let tree = HashTree::of(VerityIds::derive("web", "root-verity"), &plan, &NoSources).unwrap();
    let root = tree.root.to_string();
    let (data_bytes, hash_bytes) =
        (volume::bytes(&plan, 0), volume::bytes(&tree.plan(tree.len()).unwrap(), 0));
    // Data; salt; the topmost block; a block over the data.
    for (in_data, at) in [(Some(4096 * 299), 0), (None, 90), (None, 4096 + 33), (None, 3 * 4096 + 8)] {
        let (mut data_bytes, mut hash_bytes) = (data_bytes.clone(), hash_bytes.clone());
        match in_data {
            Some(at) => data_bytes[at] ^= 1,
            None => hash_bytes[at] ^= 1,
        }
        std::fs::write(&data, data_bytes).unwrap();
        std::fs::write(&hash, hash_bytes).unwrap();
        assert!(!verify(&data, &hash, &root).status.success(), "{in_data:?} {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    /// Any device has the same tree by both.
    #[test]
    fn any_device_has_the_tree_of_veritysetup(
        blocks in 1..700_u64,
        seed in any::<u64>(),
        holes in 0..5_u64,
        name in "[a-z]{3,9}",
    ) {
        if !oracle::ready(&["veritysetup"], false) {
            return Ok(());
        }
        let plan = device(blocks, seed, |index| index.wrapping_mul(seed | 1) % 5 >= holes);
        compare(&plan, VerityIds::derive(&name, "root-verity"));
    }
}
