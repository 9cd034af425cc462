//! `vendor`: one file with everything, the same from every store, taken only if it is whole.

use std::fs;
use std::path::Path;

use amiforge::lock::Lock;
use amiforge::vendor::{self, VendorError};
use amiforge_progress::Monitor;
use amiforge_store::Store;
use amiforge_tests::debs::Suite;
use amiforge_tests::lock_fixture::LockFixture;
use amiforge_tests::oracle;

fn fetched() -> Option<(LockFixture, String)> {
    let fixture = LockFixture::new(&["app"])?;
    let mirror = fixture.write_archive(&Suite::new("stable", LockFixture::sample_packages())).url();
    fixture.must("lock", &mirror, &[]);
    fixture.must("fetch", &mirror, &[]);
    Some((fixture, mirror))
}

fn lock(fixture: &LockFixture) -> Lock {
    Lock::load(&fixture.path("recipe.lock")).unwrap().unwrap()
}

fn take(fixture: &LockFixture, from: &Path, store: &Path) -> Result<usize, VendorError> {
    let objects = Store::at(store).objects();
    vendor::take(from, &lock(fixture), &objects, Monitor::none())
}

#[test]
fn the_same_lock_gives_the_same_file_and_tar_reads_it() {
    let Some((fixture, mirror)) = fetched() else { return };
    let (first, second) = (fixture.path("a.tar"), fixture.path("b.tar"));
    fixture.must("vendor", &mirror, &["-o", &first.display().to_string()]);
    fs::remove_dir_all(fixture.path("store")).unwrap();
    let error = fixture.must_fail(1, "vendor", &mirror, &["-o", &second.display().to_string()]);
    assert!(error.contains("2 of the files") && error.contains("amiforge fetch"), "{error}");
    assert!(!second.exists());
    fixture.must("fetch", &mirror, &["--jobs", "1"]);
    fixture.must("vendor", &mirror, &["-o", &second.display().to_string()]);
    assert_eq!(fs::read(&first).unwrap(), fs::read(&second).unwrap());
    if oracle::ready(&["tar"], false) {
        let listed = oracle::must("tar", &["-tf", &first.display().to_string()]);
        let names: Vec<_> = listed.lines().collect();
        assert_eq!(names[0], "recipe.lock");
        assert!(names.len() == 3 && names[1..].is_sorted(), "{names:?}");
    }
}

#[test]
fn what_a_store_lacks_is_taken_out_of_it() {
    let Some((fixture, mirror)) = fetched() else { return };
    let (file, store) = (fixture.path("a.tar"), fixture.path("new"));
    fixture.must("vendor", &mirror, &["-o", &file.display().to_string()]);
    assert_eq!(take(&fixture, &file, &store).unwrap(), 2);
    assert_eq!(take(&fixture, &file, &store).unwrap(), 0);
    assert_eq!(vendor::lock(&file).unwrap(), lock(&fixture));
}

#[test]
fn a_file_that_is_cut_damaged_or_another_is_refused() {
    let Some((fixture, mirror)) = fetched() else { return };
    let (file, bad, store) = (fixture.path("a.tar"), fixture.path("bad.tar"), fixture.path("new"));
    fixture.must("vendor", &mirror, &["-o", &file.display().to_string()]);
    let good = fs::read(&file).unwrap();
    let refused = |bytes: &[u8]| {
        fs::write(&bad, bytes).unwrap();
        take(&fixture, &bad, &store).unwrap_err()
    };
    let mut header = good.clone();
    header[0] ^= 1;
    for bytes in [&good[..good.len() - 200_000], b"hello", &header] {
        let error = refused(bytes);
        assert!(matches!(&error, VendorError::Malformed { path, .. } if *path == bad), "{error}");
    }
    let mut flipped = good.clone();
    let middle = good.len() / 2;
    flipped[middle] ^= 1;
    let error = refused(&flipped);
    assert!(matches!(&error, VendorError::Damaged { path, .. } if *path == bad), "{error}");
    fixture.write_recipe(&["app", "other"], "");
    fixture.must("lock", &mirror, &[]);
    let error = take(&fixture, &file, &store).unwrap_err();
    assert!(matches!(&error, VendorError::Lacks { label, .. } if label.starts_with("other 3")), "{error}");
    let out = fixture.path("out").display().to_string();
    let more = ["--vendor", &file.display().to_string(), "-o", &out];
    let error = fixture.must_fail(2, "build", &mirror, &more);
    assert!(error.contains("before the packages or sources"), "{error}");
}
