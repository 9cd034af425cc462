//! Fuzzes the reader of initial RAM disks with arbitrary bytes, and the one of cpio archives in it: they may refuse
//! them, they may not panic, hang or take unbounded memory.
#![no_main]

use std::io::Read as _;

use amiforge_formats::cpio::read::CpioReader;
use amiforge_rootfs::initrd::read as initrd;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = initrd::read(bytes, 1 << 24);
    let mut reader = CpioReader::new(bytes);
    while let Ok(Some(entry)) = reader.next_entry() {
        let mut body = Vec::new();
        let read = reader.read_to_end(&mut body).expect("memory can be read");
        assert!(read <= entry.len as usize);
    }
    assert!(reader.position() <= bytes.len() as u64);
});
