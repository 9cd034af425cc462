//! Bytes that a transfer changed: cut off, flipped, exchanged.

use std::fs;
use std::path::Path;

use amiforge_handover::error::Damage;
use amiforge_handover::header::HEADER_LEN;
use amiforge_handover::read::Handover;
use amiforge_handover::{HandoverError, Location};

use super::fixture::{Fixture, check_bytes, check_file, noise};

/// Where a hand-over is damaged, with the damage.
fn damage(bytes: &[u8]) -> (Location, Damage) {
    match check_bytes(bytes).damage {
        Some(HandoverError::Damaged { at, damage }) => (at, *damage),
        other => panic!("{other:?}"),
    }
}

/// Positions in a hand-over, spread over all of it.
fn positions(count: u64, seed: u64, len: usize) -> Vec<usize> {
    let noise = noise(seed, count * 8);
    let numbers = noise.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
    numbers.map(|number| (number % len as u64) as usize).collect()
}

#[test]
fn every_truncation_ends_where_the_bytes_end_and_what_is_before_is_good() {
    let bytes = Fixture::new().bytes();
    let index_end = HEADER_LEN + check_bytes(&bytes).header.unwrap().index_len;
    let ends = positions(200, 1, bytes.len()).into_iter().chain([0, 1, 127, 128, 129, bytes.len() - 1]);
    for end in ends {
        let checked = check_bytes(&bytes[..end]);
        let Some(HandoverError::Damaged { at, damage }) = &checked.damage else {
            panic!("{end}: {checked:?}")
        };
        assert!(matches!(**damage, Damage::Truncated { .. }), "{end}: {damage}");
        assert_eq!(at.offset, end as u64);
        let good = checked.good.map_or(0, |good| good.offset);
        assert!(good <= end as u64 && (good >= index_end || end < index_end as usize), "{end}: {good}");
    }
    let longer = [bytes.as_slice(), b"x"].concat();
    let (at, damage) = damage(&longer);
    assert!(matches!(damage, Damage::Trailing { .. }), "{damage}");
    assert_eq!(at.offset, bytes.len() as u64);
}

#[test]
fn a_flipped_bit_anywhere_is_refused_before_what_follows_it() {
    let fixture = Fixture::new();
    let bytes = fixture.bytes();
    let file = fixture.path("flipped.amx");
    for (number, at) in positions(500, 2, bytes.len()).into_iter().enumerate() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (number % 8);
        let checked = check_bytes(&changed);
        let Some(HandoverError::Damaged { at: found, .. }) = &checked.damage else {
            panic!("{at}: {checked:?}")
        };
        assert!(found.offset <= at as u64, "{at}: found at {found}");
        let good = checked.good.map_or(0, |good| good.offset);
        assert!(good <= at as u64, "{at}: {good} bytes are said to be good");
        assert!(good <= found.offset, "{at}");
        if number % 20 == 0 {
            fs::write(&file, &changed).unwrap();
            reads_nothing_wrong(&file, &fixture.path("web/disk.raw"));
        }
    }
}

/// A reader at random gives an error, or the right bytes.
fn reads_nothing_wrong(file: &Path, disk: &Path) {
    use amiforge_formats::read_at::ReadAt as _;
    let Ok(handover) = Handover::open(file) else { return };
    let disk = fs::read(disk).unwrap();
    let mut errors = 0;
    for (at, bytes) in (0..).step_by(65536).zip(disk.chunks(65536)) {
        let mut read = vec![0; bytes.len()];
        match handover.read_exact_at(at, &mut read) {
            Ok(()) => assert!(read == bytes),
            Err(_) => errors += 1,
        }
    }
    assert!(errors > 0);
}

#[test]
fn blocks_in_another_order_are_refused_at_the_first() {
    let bytes = Fixture::new().bytes();
    let header = check_bytes(&bytes).header.unwrap();
    let blocks = (HEADER_LEN + header.index_len) as usize;
    // Two whole blocks of noise follow the first, which is short.
    let tail = bytes.len() - 2000;
    for (one, other) in [(blocks, tail), (blocks + 600_000, blocks + 10)] {
        let mut changed = bytes.clone();
        for step in 0..1000 {
            changed.swap(one + step, other + step);
        }
        if changed == bytes {
            continue;
        }
        let (at, damage) = damage(&changed);
        assert!(matches!(damage, Damage::Stored { .. }), "{damage}");
        assert!(at.offset <= one.min(other) as u64);
    }
}

#[test]
fn what_is_no_hand_over_and_what_is_no_file_is_refused() {
    let fixture = Fixture::new();
    let (at, wrong) = damage(&vec![0; 1 << 20]);
    assert!(matches!(wrong, Damage::Magic), "{wrong}");
    assert_eq!(at.offset, 0);
    assert!(matches!(damage(b"").1, Damage::Truncated { .. }));
    // Line ends that a transfer as text exchanges.
    let mut changed = fixture.bytes();
    changed.remove(4);
    assert!(matches!(damage(&changed).1, Damage::Magic));
    let fifo = fixture.path("fifo.amx");
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for result in [check_file(&fifo).map(|_| ()), Handover::open(&fifo).map(|_| ())] {
        assert!(matches!(result, Err(HandoverError::File { .. })), "{result:?}");
    }
}

#[test]
fn a_half_copied_file_with_a_tail_of_zeros_says_where_to_go_on() {
    let fixture = Fixture::new();
    let mut bytes = fixture.bytes();
    let whole = check_bytes(&bytes);
    let half = bytes.len() / 2;
    bytes[half..].fill(0);
    let checked = check_bytes(&bytes);
    assert!(checked.damage.is_some());
    let good = checked.good.unwrap().offset as usize;
    assert!(good <= half && checked.blocks >= 1 && checked.blocks < whole.blocks);
    // Whatever continues the copy from there makes it whole.
    bytes[good..].copy_from_slice(&fixture.bytes()[good..]);
    assert!(check_bytes(&bytes).damage.is_none());
}
