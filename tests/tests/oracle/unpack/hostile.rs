//! Packages that are damaged or other than locked, and stores that are damaged or shared.

use amiforge_formats::digest::Digest;
use amiforge_packages::backend::PackageFile;
use amiforge_packages::deb::file::DebError;
use amiforge_packages::deb::unpack::{PackageContentError, UnpackError, unpack};
use amiforge_packages::filters::Filters;
use amiforge_packages::unpack::PackageFileError;
use amiforge_progress::Monitor;
use amiforge_store::blobs::Blobs;
use amiforge_store::deferred::{CheckError, DeferredError};
use amiforge_store::{Store, StoreError};
use amiforge_tests::{find_cause, oracle};

use super::fixture::{PROGRAMS, PackageSpec, UnpackFixture};

const ONE: PackageSpec<'_> = PackageSpec {
    name: "one",
    arch: "all",
    fields: "",
    files: &[("usr/share/one", "some bytes"), ("usr/share/two", "= usr/share/one")],
    members: &[("conffiles", ""), ("triggers", "activate x\n")],
    compression: "xz",
};

#[test]
fn a_file_that_is_not_the_locked_one_is_named_with_both_values() {
    if !oracle::ready(&PROGRAMS, false) {
        return;
    }
    let fixture = UnpackFixture::new();
    let (locked, path) = fixture.make(&ONE);
    let good = std::fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        fixture.unpack(&[(locked.clone(), path.clone())]).unwrap_err()
    };
    let (short, whole) = (good.len() as u64 - 7, good.len() as u64);
    let error = refused(&good[..short as usize]);
    assert!(
        matches!(&error, UnpackError::Deb { package, .. } if package == "one:all 1:2.0-1")
            && matches!(find_cause(&error), Some(DebError::File(PackageFileError::Size { expected, actual })) if (*actual, *expected) == (short, whole)),
        "{error:?}"
    );
    for at in (0..good.len()).step_by(37) {
        let mut bad = good.clone();
        bad[at] = !bad[at];
        let error = refused(&bad);
        let Some(DebError::File(PackageFileError::Digest { expected, actual })) = find_cause(&error) else {
            panic!("byte {at}: {error:?}")
        };
        assert_eq!((*expected, *actual), (locked.sha256, Digest::of(&bad)), "byte {at}");
    }
    let entries = std::fs::read_dir(fixture.store.folder()).unwrap().count();
    assert_eq!(entries, 0, "something of a wrong package was kept");
}

#[test]
fn a_package_that_its_digest_vouches_for_may_still_be_none() {
    if !oracle::ready(&PROGRAMS, false) {
        return;
    }
    let fixture = UnpackFixture::new();
    let (locked, path) = fixture.make(&ONE);
    let good = std::fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let mut locked = locked.clone();
        (locked.sha256, locked.size) = (Digest::of(bytes), bytes.len() as u64);
        fixture.unpack(&[(locked, path.clone())]).err()
    };
    for end in (0..good.len() - 8).step_by(13) {
        let error =
            refused(&good[..end]).unwrap_or_else(|| panic!("{end} of {} bytes were taken", good.len()));
        let UnpackError::Deb { package, .. } = &error else { panic!("{error:?}") };
        assert_eq!(package, "one:all 1:2.0-1");
    }
    for at in (0..good.len()).step_by(3) {
        let mut bad = good.clone();
        bad[at] ^= 0x55;
        // A changed time or owner of a member is no error; no change may cause a panic.
        let _ = refused(&bad);
    }
    let edited = |at: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        refused(&bad).unwrap_or_else(|| panic!("bytes {at} and later may be anything"))
    };
    let error = edited(0, b"!<wrch>\n");
    assert!(
        matches!(find_cause(&error), Some(DebError::NotADeb { start }) if start.starts_with(b"!<wrch>")),
        "{error:?}"
    );
    let error = edited(68, b"3.0\n");
    assert!(
        matches!(find_cause(&error), Some(DebError::Version { found }) if found.starts_with(b"3.0")),
        "{error:?}"
    );
    let error = edited(72, b"kontrol.tar.xz  ");
    assert!(
        matches!(find_cause(&error), Some(DebError::Order { found, expected: "control.tar" }) if found == "kontrol.tar.xz"),
        "{error:?}"
    );
    let error = edited(72, b"control.tar.bz2 ");
    assert!(
        matches!(find_cause(&error), Some(DebError::Compression { member }) if member == "control.tar.bz2"),
        "{error:?}"
    );
    let error = edited(72 + 48, b"99999999");
    assert!(
        matches!(find_cause(&error), Some(DebError::Truncated { end, .. }) if *end == good.len() as u64),
        "{error:?}"
    );
}

