//! Damaged packages: each is refused with a sentence, whatever the damage; none is taken for something else.

use crate::support::{PROGRAMS, RpmFixture, has, locked, with_causes};
use amiforge_packages::backend::PackageFile;
use amiforge_packages::filters::Filters;
use amiforge_packages::locked::LockedPackage;
use amiforge_packages::rpm::unpack::unpack;
use amiforge_progress::Monitor;
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;

const SPEC: &str = "Name: one\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n%description\n\
                    %install\nmkdir -p %{buildroot}/opt; echo x > %{buildroot}/opt/x; ln -s x %{buildroot}/opt/l\n%files\n/opt\n";

/// Unpacks bytes that the lock names, as `one`. Returns the error, or the number of entries of the tree.
fn attempt(fixture: &RpmFixture, good: &LockedPackage, bytes: &[u8]) -> Result<usize, String> {
    let path = fixture.folder.path().join("hostile.rpm");
    std::fs::write(&path, bytes).unwrap();
    let package = LockedPackage {
        sha256: amiforge_formats::digest::Digest::of(bytes),
        size: bytes.len() as u64,
        ..good.clone()
    };
    let files = [PackageFile { package: &package, path }];
    let store = Store::scratch(fixture.folder.path()).unwrap();
    let unpacked = unpack(&files, &Filters::default(), &store, &mut Blobs::new(), Monitor::none());
    unpacked.map(|unpacked| unpacked.tree.walk().count()).map_err(|error| with_causes(&error))
}

#[test]
fn no_damage_is_taken_for_a_package() {
    if !has(&PROGRAMS) {
        return;
    }
    let fixture = RpmFixture::new();
    let path = fixture.build(SPEC, &["_binary_payload w.ufdio"]).remove(0);
    let good = locked(&path);
    let bytes = std::fs::read(&path).unwrap();
    let entries = attempt(&fixture, &good, &bytes).unwrap();
    for len in (0..bytes.len()).step_by(53) {
        let error = attempt(&fixture, &good, &bytes[..len]).unwrap_err();
        assert!(error.starts_with("reading the package one:noarch 1-1"), "{len}: {error}");
    }
    // The lead but for its magic, and what pads the signature header, mean nothing.
    let mut passed = Vec::new();
    for at in (96..bytes.len()).step_by(41) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0xff;
        match attempt(&fixture, &good, &damaged) {
            Ok(same) => {
                assert_eq!(same, entries);
                passed.push(at);
            }
            Err(error) => assert!(error.starts_with("reading the package one:noarch 1-1"), "{at}: {error}"),
        }
    }
    // Nothing of the header or of the payload is among them.
    let lock =
        bytes.windows(4).enumerate().filter(|(_, four)| *four == [0x8e, 0xad, 0xe8, 1]).nth(1).unwrap().0;
    assert!(passed.iter().all(|at| *at < lock + 8), "{passed:?}, the header begins at {lock}");
}

#[test]
fn packages_that_the_lock_does_not_name_are_refused() {
    if !has(&PROGRAMS) {
        return;
    }
    let fixture = RpmFixture::new();
    let path = fixture.build(SPEC, &[]).remove(0);
    let good = locked(&path);
    let bytes = std::fs::read(&path).unwrap();
    for (locked, expected) in [
        (LockedPackage { name: "two".into(), ..good.clone() }, "its name is `one`, the lock says `two`"),
        (
            LockedPackage { version: "2-1".into(), ..good.clone() },
            "its version is `1-1`, the lock says `2-1`",
        ),
        (
            LockedPackage { version: "1:1-1".into(), ..good.clone() },
            "its version is `1-1`, the lock says `1:1-1`",
        ),
        (LockedPackage { arch: "x86_64".into(), ..good.clone() }, "its architecture is `noarch`"),
    ] {
        let error = attempt(&fixture, &locked, &bytes).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    assert!(attempt(&fixture, &LockedPackage { version: "0:1-1".into(), ..good.clone() }, &bytes).is_ok());
    let source = fixture.build_source(SPEC);
    let error = attempt(&fixture, &locked(&source), &std::fs::read(source).unwrap()).unwrap_err();
    assert!(error.contains("it is a source package"), "{error}");
    let native = SPEC.replace("BuildArch: noarch\n", "").replace("one", "native");
    let here = fixture.build(&native.replace("native", "here"), &[]);
    let files = [here.clone(), vec![path]].concat();
    assert!(fixture.unpack(&files).is_ok());
    let error = fixture.unpack(&[here, fixture.build_for("s390x", &native)].concat()).unwrap_err();
    let text = with_causes(&error);
    assert!(text.contains("here:x86_64 1-1 is for x86_64 and native:s390x 1-1 for s390x"), "{text}");
    let error = attempt(&fixture, &good, b"!<arch>\ndebian").unwrap_err();
    assert!(error.contains("it ends at byte 14, but the lead reaches to byte 96"), "{error}");
    let error = attempt(&fixture, &good, &[b'x'; 200]).unwrap_err();
    assert!(error.contains("no package"), "{error}");
}

/// Packages for the fuzz targets `rpm_header` and `rpm_file`.
#[test]
#[ignore = "writes seeds"]
fn seeds_for_the_fuzz_target_are_written() {
    if !has(&PROGRAMS) {
        return;
    }
    let fixture = RpmFixture::new();
    let repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for target in ["rpm_header", "rpm_file"] {
        let corpus = repository.join("fuzz/corpus").join(target);
        std::fs::create_dir_all(&corpus).unwrap();
        for payload in ["w.ufdio", "w1.gzdio", "w1.xzdio", "w1.lzdio", "w1.zstdio"] {
            for (name, spec) in [("small", SPEC), ("forms", crate::built::FORMS)] {
                let path = fixture.build(spec, &[&format!("_binary_payload {payload}")]).remove(0);
                std::fs::copy(path, corpus.join(format!("seed-{name}-{payload}"))).unwrap();
            }
        }
    }
}
