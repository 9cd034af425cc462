//! Hand-overs in parts: of every length, in the wrong order, of two, missing.

use std::fs;
use std::path::Path;

use amiforge_formats::read_at::ReadAt as _;
use amiforge_handover::HandoverError;
use amiforge_handover::error::Damage;
use amiforge_handover::header::HEADER_LEN;
use amiforge_handover::read::{Handover, is_handover};

use super::fixture::{Fixture, bundle, check_bytes, check_file, export_to, names};

fn split(fixture: &Fixture, folder: &str, len: u64) -> Vec<std::path::PathBuf> {
    fs::create_dir(fixture.path(folder)).unwrap();
    export_to(&fixture.path("web"), &fixture.path(&format!("{folder}/web.amx")), Some(len)).unwrap().files
}

fn damage(path: &Path) -> (String, Damage) {
    match check_file(path).unwrap().damage {
        Some(HandoverError::Damaged { at, damage }) => (at.file, *damage),
        other => panic!("{other:?}"),
    }
}

#[test]
fn parts_of_any_length_hold_the_same_body() {
    let fixture = Fixture::new();
    let whole = fixture.bytes();
    let disk = fs::read(fixture.path("web/disk.raw")).unwrap();
    for len in [10_000, 500_000, 1 << 20, 1 << 30] {
        let files = split(&fixture, &len.to_string(), len);
        assert!(files.iter().all(|file| fs::metadata(file).unwrap().len() <= len));
        let parts: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
        let body = parts.iter().flat_map(|part| &part[HEADER_LEN as usize..]).copied();
        assert!(body.eq(whole[HEADER_LEN as usize..].iter().copied()), "{len}");
        // The first, another one, or the folder.
        for given in [&files[0], files.last().unwrap(), &fixture.path(&len.to_string())] {
            assert!(is_handover(given));
            let checked = check_file(given).unwrap();
            assert!(checked.damage.is_none(), "{:?}", checked.damage);
            let mut read = vec![0; disk.len()];
            Handover::open(given).unwrap().read_exact_at(0, &mut read).unwrap();
            assert!(read == disk);
        }
        assert!(check_bytes(&parts.concat()).damage.is_none(), "one after the other in a pipe");
    }
    let too_many = export_to(&fixture.path("web"), &fixture.path("x.amx"), Some(129));
    assert!(matches!(too_many, Err(HandoverError::TooManyParts { .. })), "{too_many:?}");
    assert!(names(fixture.folder.path()).iter().all(|name| !name.contains("x.amx")), "nothing is left");
}

#[test]
fn parts_that_are_exchanged_repeated_or_missing_are_named() {
    let fixture = Fixture::new();
    let files = split(&fixture, "parts", 300_000);
    let swap = || {
        let [one, other] = [&files[1], &files[2]].map(|file| fs::read(file).unwrap());
        fs::write(&files[1], other).unwrap();
        fs::write(&files[2], one).unwrap();
    };
    swap();
    let (file, wrong) = damage(&files[0]);
    assert!(file.ends_with("web.amx.002"), "{file}");
    assert!(matches!(wrong, Damage::PartOrder { found: 3, expected: 2, .. }), "{wrong}");
    assert!(matches!(Handover::open(&files[0]), Err(HandoverError::Damaged { .. })));
    swap();
    let second = fs::read(&files[1]).unwrap();
    fs::copy(&files[0], &files[1]).unwrap();
    assert!(matches!(damage(&files[0]).1, Damage::PartOrder { found: 1, expected: 2, .. }));
    fs::remove_file(&files[1]).unwrap();
    for result in [check_file(&files[0]).map(|_| ()), Handover::open(&files[2]).map(|_| ())] {
        assert!(matches!(result, Err(HandoverError::MissingPart { part: 2, .. })), "{result:?}");
    }
    fs::write(&files[1], &second[..second.len() - 9]).unwrap();
    let (file, wrong) = damage(&files[0]);
    assert!(file.ends_with("web.amx.002") && matches!(wrong, Damage::Truncated { .. }), "{file}: {wrong}");
    fs::write(&files[1], [second.as_slice(), b"x"].concat()).unwrap();
    let (file, wrong) = damage(&files[0]);
    assert!(file.ends_with("web.amx.002") && matches!(wrong, Damage::Trailing { .. }), "{file}: {wrong}");
    // From the second part on in a pipe.
    let rest = [second.as_slice(), &fs::read(&files[2]).unwrap()].concat();
    let checked = check_bytes(&rest);
    let Some(HandoverError::Damaged { damage, .. }) = checked.damage else { panic!("it is refused") };
    assert!(matches!(*damage, Damage::PartOrder { found: 2, expected: 1, .. }), "{damage}");
}

#[test]
fn parts_of_two_hand_overs_are_not_mixed() {
    let fixture = Fixture::new();
    let files = split(&fixture, "parts", 300_000);
    bundle(&fixture.path("next"), 11);
    let next = export_to(&fixture.path("next"), &fixture.path("next.amx"), Some(300_000)).unwrap();
    assert_eq!(next.files.len(), files.len());
    fs::copy(&next.files[1], &files[1]).unwrap();
    let (file, wrong) = damage(&files[0]);
    assert!(
        file.ends_with("web.amx.002") && matches!(wrong, Damage::OtherHandover { .. }),
        "{file}: {wrong}"
    );
    // A hand-over in the folder of a bundle is not taken for it.
    fs::copy(fixture.path("web.amx"), fixture.path("web/stray.amx")).unwrap();
    assert!(!is_handover(&fixture.path("web")));
    // Two hand-overs in one folder.
    let both = check_file(fixture.folder.path());
    assert!(matches!(both, Err(HandoverError::Ambiguous { count: 2, .. })), "{both:?}");
}
