//! Scripts and triggers in the header of an rpm package, and the plan of an installation: errors are fine, panics are not.
#![no_main]

use amiforge_formats::digest::Digest;
use amiforge_packages::PackageKind;
use amiforge_packages::locked::{LockReason, LockedPackage};
use amiforge_packages::rpm::configure::plan::plan;
use amiforge_packages::rpm::header::RpmHeader;
use amiforge_packages::rpm::package::UnpackedRpm;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(header) = RpmHeader::from_blob(bytes) else { return };
    let locked = LockedPackage {
        kind: PackageKind::ALL[0],
        name: "one".to_owned(),
        version: "1-1".to_owned(),
        arch: "noarch".to_owned(),
        sha256: Digest([0; 32]),
        size: 0,
        path: String::new(),
        archive: String::new(),
        header: None,
        reason: LockReason::Named,
    };
    let package = UnpackedRpm { locked, signatures: header.clone(), header, files: Vec::new() };
    let _ = plan(&[package.clone(), package]);
});
