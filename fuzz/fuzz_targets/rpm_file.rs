//! Fuzzes the reader of rpm packages with arbitrary bytes, whose digest is the right one: it may refuse them, it may not
//! panic, hang or take unbounded memory; and what it puts into the store it reads from there as it was.
#![no_main]

use amiforge_formats::digest::Digest;
use amiforge_packages::PackageKind;
use amiforge_packages::backend::PackageFile;
use amiforge_packages::filters::Filters;
use amiforge_packages::locked::{LockReason, LockedPackage};
use amiforge_packages::rpm::evr::Evr;
use amiforge_packages::rpm::header::tag;
use amiforge_packages::rpm::signature::verify_range;
use amiforge_packages::rpm::unpack::unpack;
use amiforge_progress::Monitor;
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = std::env::temp_dir().join(format!("amiforge-fuzz-rpm-{}", std::process::id()));
    let _ = std::fs::create_dir_all(&folder);
    let path = folder.join("one.rpm");
    std::fs::write(&path, bytes).expect("the folder is writable");
    // A lock that agrees, so that what comes behind the comparison is reached.
    let header = verify_range(bytes, &[], 0).ok().map(|verified| verified.header);
    let text = |tag| header.as_ref().and_then(|header| header.text(tag)).map(|text| String::from_utf8_lossy(text).into_owned());
    let epoch = header.as_ref().and_then(|header| header.number(tag::EPOCH)).and_then(|epoch| u32::try_from(epoch).ok());
    let evr = Evr { epoch, version: text(tag::VERSION).unwrap_or_default(), release: text(tag::RELEASE) };
    let package = LockedPackage {
        kind: PackageKind::default(),
        name: text(tag::NAME).unwrap_or_default(),
        version: evr.to_string(),
        arch: text(tag::ARCH).unwrap_or_default(),
        sha256: Digest::of(bytes),
        size: bytes.len() as u64,
        path: String::new(),
        archive: String::new(),
        header: None,
        reason: LockReason::Named,
    };
    let store = Store::scratch(&folder).expect("the folder is writable");
    let files = [PackageFile { package: &package, path }];
    let once = unpack(&files, &Filters::default(), &store, &mut Blobs::new(), Monitor::none());
    let Ok(once) = once else { return };
    let again = unpack(&files, &Filters::default(), &store, &mut Blobs::new(), Monitor::none());
    let again = again.expect("what was put into the store can be read from it");
    let list = |tree: &amiforge_formats::tree::Tree| {
        tree.walk().map(|entry| (entry.path, tree.node(entry.id).clone())).collect::<Vec<_>>()
    };
    assert_eq!(list(&once.tree), list(&again.tree));
});
