//! Fuzzes the reader of PE images and the writer that appends to a stub, with arbitrary bytes: both may refuse them,
//! neither may panic, hang or take unbounded memory. What the writer makes, the reader takes, if it took the stub.
#![no_main]

use amiforge_formats::pe::{self, UkiSection};
use amiforge_formats::tree::{Content, Origin};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let stub = pe::read(&bytes);
    if let Ok(image) = &stub {
        for section in &image.sections {
            let content = image.content(&bytes, &section.name, 1 << 20);
            // Of several sections of one name the first counts.
            let first = image.section(&section.name).expect("it is there");
            assert!(content.is_ok() || first.len() > 1 << 20);
        }
    }
    let inline = |text: &[u8]| Content::Inline(text.into());
    let sections = [
        UkiSection::new(".cmdline", inline(b"root=/dev/x")),
        UkiSection::new(".linux", inline(&[7; 5000])),
    ];
    let Ok(made) = pe::uki(bytes, &sections) else { return };
    let mut file = vec![0; made.len() as usize];
    for segment in made.segments() {
        let Origin::Inline { bytes, at } = segment.origin else { continue };
        let len = segment.len as usize;
        file[segment.offset as usize..][..len].copy_from_slice(&bytes[at..at + len]);
    }
    if stub.is_ok() {
        let image = pe::read(&file).expect("what the writer makes of a sound stub is sound");
        assert_eq!(image.content(&file, ".linux", 5000).expect("it is read"), Some(vec![7; 5000]));
    }
});
