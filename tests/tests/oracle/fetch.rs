//! `fetch` from mirrors that cut, lie, stall and vanish, into stores that are full or shared.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use amiforge_tests::debs::Suite;
use amiforge_tests::debs::server::{Fault, Server};
use amiforge_tests::locking::{Place, objects};
use amiforge_tests::oracle;

/// A place with a lock, an empty store, and a server for the archive.
fn locked() -> Option<(Place, Server)> {
    let place = Place::new(&["app"])?;
    let mirror = place.archive(&Suite::new("stable", Place::usual())).url();
    place.must("lock", &mirror, &[]);
    fs::remove_dir_all(place.path("store")).unwrap();
    let server = Server::start(&place.path("archive"));
    Some((place, server))
}

#[test]
fn what_a_lock_needs_is_fetched_once() {
    let Some((place, server)) = locked() else { return };
    place.must("fetch", &server.url(), &[]);
    assert_eq!(objects(&place.path("store")), (2, 0));
    server.forget();
    place.must("fetch", &server.url(), &[]);
    assert!(server.asked().is_empty());
}

#[test]
fn a_connection_that_is_cut_is_continued_by_range() {
    let Some((place, server)) = locked() else { return };
    server.fail("lib_2.1_amd64.deb", Fault::Cut { after: 100_000, times: 2 });
    place.must("fetch", &server.url(), &[]);
    let asked = server.asked();
    let ranges: Vec<_> = asked
        .iter()
        .filter(|asked| asked.target.ends_with("lib_2.1_amd64.deb"))
        .map(|asked| asked.range.as_deref())
        .collect();
    assert_eq!(ranges, [None, Some("bytes=100000-"), Some("bytes=200000-")]);
}

#[test]
fn a_fetch_that_was_killed_is_continued() {
    let Some((place, server)) = locked() else { return };
    server.fail("lib_2.1_amd64.deb", Fault::Slow);
    let mut child = place.command("fetch", &server.url()).stderr(Stdio::null()).spawn().unwrap();
    let begun = || {
        let listed = fs::read_dir(place.path("store/objects")).into_iter().flatten().flatten();
        listed.filter_map(|entry| entry.metadata().ok()).any(|found| (40_000..300_000).contains(&found.len()))
    };
    while !begun() {
        thread::sleep(Duration::from_millis(5));
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    server.forget();
    place.must("fetch", &server.url(), &[]);
    let asked = server.asked();
    let lib = asked.iter().find(|asked| asked.target.ends_with("lib_2.1_amd64.deb")).unwrap();
    assert!(lib.range.is_some(), "{asked:?}");
    assert_eq!(objects(&place.path("store")), (2, 0));
}

#[test]
fn two_fetches_at_once_fetch_each_file_once() {
    let Some((place, server)) = locked() else { return };
    server.fail("lib_2.1_amd64.deb", Fault::Slow);
    let mut both = [(); 2].map(|()| place.command("fetch", &server.url()).spawn().unwrap());
    assert!(both.iter_mut().all(|child| child.wait().unwrap().success()));
    let asked = server.asked();
    let count = asked.iter().filter(|asked| asked.target.ends_with("lib_2.1_amd64.deb")).count();
    assert_eq!(count, 1, "{asked:?}");
    assert_eq!(objects(&place.path("store")), (2, 0));
}

#[test]
fn a_package_that_is_another_is_refused_and_named() {
    let Some((place, server)) = locked() else { return };
    let path = place.path("archive/pool/main/l/lib/lib_2.1_amd64.deb");
    let good = fs::read(&path).unwrap();
    let mut flipped = good.clone();
    flipped[1000] ^= 1;
    let longer = [good.as_slice(), b"x"].concat();
    let cases = [(flipped, "digest"), (longer, "bytes, and"), (good[..1000].to_vec(), "1000 bytes")];
    for (bytes, said) in cases {
        fs::write(&path, bytes).unwrap();
        let error = place.fails(1, "fetch", &server.url(), &[]);
        assert!(error.contains("lib_2.1_amd64.deb") && error.contains(said), "{error}");
    }
    fs::write(&path, good).unwrap();
    place.must("fetch", &server.url(), &[]);
}

#[test]
fn a_mirror_that_is_gone_or_lost_a_package_says_so() {
    let Some((place, server)) = locked() else { return };
    let said = place.fails(1, "fetch", "http://127.0.0.1:9", &[]);
    assert!(said.contains("http://127.0.0.1:9/pool") && said.contains("AMIFORGE_DEB_MIRROR"), "{said}");
    let said = place.fails(1, "fetch", "http://user:secret@127.0.0.1:9", &[]);
    assert!(!said.contains("secret"), "{said}");
    server.fail("app_1.0_amd64.deb", Fault::Status { code: 503, times: 2 });
    place.must("fetch", &server.url(), &[]);
    fs::remove_dir_all(place.path("store")).unwrap();
    fs::remove_file(place.path("archive/pool/main/l/lib/lib_2.1_amd64.deb")).unwrap();
    let said = place.fails(1, "fetch", &server.url(), &[]);
    assert!(said.contains("no such file") && said.contains("--update"), "{said}");
}

#[test]
fn a_store_that_is_full_says_so_and_the_fetch_goes_on_once_there_is_room() {
    if !oracle::ready(&["mount", "umount"], true) {
        return;
    }
    let Some((place, server)) = locked() else { return };
    let store = place.path("store");
    fs::create_dir_all(&store).unwrap();
    let at = store.display().to_string();
    oracle::must("mount", &["-t", "tmpfs", "-o", "size=128k", "tmpfs", &at]);
    let said = place.fails(1, "fetch", &server.url(), &[]);
    oracle::must("mount", &["-o", "remount,size=8m", &at]);
    let again = place.run("fetch", &server.url(), &[]);
    let found = objects(&store);
    oracle::must("umount", &[&at]);
    assert!(said.contains("No space left") && said.contains(&at), "{said}");
    assert!(again.status.success() && found == (2, 0), "{found:?}");
}

#[test]
fn damage_in_the_store_is_found_and_mended() {
    let Some((place, server)) = locked() else { return };
    place.must("fetch", &server.url(), &[]);
    let store = place.path("store").display().to_string();
    let verify = || amiforge_tests::program::run(&["store", "verify", "--store", &store]);
    assert_eq!(verify().status.code(), Some(0));
    let first = fs::read_dir(place.path("store/objects")).unwrap().flatten().next().unwrap().path();
    let mut bytes = fs::read(&first).unwrap();
    bytes[100] ^= 1;
    fs::write(&first, bytes).unwrap();
    let output = verify();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3));
    assert!(said.contains(&first.display().to_string()), "{said}");
    assert_eq!(objects(&place.path("store")), (1, 0));
    place.must("fetch", &server.url(), &[]);
    let lock = place.path("recipe.lock").display().to_string();
    amiforge_tests::program::must(&["store", "gc", "--days", "0", "--keep", &lock, "--store", &store]);
    assert_eq!(objects(&place.path("store")), (2, 0));
    amiforge_tests::program::must(&["store", "gc", "--days", "0", "--store", &store]);
    assert_eq!(objects(&place.path("store")), (0, 0));
}
