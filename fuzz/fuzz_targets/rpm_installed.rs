//! Fuzzes the header of an installed package as the lock reads it for packages over an image. It may refuse bytes, it may not
//! panic, hang or take unbounded memory.
#![no_main]

use amiforge_packages::rpm::header::RpmHeader;
use amiforge_packages::rpm::over::installed_package;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(header) = RpmHeader::from_blob(bytes) else { return };
    let Ok(package) = installed_package(&header) else { return };
    assert!(package.files.iter().all(|file| file.starts_with('/')));
});
