//! Hand-overs made up so that their checksums fit: what the manifest does not have is refused all the same.

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_handover::HandoverError;
use amiforge_handover::error::Damage;
use amiforge_handover::header::{HEADER_LEN, Header};

use super::fixture::{Fixture, check_bytes, noise};

/// Bytes of the entry of a block in the index.
const ENTRY: usize = 40;

/// A hand-over in three pieces.
struct Pieces {
    header: Header,
    index: Vec<u8>,
    blocks: Vec<u8>,
}

impl Pieces {
    fn of(bytes: &[u8]) -> Self {
        let header = check_bytes(bytes).header.unwrap();
        let (index, blocks) = bytes[HEADER_LEN as usize..].split_at(header.index_len as usize);
        Self { header, index: index.to_vec(), blocks: blocks.to_vec() }
    }

    /// The damage that is found once all lengths and digests fit.
    fn damage(&self) -> Damage {
        let body_len = (self.index.len() + self.blocks.len()) as u64;
        let index_sha256 = Digest::of(&self.index);
        let index_len = self.index.len() as u64;
        let header = Header { end: body_len, body_len, index_len, index_sha256, ..self.header };
        let bytes = [header.encode().as_slice(), &self.index, &self.blocks].concat();
        match check_bytes(&bytes).damage {
            Some(HandoverError::Damaged { damage, .. }) => *damage,
            other => panic!("{other:?}"),
        }
    }

    /// Replaces the stored form of the last block.
    fn replace_last(&mut self, encoding: u32, stored: &[u8]) {
        let at = self.index.len() - ENTRY;
        let len = u32::from_le_bytes(self.index[at..at + 4].try_into().unwrap()) as usize;
        self.blocks.truncate(self.blocks.len() - len);
        self.blocks.extend(stored);
        let entry =
            [&(stored.len() as u32).to_le_bytes()[..], &encoding.to_le_bytes(), &Digest::of(stored).0]
                .concat();
        self.index[at..].copy_from_slice(&entry);
    }
}

#[test]
fn a_block_that_the_manifest_does_not_have_is_refused_although_the_index_has_it() {
    let mut forged = Pieces::of(&Fixture::new().bytes());
    forged.replace_last(0, &noise(9, BLOCK));
    let damage = forged.damage();
    assert!(matches!(damage, Damage::Block { block: 11, .. }), "{damage}");
}

#[test]
fn a_bomb_is_refused_and_costs_a_block_of_memory() {
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
    assert!(bomb.len() < BLOCK as usize);
    for stored in [bomb.as_slice(), &bomb[..100], b"no frame at all"] {
        let mut forged = Pieces::of(&Fixture::new().bytes());
        forged.replace_last(1, stored);
        let damage = forged.damage();
        assert!(matches!(damage, Damage::Encoding { block: 11, .. }), "{damage}");
    }
}

#[test]
fn counts_and_lengths_that_lie_are_refused_by_the_index() {
    let bytes = Fixture::new().bytes();
    let huge = (8u64 << 60).to_le_bytes();
    let first = Pieces::of(&bytes);
    let name = u16::from_le_bytes(first.index[16..18].try_into().unwrap()) as usize;
    for at in [8, 16 + 2 + name + 4, 16 + 2 + name + 12] {
        let mut forged = Pieces::of(&bytes);
        forged.index[at..at + 8].copy_from_slice(&huge);
        let damage = forged.damage();
        assert!(matches!(damage, Damage::Index(_)), "{at}: {damage}");
    }
    // One block less, in index and body.
    let mut forged = Pieces::of(&bytes);
    forged.replace_last(0, b"");
    forged.index.truncate(forged.index.len() - ENTRY);
    let count = u64::from_le_bytes(forged.index[8..16].try_into().unwrap()) - 1;
    forged.index[8..16].copy_from_slice(&count.to_le_bytes());
    let damage = forged.damage();
    assert!(matches!(damage, Damage::Index(_)), "{damage}");
}

#[test]
fn a_document_that_the_sums_do_not_have_is_refused() {
    let bytes = Fixture::new().bytes();
    let mut forged = Pieces::of(&bytes);
    let at = forged.index.windows(6).position(|bytes| bytes == b"/ dir\n").unwrap();
    forged.index[at] = b'.';
    let wrong = forged.damage();
    assert!(matches!(&wrong, Damage::Document { name, .. } if name == "tree.txt"), "{wrong}");
    // With its digest in the index as well, the sums contradict it.
    let (old, new) = (Digest::of(b"/ dir\n").0, Digest::of(b". dir\n").0);
    let at = forged.index.windows(32).position(|bytes| bytes == old).unwrap();
    forged.index[at..at + 32].copy_from_slice(&new);
    let wrong = forged.damage();
    assert!(
        matches!(&wrong, Damage::Document { name, reason } if name == "tree.txt" && reason.contains("SHA256SUMS")),
        "{wrong}"
    );
}

#[test]
#[ignore = "writes seeds for the fuzz target"]
fn seeds_for_the_fuzz_target_are_written() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/handover");
    std::fs::create_dir_all(&folder).unwrap();
    let bytes = Fixture::new().bytes();
    let pieces = Pieces::of(&bytes);
    std::fs::write(folder.join("whole"), &bytes).unwrap();
    std::fs::write(folder.join("index"), &pieces.index).unwrap();
    let receipts = br#"{"schema": 1, "bundle": {"name": "web", "image_sha256": "00", "merkle_root": "00",
        "manifest_sha256": "00"}, "publisher": {"arn": "arn", "account": "1", "tool": "0"}, "time": 0, "images": [
        {"region": "eu-west-1", "image_id": "ami-0", "name": "web", "snapshots": [{"device": "/dev/xvda",
        "snapshot_id": "snap-0", "held": 1, "read": 1, "against": "x"}]}]}"#;
    std::fs::write(folder.join("receipts"), receipts).unwrap();
}
