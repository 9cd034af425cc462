//! Fuzzes the readers of archive metadata with arbitrary text: control files, `Release`, `Packages`, and a resolution
//! among whatever packages the text has.
#![no_main]

use amiforge_packages::deb::control::Paragraph;
use amiforge_packages::deb::index::PackageIndex;
use amiforge_packages::deb::release::{Expired, Release};
use amiforge_packages::deb::resolve::{BasePackages, Request, Suite, resolve};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(read) = Paragraph::read_all(bytes) {
        // What is written is read again as it was.
        let written: String = read.iter().map(|paragraph| format!("{paragraph}\n")).collect();
        assert_eq!(Paragraph::read_all(written.as_bytes()).as_ref(), Ok(&read));
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(release) = Release::parse(text)
    {
        let _ = release.check("stable", 0, Some(0), Expired::Refuse);
        let _ = release.packages("main", "amd64");
    }
    // Few fields are needed to make a package of a stanza.
    let digest = "0".repeat(64);
    let more = format!("Filename: a\nSize: 1\nSHA256: {digest}\nVersion: 1\nArchitecture: amd64\n");
    let text = String::from_utf8_lossy(bytes);
    let stanzas: String =
        text.split("\n\n").map(|stanza| format!("{}\n{more}\n", stanza.trim_end())).collect();
    for text in [bytes, stanzas.as_bytes()] {
        let Ok(index) = PackageIndex::parse(text) else { continue };
        let packages = index.packages.iter().map(|package| package.name.to_owned()).take(8).collect();
        let suite = Suite { archive: "fuzz", names: vec!["fuzz"], priority: 500, indexes: vec![&index] };
        let request = Request {
            arch: "amd64".to_owned(),
            foreign: vec!["i386".to_owned()],
            base: BasePackages::Standard,
            packages,
            recommends: true,
            without: Vec::new(),
            pins: Vec::new(),
            prefer: Vec::new(),
            installed: None,
        };
        let _ = resolve(&[suite], &request);
    }
});
