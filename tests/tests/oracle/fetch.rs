//! `fetch` from mirrors that cut, lie, stall and vanish, into stores that are full or shared.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use amiforge_tests::debs::Suite;
use amiforge_tests::debs::server::{InjectedFault, Server};
use amiforge_tests::lock_fixture::{LockFixture, count_objects};
use amiforge_tests::oracle;

/// A fixture with a lock, an empty store, and a server for the archive.
fn locked() -> Option<(LockFixture, Server)> {
    let fixture = LockFixture::new(&["app"])?;
    let mirror = fixture.write_archive(&Suite::new("stable", LockFixture::sample_packages())).url();
    fixture.must("lock", &mirror, &[]);
    fs::remove_dir_all(fixture.path("store")).unwrap();
    let server = Server::start(&fixture.path("archive"));
    Some((fixture, server))
}

#[test]
fn what_a_lock_needs_is_fetched_once() {
    let Some((fixture, server)) = locked() else { return };
    fixture.must("fetch", &server.url(), &[]);
    assert_eq!(count_objects(&fixture.path("store")), (2, 0));
    server.clear_requests();
    fixture.must("fetch", &server.url(), &[]);
    assert!(server.requests().is_empty());
}

#[test]
fn a_connection_that_is_cut_is_continued_by_range() {
    let Some((fixture, server)) = locked() else { return };
    server.inject("lib_2.1_amd64.deb", InjectedFault::Cut { after: 100_000, times: 2 });
    fixture.must("fetch", &server.url(), &[]);
    let requests = server.requests();
    let ranges: Vec<_> = requests
        .iter()
        .filter(|request| request.target.ends_with("lib_2.1_amd64.deb"))
        .map(|request| request.range.as_deref())
        .collect();
    assert_eq!(ranges, [None, Some("bytes=100000-"), Some("bytes=200000-")]);
}

#[test]
fn a_fetch_that_was_killed_is_continued() {
    let Some((fixture, server)) = locked() else { return };
    server.inject("lib_2.1_amd64.deb", InjectedFault::Slow);
    let mut child = fixture.command("fetch", &server.url()).stderr(Stdio::null()).spawn().unwrap();
    let begun = || {
        let listed = fs::read_dir(fixture.path("store/objects")).into_iter().flatten().flatten();
        listed.filter_map(|entry| entry.metadata().ok()).any(|found| (40_000..300_000).contains(&found.len()))
    };
    while !begun() {
        thread::sleep(Duration::from_millis(5));
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    server.clear_requests();
    fixture.must("fetch", &server.url(), &[]);
    let requests = server.requests();
    let lib = requests.iter().find(|request| request.target.ends_with("lib_2.1_amd64.deb")).unwrap();
    assert!(lib.range.is_some(), "{requests:?}");
    assert_eq!(count_objects(&fixture.path("store")), (2, 0));
}

#[test]
fn two_fetches_at_once_fetch_each_file_once() {
    let Some((fixture, server)) = locked() else { return };
    server.inject("lib_2.1_amd64.deb", InjectedFault::Slow);
    let mut both = [(); 2].map(|()| fixture.command("fetch", &server.url()).spawn().unwrap());
    assert!(both.iter_mut().all(|child| child.wait().unwrap().success()));
    let requests = server.requests();
    let count = requests.iter().filter(|request| request.target.ends_with("lib_2.1_amd64.deb")).count();
    assert_eq!(count, 1, "{requests:?}");
    assert_eq!(count_objects(&fixture.path("store")), (2, 0));
}

#[test]
fn a_package_that_is_another_is_refused_and_named() {
    let Some((fixture, server)) = locked() else { return };
    let path = fixture.path("archive/pool/main/l/lib/lib_2.1_amd64.deb");
    let good = fs::read(&path).unwrap();
    let mut flipped = good.clone();
    flipped[1000] ^= 1;
    let longer = [good.as_slice(), b"x"].concat();
    let cases = [(flipped, "digest"), (longer, "bytes, and"), (good[..1000].to_vec(), "1000 bytes")];
    for (bytes, text) in cases {
        fs::write(&path, bytes).unwrap();
        let error = fixture.must_fail(1, "fetch", &server.url(), &[]);
        assert!(error.contains("lib_2.1_amd64.deb") && error.contains(text), "{error}");
    }
    fs::write(&path, good).unwrap();
    fixture.must("fetch", &server.url(), &[]);
}

#[test]
fn a_mirror_that_is_gone_or_lost_a_package_says_so() {
    let Some((fixture, server)) = locked() else { return };
    let stderr = fixture.must_fail(1, "fetch", "http://127.0.0.1:9", &[]);
    assert!(stderr.contains("http://127.0.0.1:9/pool") && stderr.contains("AMIFORGE_DEB_MIRROR"), "{stderr}");
    let stderr = fixture.must_fail(1, "fetch", "http://user:secret@127.0.0.1:9", &[]);
    assert!(!stderr.contains("secret"), "{stderr}");
    server.inject("app_1.0_amd64.deb", InjectedFault::Status { code: 503, times: 2 });
    fixture.must("fetch", &server.url(), &[]);
    fs::remove_dir_all(fixture.path("store")).unwrap();
    fs::remove_file(fixture.path("archive/pool/main/l/lib/lib_2.1_amd64.deb")).unwrap();
    let stderr = fixture.must_fail(1, "fetch", &server.url(), &[]);
    assert!(stderr.contains("no such file") && stderr.contains("--update"), "{stderr}");
}

#[test]
fn a_store_that_is_full_says_so_and_the_fetch_goes_on_once_there_is_room() {
    if !oracle::ready(&["mount", "umount"], true) {
        return;
    }
    let Some((fixture, server)) = locked() else { return };
    let store = fixture.path("store");
    fs::create_dir_all(&store).unwrap();
    let at = store.display().to_string();
    oracle::must("mount", &["-t", "tmpfs", "-o", "size=128k", "tmpfs", &at]);
    let stderr = fixture.must_fail(1, "fetch", &server.url(), &[]);
    oracle::must("mount", &["-o", "remount,size=8m", &at]);
    let again = fixture.run("fetch", &server.url(), &[]);
    let found = count_objects(&store);
    oracle::must("umount", &[&at]);
    assert!(stderr.contains("No space left") && stderr.contains(&at), "{stderr}");
    assert!(again.status.success() && found == (2, 0), "{found:?}");
}

#[test]
fn damage_in_the_store_is_found_and_mended() {
    let Some((fixture, server)) = locked() else { return };
    fixture.must("fetch", &server.url(), &[]);
    let store = fixture.path("store").display().to_string();
    let verify = || amiforge_tests::program::run(&["store", "verify", "--store", &store]);
    assert_eq!(verify().status.code(), Some(0));
    let first = fs::read_dir(fixture.path("store/objects")).unwrap().flatten().next().unwrap().path();
    let mut bytes = fs::read(&first).unwrap();
    bytes[100] ^= 1;
    fs::write(&first, bytes).unwrap();
    let output = verify();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3));
    assert!(stdout.contains(&first.display().to_string()), "{stdout}");
    assert_eq!(count_objects(&fixture.path("store")), (1, 0));
    fixture.must("fetch", &server.url(), &[]);
    let lock = fixture.path("recipe.lock").display().to_string();
    amiforge_tests::program::must(&["store", "gc", "--days", "0", "--keep", &lock, "--store", &store]);
    assert_eq!(count_objects(&fixture.path("store")), (2, 0));
    amiforge_tests::program::must(&["store", "gc", "--days", "0", "--store", &store]);
    assert_eq!(count_objects(&fixture.path("store")), (0, 0));
}
