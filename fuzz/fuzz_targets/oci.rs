//! Fuzzes the reader of images with arbitrary documents: it may refuse them, it may not panic, hang or take
//! unbounded memory. The bytes are split at NULs into `index.json` (if not empty), `manifest.json`, and the rest,
//! which is a config and a layer at once.
#![no_main]

use amiforge_rootfs::assemble::assemble;
use amiforge_store::blobs::Blobs;
use amiforge_rootfs::sources::{DigestPin, SourceKind, SourceSpec};
use amiforge_store::Store;
use amiforge_progress::Monitor;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = std::env::temp_dir().join(format!("amiforge-fuzz-{}", std::process::id()));
    let _ = std::fs::create_dir_all(&folder);
    let mut parts = bytes.splitn(3, |byte| *byte == 0);
    let _ = std::fs::remove_file(folder.join("index.json"));
    for name in ["index.json", "manifest.json", "c"] {
        match parts.next() {
            Some(part) if !part.is_empty() => {
                std::fs::write(folder.join(name), part).expect("the folder is writable")
            }
            _ => {}
        }
    }
    let spec = SourceSpec {
        label: "fuzz".to_owned(),
        kind: SourceKind::Oci { path: folder.clone(), platform: "linux/amd64".to_owned(), reference: None },
        pin: DigestPin::Unpinned,
        strip: 0,
        prefix: String::new(),
        exclude: Vec::new(),
        overrides: false,
    };
    let _ = assemble(&[spec], &Store::at(&folder.join("store")), &mut Blobs::new(), Monitor::none());
});
