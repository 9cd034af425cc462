//! Packages that are damaged or lie, stores that are damaged or shared.

use amiforge_formats::digest::Digest;
use amiforge_packages::backend::PackageFile;
use amiforge_packages::deb::unpack::unpack;
use amiforge_packages::filters::Filters;
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;
use amiforge_store::watch::Unwatched;
use amiforge_tests::oracle;

use super::made::{Bench, Made, PROGRAMS, chain};

const ONE: Made<'_> = Made {
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
    let bench = Bench::new();
    let (locked, path) = bench.make(&ONE);
    let good = std::fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        chain(&bench.unpack(&[(locked.clone(), path.clone())]).unwrap_err())
    };
    let told = refused(&good[..good.len() - 7]);
    let sizes = format!("it has {} bytes, the lock says {}", good.len() - 7, good.len());
    assert!(told.contains("one:all 1:2.0-1") && told.contains(&sizes), "{told}");
    for at in (0..good.len()).step_by(37) {
        let mut bad = good.clone();
        bad[at] = !bad[at];
        let told = refused(&bad);
        let digests = format!("its sha256 is {}, the lock says {}", Digest::of(&bad), locked.sha256);
        assert!(told.contains(&digests), "byte {at}: {told}");
    }
    let entries = std::fs::read_dir(bench.store.folder()).unwrap().count();
    assert_eq!(entries, 0, "something of a wrong package was kept");
}

#[test]
fn a_package_that_its_digest_vouches_for_may_still_be_none() {
    if !oracle::ready(&PROGRAMS, false) {
        return;
    }
    let bench = Bench::new();
    let (locked, path) = bench.make(&ONE);
    let good = std::fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let mut locked = locked.clone();
        (locked.sha256, locked.size) = (Digest::of(bytes), bytes.len() as u64);
        bench.unpack(&[(locked, path.clone())]).err().map(|error| chain(&error))
    };
    for end in (0..good.len() - 8).step_by(13) {
        let told =
            refused(&good[..end]).unwrap_or_else(|| panic!("{end} of {} bytes were taken", good.len()));
        assert!(told.contains("one:all 1:2.0-1"), "{told}");
    }
    for at in (0..good.len()).step_by(3) {
        let mut bad = good.clone();
        bad[at] ^= 0x55;
        // Times and owners of members may be anything; nothing may make us fall over.
        let _ = refused(&bad);
    }
    let edited = |at: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        refused(&bad).unwrap_or_default()
    };
    assert!(edited(0, b"!<wrch>\n").contains("it begins with `!<wrch>"), "magic");
    assert!(edited(68, b"3.0\n").contains("it is of format `3.0"), "version");
    assert!(edited(72, b"kontrol.tar.xz  ").contains("`kontrol.tar.xz` where `control.tar`"), "order");
    assert!(edited(72, b"control.tar.bz2 ").contains("in another way than gzip, xz or zstd"), "compression");
    let long = edited(72 + 48, b"99999999");
    assert!(long.contains("`control.tar.xz` reaches to byte"), "{long}");
}

#[test]
fn a_package_that_is_another_one_is_refused() {
    if !oracle::ready(&PROGRAMS, false) {
        return;
    }
    let bench = Bench::new();
    let (mut locked, path) = bench.make(&ONE);
    locked.version = "1:2.0-2".to_owned();
    let told = chain(&bench.unpack(&[(locked, path)]).unwrap_err());
    assert!(told.contains("its field Version is `1:2.0-1`, the lock says `1:2.0-2`"), "{told}");
}

#[test]
fn the_store_makes_the_file_needless_and_its_damage_is_noticed() {
    if !oracle::ready(&PROGRAMS, false) {
        return;
    }
    let bench = Bench::new();
    let debs = [bench.make(&ONE)];
    bench.unpack(&debs).unwrap().0.outstanding.start().wait().unwrap();
    std::fs::remove_file(&debs[0].1).unwrap();
    let (again, _) = bench.unpack(&debs).unwrap();
    assert!(again.tree.lookup(b"usr/share/one").is_some());
    again.outstanding.start().wait().unwrap();
    let entry = std::fs::read_dir(bench.store.folder()).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&entry).unwrap();
    bytes[300] ^= 1;
    std::fs::write(&entry, bytes).unwrap();
    let outcome = match bench.unpack(&debs) {
        Ok((unpacked, _)) => chain(&unpacked.outstanding.start().wait().unwrap_err()),
        Err(error) => chain(&error),
    };
    assert!(outcome.contains("is damaged") || outcome.contains("one:all"), "{outcome}");
}

#[test]
fn two_builds_at_once_share_a_store() {
    if !oracle::ready(&PROGRAMS, false) {
        return;
    }
    let bench = Bench::new();
    let debs: Vec<_> = ["a", "b", "c", "d", "e", "f"]
        .map(|name| {
            let path = format!("usr/share/{name}");
            bench.make(&Made { name, files: &[(path.as_str(), name)], ..ONE })
        })
        .into();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let store = Store::at(bench.store.folder());
                let files: Vec<_> =
                    debs.iter().map(|(package, path)| PackageFile { package, path: path.clone() }).collect();
                let mut blobs = Blobs::new();
                let unpacked = unpack(&files, &Filters::default(), &store, &mut blobs, &Unwatched).unwrap();
                for name in ["a", "f"] {
                    let id = unpacked.tree.lookup(format!("usr/share/{name}").as_bytes()).unwrap();
                    let amiforge_formats::tree::NodeKind::File(content) = &unpacked.tree.node(id).kind else {
                        panic!("no file")
                    };
                    assert_eq!(amiforge_tests::written::bytes(content, &blobs), name.as_bytes());
                }
                unpacked.outstanding.start().wait().unwrap();
            });
        }
    });
    let left = std::fs::read_dir(bench.store.folder()).unwrap().count();
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
    let bench = Bench::new();
    for compression in ["gzip", "xz", "zstd", "none"] {
        let (_, path) = bench.make(&Made { compression, ..ONE });
        std::fs::copy(path, corpus.join(format!("seed-{compression}"))).unwrap();
    }
}
