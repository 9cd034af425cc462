//! Trees of many sizes against those of veritysetup, and every kind of damage.

use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use super::check::{CheckedTree, DataCheck, TreeDifference, tree};
use super::read::{VerityReadError, VeritySuperblock};
use super::spec::{BLOCK, HASHES};
use super::write::{HashTree, VerityIds, VerityWriteError, len};
use crate::digest::Digest;
use crate::guid::Guid;
use crate::plan::{Claims, Data, NoSources, Plan, SourceId, Sources};

/// Blocks of data, bytes of superblock and tree, root hash, and SHA-256 of superblock and tree: what veritysetup 2.6.1 makes
/// of [`volume`] with [`ids`] (`--salt` of the bytes 0 to 31, `--uuid 00112233-4455-6677-8899-aabbccddeeff`).
const VERITYSETUP: [(u64, u64, &str, &str); 8] = [
    (
        1,
        4096,
        "4885a7623a81c49c2a65562305d15863e983beb104ab5b7ce8e23571f2d25326",
        "65d91df5f86d11c33b49464fa434156904972bd8fae1d81ffe21eaae7d1554f2",
    ),
    (
        2,
        8192,
        "d3588a625659f07b7f8ae4afaf7b0e152be75daae992c81f633498c8b72486bd",
        "2acee0725c30513ea9c3d1c075ab9de82ce7c18eb8d0ba7545f8ca6dd1ca72ab",
    ),
    (
        127,
        8192,
        "57aba377317f7ccb589e73533dc29cff2667980fc3a8e0951196da8ba78f94ae",
        "4a450830c1bee8b2f0328e5fed9532578a2dcfe9c3009daea4f1e765f46ea101",
    ),
    (
        128,
        8192,
        "d138ab23905991270656c641766bd84ac4d11221cb4340f3232125ee6868b3cf",
        "4f1d1bb070df3a477ceb94f2dfb29b3b8f9f53e2f76ea8960d8bb16d8e1c9634",
    ),
    (
        129,
        16384,
        "ca61c64489621d0ced577b2455b839676ad631e018e765a719500547ca9ac293",
        "81c397d028bc134d740f6bffa910546e5757cfeb464dd1c3234cbe6b4c8f87f3",
    ),
    (
        300,
        20480,
        "1b71a9e2669428e4e70f8cf5a631f36ef8c26e81307812496864bb1ef3e234c6",
        "69b88e5de112f8cc9b314189905829141d210a9704b97a428f7814ed0f753ace",
    ),
    (
        16384,
        532_480,
        "988348e1ca9f151dc076be3379f35fa6d9fce9800d76eedb027f4174dae3b1c7",
        "b2a06aa1bb0b0d2ea3d7e5fc21bd99abeab8c304f5bdf2bc1fb2500a48112e45",
    ),
    (
        16385,
        544_768,
        "702cfe18a59aada7c67c292f8bf3dfd0d64b381a93dbf7000eb5362fbf2c86ed",
        "d528d7a079eed1e8d4609ffd741ce32485b55f336b9ee9f389ca21f9a67394b7",
    ),
];

fn ids() -> VerityIds {
    let mut salt = [0; 32];
    (0..).zip(&mut salt).for_each(|(value, byte)| *byte = value);
    VerityIds { salt, uuid: Guid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff) }
}

/// Block `i` holds `i + 1` in every eight bytes; blocks 200 to 8999 hold nothing.
fn volume(blocks: u64) -> Plan {
    let mut claims = Claims::new(blocks * BLOCK);
    for index in (0..blocks).filter(|index| !(200..9000).contains(index)) {
        claims.bytes(index * BLOCK, (index + 1).to_le_bytes().repeat(512));
    }
    claims.finish(&Data::Free).unwrap()
}

/// All bytes of a plan.
fn bytes(plan: &Plan) -> Vec<u8> {
    let mut bytes = vec![0; plan.len() as usize];
    plan.read_exact_at(&NoSources, 0, &mut bytes).unwrap();
    bytes
}

/// The tree over a plan, and superblock and tree as bytes.
fn written(data: &Plan) -> (HashTree, Vec<u8>) {
    let tree = HashTree::of(ids(), data, &NoSources).unwrap();
    let plan = tree.plan(tree.len()).unwrap();
    (tree, bytes(&plan))
}

/// The blocks of data that differ from a tree.
#[expect(clippy::ptr_arg, reason = "a reader is a sized type")]
fn differing(checked: &CheckedTree, volume: &Vec<u8>, root: Digest, data: &Vec<u8>) -> Vec<u64> {
    let check = DataCheck::new(&checked.superblock, volume, root);
    check.differing(data, 0..checked.superblock.data_blocks).unwrap()
}

