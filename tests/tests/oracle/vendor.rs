//! `vendor`: one file with everything, the same from every store, taken only if it is whole.

use std::fs;
use std::path::Path;

use amiforge::lock::Lock;
use amiforge::vendor;
use amiforge_progress::Interrupt;
use amiforge_progress::Silent;
use amiforge_store::Store;
use amiforge_tests::debs::Suite;
use amiforge_tests::locking::Place;
use amiforge_tests::{oracle, told};

fn fetched() -> Option<(Place, String)> {
    let place = Place::new(&["app"])?;
    let mirror = place.archive(&Suite::new("stable", Place::usual())).url();
    place.must("lock", &mirror, &[]);
    place.must("fetch", &mirror, &[]);
    Some((place, mirror))
}

fn lock(place: &Place) -> Lock {
    Lock::load(&place.path("recipe.lock")).unwrap().unwrap()
}

fn take(place: &Place, from: &Path, store: &Path) -> Result<usize, String> {
    let objects = Store::at(store).objects();
    let taken = vendor::take(from, &lock(place), &objects, &Silent, &Interrupt::new());
    taken.map_err(|error| told::chain(&error))
}

#[test]
fn the_same_lock_gives_the_same_file_and_tar_reads_it() {
    let Some((place, mirror)) = fetched() else { return };
    let (first, second) = (place.path("a.tar"), place.path("b.tar"));
    place.must("vendor", &mirror, &["-o", &first.display().to_string()]);
    fs::remove_dir_all(place.path("store")).unwrap();
    let error = place.fails(1, "vendor", &mirror, &["-o", &second.display().to_string()]);
    assert!(error.contains("2 of the files") && error.contains("amiforge fetch"), "{error}");
    assert!(!second.exists());
    place.must("fetch", &mirror, &["--jobs", "1"]);
    place.must("vendor", &mirror, &["-o", &second.display().to_string()]);
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
    let Some((place, mirror)) = fetched() else { return };
    let (file, store) = (place.path("a.tar"), place.path("new"));
    place.must("vendor", &mirror, &["-o", &file.display().to_string()]);
    assert_eq!(take(&place, &file, &store), Ok(2));
    assert_eq!(take(&place, &file, &store), Ok(0));
    assert_eq!(vendor::lock(&file).unwrap(), lock(&place));
}

#[test]
fn a_file_that_is_cut_damaged_or_another_is_refused() {
    let Some((place, mirror)) = fetched() else { return };
    let (file, bad, store) = (place.path("a.tar"), place.path("bad.tar"), place.path("new"));
    place.must("vendor", &mirror, &["-o", &file.display().to_string()]);
    let good = fs::read(&file).unwrap();
    let mut cases =
        vec![(good[..good.len() - 200_000].to_vec(), "cut short"), (b"hello".to_vec(), "it ends at byte 5")];
    let mut flipped = good.clone();
    let middle = good.len() / 2;
    flipped[middle] ^= 1;
    cases.push((flipped, "is damaged"));
    let mut header = good.clone();
    header[0] ^= 1;
    cases.push((header, "no header at byte 0"));
    for (bytes, said) in cases {
        fs::write(&bad, bytes).unwrap();
        let error = take(&place, &bad, &store).unwrap_err();
        assert!(error.contains(said) && error.contains("bad.tar"), "{said}: {error}");
    }
    place.recipe(&["app", "other"], "");
    place.must("lock", &mirror, &[]);
    let error = take(&place, &file, &store).unwrap_err();
    assert!(error.contains("lacks other 3"), "{error}");
    let out = place.path("out").display().to_string();
    let more = ["--vendor", &file.display().to_string(), "-o", &out];
    let error = place.fails(2, "build", &mirror, &more);
    assert!(error.contains("before the packages or sources"), "{error}");
}