#[test]
fn a_package_that_is_another_one_is_refused() {
    if !oracle::ready(&PROGRAMS, false) {
        return;
    }
    let fixture = UnpackFixture::new();
    let (mut locked, path) = fixture.make(&ONE);
    locked.version = "1:2.0-2".to_owned();
    let error = fixture.unpack(&[(locked, path)]).unwrap_err();
    let Some(PackageContentError::Differs { field: "Version", expected, actual }) = find_cause(&error) else {
        panic!("{error:?}")
    };
    assert_eq!((expected.as_str(), actual.as_str()), ("1:2.0-2", "1:2.0-1"));
}

#[test]
fn the_store_makes_the_file_needless_and_its_damage_is_noticed() {
    if !oracle::ready(&PROGRAMS, false) {
        return;
    }
    let fixture = UnpackFixture::new();
    let debs = [fixture.make(&ONE)];
    fixture.unpack(&debs).unwrap().0.deferred.join().unwrap();
    std::fs::remove_file(&debs[0].1).unwrap();
    let (again, _) = fixture.unpack(&debs).unwrap();
    assert!(again.tree.lookup(b"usr/share/one").is_some());
    again.deferred.join().unwrap();
    let entry = std::fs::read_dir(fixture.store.folder()).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&entry).unwrap();
    bytes[300] ^= 1;
    std::fs::write(&entry, bytes).unwrap();
    // The damage is in the control archive, which is read at once, or in a content, which is hashed later.
    match fixture.unpack(&debs) {
        Ok((unpacked, _)) => match unpacked.deferred.join().unwrap_err() {
            DeferredError::Check(check) | DeferredError::Input { source: check, .. } => {
                assert!(matches!(check, CheckError::Store(StoreError::Damaged { .. })), "{check:?}");
            }
            other => panic!("{other:?}"),
        },
        Err(UnpackError::Deb { package, .. } | UnpackError::Package { package, .. }) => {
            assert_eq!(package, "one:all 1:2.0-1");
        }
        Err(UnpackError::Store(StoreError::Damaged { .. })) => {}
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn two_builds_at_once_share_a_store() {
    if !oracle::ready(&PROGRAMS, false) {
        return;
    }
    let fixture = UnpackFixture::new();
    let debs: Vec<_> = ["a", "b", "c", "d", "e", "f"]
        .map(|name| {
            let path = format!("usr/share/{name}");
            fixture.make(&PackageSpec { name, files: &[(path.as_str(), name)], ..ONE })
        })
        .into();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let store = Store::at(fixture.store.folder());
                let files: Vec<_> =
                    debs.iter().map(|(package, path)| PackageFile { package, path: path.clone() }).collect();
                let mut blobs = Blobs::new();
                let unpacked =
                    unpack(&files, &Filters::default(), &store, &mut blobs, Monitor::none()).unwrap();
                for name in ["a", "f"] {
                    let id = unpacked.tree.lookup(format!("usr/share/{name}").as_bytes()).unwrap();
                    let amiforge_formats::tree::NodeKind::File(content) = &unpacked.tree.node(id).kind else {
                        panic!("no file")
                    };
                    assert_eq!(amiforge_tests::folder_tree::content_bytes(content, &blobs), name.as_bytes());
                }
                unpacked.deferred.join().unwrap();
            });
        }
    });
    let left = std::fs::read_dir(fixture.store.folder()).unwrap().count();
    assert_eq!(left, debs.len());
}

#[test]
#[ignore = "writes into the repository: seeds for the fuzz target"]
fn seeds_for_the_fuzz_target_are_written() {
    if !oracle::ready(&PROGRAMS, false) {
        return;
    }
    let corpus = amiforge_tests::scratch::repository().join("fuzz/corpus/deb");
    std::fs::create_dir_all(&corpus).unwrap();
    let fixture = UnpackFixture::new();
    for compression in ["gzip", "xz", "zstd", "none"] {
        let (_, path) = fixture.make(&PackageSpec { compression, ..ONE });
        std::fs::copy(path, corpus.join(format!("seed-{compression}"))).unwrap();
    }
}