#[test]
fn superblock_and_tree_are_those_of_veritysetup() {
    for (blocks, tree_len, root, sha256) in VERITYSETUP {
        let (tree, bytes) = written(&volume(blocks));
        assert_eq!((tree.len(), len(blocks * BLOCK)), (tree_len, tree_len), "{blocks} blocks");
        assert_eq!(tree.root.to_string(), root, "{blocks} blocks");
        assert_eq!(Digest::of(&bytes).to_string(), sha256, "{blocks} blocks");
    }
}

#[test]
fn the_checker_finds_what_was_written_and_nothing_else() {
    for blocks in VERITYSETUP.map(|(blocks, ..)| blocks) {
        let data = volume(blocks);
        let (written, volume) = written(&data);
        let checked = tree(&volume).unwrap();
        assert_eq!(checked.superblock.uuid, ids().uuid);
        assert_eq!((checked.superblock.data_blocks, checked.superblock.salt.len()), (blocks, 32));
        assert_eq!(checked.superblock.end() * BLOCK, volume.len() as u64);
        assert_eq!(checked.root, (blocks > 1).then_some(written.root));
        assert_eq!((checked.differences.as_slice(), checked.count), ([].as_slice(), 0));
        assert_eq!(differing(&checked, &volume, written.root, &bytes(&data)), [0_u64; 0]);
    }
}

#[test]
fn a_changed_block_of_data_is_named_and_changes_the_root_hash() {
    let data = volume(300);
    let (written, volume) = written(&data);
    let checked = tree(&volume).unwrap();
    for at in [0, 4095, 4096 * 127, 4096 * 250 + 7, 4096 * 300 - 1] {
        let mut changed = bytes(&data);
        changed[at] ^= 1;
        assert_eq!(differing(&checked, &volume, written.root, &changed), [at as u64 / BLOCK]);
        let mut claims = Claims::new(data.len());
        claims.bytes(0, changed);
        let other = HashTree::of(ids(), &claims.finish(&Data::Free).unwrap(), &NoSources).unwrap();
        assert_ne!(other.root, written.root);
    }
}

#[test]
fn a_changed_block_of_hashes_is_named() {
    let (written, volume) = written(&volume(300));
    // The superblock, the topmost block, then three blocks over the data.
    for (block, level) in [(2, 0), (4, 0)] {
        let mut changed = volume.clone();
        changed[block * 4096 + 5] ^= 0x80;
        let checked = tree(&changed).unwrap();
        assert_eq!(checked.root, Some(written.root));
        assert_eq!(checked.differences, [TreeDifference::Hash { level, block: block as u64 }]);
    }
    let mut changed = volume.clone();
    changed[4096 + 70] ^= 1;
    let checked = tree(&changed).unwrap();
    assert_ne!(checked.root, Some(written.root));
    assert_eq!(checked.differences, [TreeDifference::Hash { level: 0, block: 4 }]);
    let mut changed = volume;
    changed[5 * 4096 - 1] = 1;
    let [hash, padding] =
        [TreeDifference::Hash { level: 0, block: 4 }, TreeDifference::Padding { level: 0, block: 4 }];
    assert_eq!(tree(&changed).unwrap().differences, [hash, padding]);
}

#[test]
fn another_salt_gives_another_root_and_names_give_salts() {
    let data = volume(129);
    let (one, volume) = written(&data);
    let mut changed = volume;
    changed[88] ^= 1;
    assert_ne!(tree(&changed).unwrap().root, Some(one.root));
    let ids = VerityIds::derive("web", "root-verity");
    assert_eq!(ids, VerityIds::derive("web", "root-verity"));
    assert_ne!(ids.salt, VerityIds::derive("web", "usr-verity").salt);
    assert_ne!(ids.uuid, VerityIds::derive("api", "root-verity").uuid);
    assert_ne!(HashTree::of(ids, &data, &NoSources).unwrap().root, one.root);
}

/// A field of the superblock overwritten, and what the reader says.
fn refused(at: usize, value: &[u8]) -> VerityReadError {
    let (_, mut volume) = written(&volume(2));
    volume[at..at + value.len()].copy_from_slice(value);
    tree(&volume).unwrap_err()
}

