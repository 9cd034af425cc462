//! Fuzzes the reader of signatures in images: the bytes as an image, and as the table of a sound one.
#![no_main]

use amiforge_formats::pe::{read, read_signatures, reserve};
use amiforge_formats::tree::{Content, Origin};
use libfuzzer_sys::fuzz_target;

/// An image with headers of 0x200 bytes and one section.
fn image() -> Vec<u8> {
    let mut bytes = vec![0; 0x400];
    let mut put = |at: usize, new: &[u8]| bytes[at..at + new.len()].copy_from_slice(new);
    put(0, b"MZ");
    put(0x3c, &[0x40]);
    put(0x40, b"PE\0\0\x64\x86\x01\0");
    put(0x54, &240_u16.to_le_bytes());
    put(0x58, &0x20b_u16.to_le_bytes());
    for (field, value) in [(32, 0x1000_u32), (36, 0x200), (56, 0x2000), (60, 0x200), (108, 16)] {
        put(0x58 + field, &value.to_le_bytes());
    }
    put(0x148, b".text\0\0\0");
    for (field, value) in [(8, 0x200_u32), (12, 0x1000), (16, 0x200), (20, 0x200)] {
        put(0x148 + field, &value.to_le_bytes());
    }
    bytes
}

/// The bytes of a content in memory.
fn written(content: &Content) -> Vec<u8> {
    let mut bytes = vec![0; content.len() as usize];
    for segment in content.segments() {
        if let Origin::Inline { bytes: from, at } = segment.origin {
            let len = segment.len as usize;
            bytes[segment.offset as usize..][..len].copy_from_slice(&from[at..at + len]);
        }
    }
    bytes
}

fuzz_target!(|bytes: &[u8]| {
    let _ = reserve(&Content::Inline(bytes.into()));
    if let Ok(headers) = read(&bytes) {
        let _ = read_signatures(&bytes, &headers);
    }
    let reserved = reserve(&Content::Inline(image().into())).expect("a sound image");
    let mut table = bytes.to_vec();
    table.resize(8192, 0);
    let signed = written(&reserved.with_table(table.into()));
    let headers = read(&signed).expect("a sound image");
    let _ = read_signatures(&signed, &headers);
});
