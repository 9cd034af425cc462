//! Fuzzes the reader of packages with arbitrary bytes, whose digest is the right one: it may refuse them, it may not
//! panic, hang or take unbounded memory.
#![no_main]

use amiforge_formats::digest::Digest;
use amiforge_store::blobs::Blobs;
use amiforge_packages::backend::PackageFile;
use amiforge_packages::PackageKind;
use amiforge_packages::filters::Filters;
use amiforge_packages::locked::{LockedPackage, LockReason};
use amiforge_packages::deb::unpack::unpack;
use amiforge_store::Store;
use amiforge_progress::Monitor;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = std::env::temp_dir().join(format!("amiforge-fuzz-deb-{}", std::process::id()));
    let _ = std::fs::create_dir_all(&folder);
    let path = folder.join("one.deb");
    std::fs::write(&path, bytes).expect("the folder is writable");
    // What the seeds say; the check that the lock and the package agree comes after everything is read.
    let package = LockedPackage {
        kind: PackageKind::Deb,
        name: "one".to_owned(),
        version: "1:2.0-1".to_owned(),
        arch: "all".to_owned(),
        sha256: Digest::of(bytes),
        size: bytes.len() as u64,
        path: String::new(),
        archive: String::new(),
        header: None,
        reason: LockReason::Named,
    };
    let store = Store::scratch(&folder).expect("the folder is writable");
    let debs = [PackageFile { package: &package, path }];
    let _ = unpack(&debs, &Filters::default(), &store, &mut Blobs::new(), Monitor::none());
});
