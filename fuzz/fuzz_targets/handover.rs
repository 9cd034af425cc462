//! Fuzzes the readers of hand-overs and receipts with arbitrary bytes: they may refuse them, they may not panic, hang or
//! take unbounded memory. The bytes are read as a hand-over; as an index whose header fits it, so that no digest stands in
//! the way; and as receipts.
#![no_main]

use amiforge_formats::digest::Digest;
use amiforge_handover::check::{NoVisitor, check};
use amiforge_handover::header::Header;
use amiforge_handover::index::Index;
use amiforge_handover::publication::PlannedPublication;
use amiforge_handover::read::Input;
use amiforge_handover::receipts::ReceiptsFile;
use amiforge_progress::Monitor;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    if let Ok(index) = Index::decode(bytes.to_vec()) {
        for document in index.documents() {
            if let Ok(read) = index.bytes(document) {
                assert_eq!(read.len() as u64, document.len);
            }
        }
        let len = bytes.len() as u64;
        let stored: u64 = index.blocks().iter().map(|block| u64::from(block.len)).sum();
        let body_len = len + stored;
        let index_sha256 = Digest::of(bytes);
        let header = Header { part: 1, parts: 1, start: 0, end: body_len, body_len, index_len: len, index_sha256 };
        read(&[header.encode().as_slice(), bytes].concat());
    }
    if let Ok(file) = ReceiptsFile::parse(bytes) {
        assert_eq!(file.to_bytes(), bytes);
        let _ = file.receipts();
    }
    let _ = PlannedPublication::parse(bytes, Digest::of(b""));
});

fn read(bytes: &[u8]) {
    let input = Input::Stream { name: "fuzz".to_owned(), reader: Box::new(bytes) };
    let checked = check(input, &mut NoVisitor, Monitor::none()).expect("a slice can be read");
    let good = checked.good.map_or(0, |good| good.offset);
    assert!(good <= bytes.len() as u64);
}
