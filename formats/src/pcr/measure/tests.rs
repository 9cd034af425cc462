//! One pass gives the digests that each part has by itself.
#![expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::cell::Cell;

use super::*;

/// A file that counts how often a byte is read.
struct Counted(Vec<u8>, std::sync::Mutex<Cell<u64>>);

impl ReadAt for Counted {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let read = self.1.lock().unwrap();
        read.set(read.get() + buf.len() as u64);
        self.0.read_exact_at(offset, buf)
    }
}

fn file(len: usize) -> Counted {
    Counted((0..len).map(|at| (at * 7 + at / 251) as u8).collect(), Cell::new(0).into())
}

/// What a stream should give, taken apart.
fn expected(bytes: &[u8], pieces: &[MeasuredPiece]) -> BankDigests {
    let mut all = Vec::new();
    for piece in pieces {
        match piece {
            MeasuredPiece::File(range) => all.extend(&bytes[range.start as usize..range.end as usize]),
            MeasuredPiece::Zeros(len) => all.resize(all.len() + *len as usize, 0),
        }
    }
    BankDigests::of(&all)
}

#[test]
fn streams_share_one_pass() {
    let bytes = file((3 << 20) + 17);
    let streams = [
        vec![MeasuredPiece::File(0..64), MeasuredPiece::File(100..(3 << 20) + 17)],
        vec![MeasuredPiece::File(4000..2_000_000), MeasuredPiece::Zeros(5000)],
        vec![
            MeasuredPiece::Zeros(3),
            MeasuredPiece::File((1 << 20) - 1..(1 << 20) + 1),
            MeasuredPiece::Zeros(9000),
            MeasuredPiece::File(3 << 20..3 << 20 | 1),
        ],
        vec![],
    ];
    let made = streams.iter().map(|pieces| Stream { pieces: pieces.clone().into(), ..Stream::default() });
    let found = digest(&bytes, made.collect()).unwrap();
    let wanted: Vec<_> = streams.iter().map(|pieces| expected(&bytes.0, pieces)).collect();
    assert_eq!(found, wanted);
    assert_eq!(bytes.1.into_inner().unwrap().get(), (3 << 20) + 17, "every byte is read once");
}

#[test]
fn a_stream_that_goes_back_is_read_again() {
    let bytes = file(2 << 20);
    let pieces =
        [MeasuredPiece::File(10..1_500_000), MeasuredPiece::File(5..2_000_000), MeasuredPiece::File(0..7)];
    let stream = Stream { pieces: pieces.to_vec().into(), ..Stream::default() };
    let ahead =
        Stream { pieces: vec![MeasuredPiece::File(1_800_000..1_900_000)].into(), ..Stream::default() };
    let found = digest(&bytes, vec![stream, ahead]).unwrap();
    assert_eq!(found[0], expected(&bytes.0, &pieces));
    assert_eq!(found[1], BankDigests::of(&bytes.0[1_800_000..1_900_000]));
}

#[test]
fn a_section_in_memory_is_its_bytes_and_then_zeros() {
    let bytes = file(100);
    let section =
        PlacedSection { name: ".linux".to_owned(), va: 0, virtual_size: 60, raw_offset: 20, raw_size: 50 };
    let pieces = Stream::of_section(&section, &[0..10, 30..60]).pieces;
    assert_eq!(pieces, [MeasuredPiece::File(20..30), MeasuredPiece::File(50..70), MeasuredPiece::Zeros(10)]);
    let memory = SectionMemory { file: &bytes, at: 20, filled: section.len(), len: 60 };
    let mut all = [9; 60];
    memory.read_exact_at(0, &mut all).unwrap();
    assert_eq!((&all[..50], &all[50..]), (&bytes.0[20..70], &[0; 10][..]));
    let mut tail = [9; 4];
    memory.read_exact_at(48, &mut tail).unwrap();
    assert_eq!(tail, [bytes.0[68], bytes.0[69], 0, 0]);
    assert!(
        memory.read_exact_at(58, &mut [0; 3]).is_err() && memory.read_exact_at(u64::MAX, &mut [0]).is_err()
    );
}