#[test]
fn every_field_of_a_superblock_is_checked() {
    use VerityReadError as Error;
    let number = |at, value: u32| refused(at, &value.to_le_bytes());
    assert!(matches!(refused(0, b"Verity"), Error::Signature { found } if found == *b"Verity\0\0"));
    for (at, field, value) in
        [(8, "version", 2), (12, "hash_type", 0), (64, "data_block_size", 512), (68, "hash_block_size", 8192)]
    {
        assert!(
            matches!(number(at, value), Error::Unsupported { field: named, found, .. } if named == field && found == value.into())
        );
    }
    assert!(matches!(refused(32, b"sha512"), Error::Algorithm { found } if found == b"sha512"));
    assert!(matches!(refused(32, b"sha256x"), Error::Algorithm { found } if found == b"sha256x"));
    for blocks in [0, u64::MAX, (1 << 39) + 1] {
        assert!(matches!(refused(72, &blocks.to_le_bytes()), Error::DataBlocks { found } if found == blocks));
    }
    assert!(matches!(
        refused(72, &129_u64.to_le_bytes()),
        Error::TooShort { needed: 16384, available: 8192 }
    ));
    assert!(matches!(refused(80, &[1, 1]), Error::Salt { found: 257 }));
    for at in [39, 63, 82, 87, 120, 343, 344, 511, 512, 4095] {
        assert!(matches!(refused(at, &[7]), Error::Stray { at: named, value: 7 } if named == at), "{at}");
    }
    assert!(matches!(tree(&vec![0; 4095]), Err(Error::TooShort { needed: 4096, available: 4095 })));
}

#[test]
fn a_length_that_is_not_whole_blocks_and_a_range_that_is_too_short_are_refused() {
    for len in [0, 1, 4097] {
        let tree = HashTree::new(ids(), len, Vec::new());
        assert_eq!(tree.unwrap_err(), VerityWriteError::PartBlock { len });
    }
    let tree = HashTree::new(ids(), 2 * BLOCK, Vec::new()).unwrap();
    assert_eq!(tree.plan(8191).unwrap_err(), VerityWriteError::TooShort { needed: 8192, available: 8191 });
    let data = vec![0; 4096];
    let volume = bytes(&tree.plan(8192).unwrap());
    let superblock = VeritySuperblock::read(&volume).unwrap();
    let check = DataCheck::new(&superblock, &volume, tree.root);
    let short = check.differing(&data, 0..2);
    assert!(matches!(short, Err(VerityReadError::DataTooShort { covered: 8192, available: 4096 })));
}

/// Counts the bytes that are read of it.
struct CountedSource(AtomicU64);

impl Sources for CountedSource {
    fn read_exact_at(&self, _: SourceId, at: u64, buf: &mut [u8]) -> std::io::Result<()> {
        self.0.fetch_add(buf.len() as u64, Ordering::Relaxed);
        buf.fill(at.to_le_bytes()[1] | 1);
        Ok(())
    }
}

#[test]
fn data_is_read_once_and_zeros_are_not() {
    let mut claims = Claims::new(4 << 40);
    claims.claim(1 << 30, 3 << 20, Data::Slice { source: SourceId(0), at: 0 });
    let plan = claims.finish(&Data::Free).unwrap();
    let source = CountedSource(AtomicU64::new(0));
    let tree = HashTree::of(ids(), &plan, &source).unwrap();
    assert_eq!(source.0.into_inner(), 3 << 20);
    assert_eq!(tree.data_blocks, 1 << 30);
    // Four levels: the fourth has four blocks, a fifth one above them.
    assert_eq!(tree.len(), (1 + 1 + 4 + 512 + (1 << 16) + (1 << 23)) * BLOCK);
}

proptest! {
    /// Any blocks, free or not, make a tree that the checker agrees with, and a changed byte changes the root.
    #[test]
    fn any_device_is_checked(blocks in 1..400_u64, holes in prop::collection::vec(0..400_u64, 0..300), at in any::<u64>()) {
        let mut claims = Claims::new(blocks * BLOCK);
        for index in (0..blocks).filter(|index| !holes.contains(index)) {
            claims.bytes(index * BLOCK, (index * HASHES + 1).to_le_bytes().repeat(512));
        }
        let data = claims.finish(&Data::Zero).unwrap();
        let (one, volume) = written(&data);
        let checked = tree(&volume).unwrap();
        prop_assert_eq!(checked.count, 0);
        let mut bytes = bytes(&data);
        prop_assert!(differing(&checked, &volume, one.root, &bytes).is_empty());
        let at = (at % data.len()) as usize;
        bytes[at] ^= 0x10;
        prop_assert_eq!(differing(&checked, &volume, one.root, &bytes), [at as u64 / BLOCK]);
        let mut claims = Claims::new(data.len());
        claims.bytes(0, bytes);
        let other = HashTree::of(ids(), &claims.finish(&Data::Free).unwrap(), &NoSources).unwrap();
        prop_assert_ne!(other.root, one.root);
    }
}
