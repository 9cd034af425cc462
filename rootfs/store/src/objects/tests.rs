//! Objects that are fetched, continued, damaged and shared.

use super::*;

fn objects() -> (tempfile::TempDir, Objects) {
    let folder = tempfile::tempdir().unwrap();
    let objects = Store::at(folder.path()).objects();
    (folder, objects)
}

fn part(objects: &Objects, bytes: &[u8]) -> PartialObject {
    match objects.create(Digest::of(bytes), bytes.len() as u64).unwrap() {
        CreatedObject::Partial(part) => part,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_object_is_found_by_digest_and_length_once_it_is_whole() {
    let (_folder, objects) = objects();
    let digest = Digest::of(b"hello");
    assert!(objects.find(digest, 5).unwrap().is_none());
    let mut writing = part(&objects, b"hello");
    writing.write(b"he").unwrap();
    assert!(objects.find(digest, 5).unwrap().is_none());
    writing.write(b"llo").unwrap();
    writing.finish().unwrap();
    assert_eq!(objects.find(digest, 5).unwrap().unwrap().read().unwrap(), b"hello");
    assert!(matches!(objects.create(digest, 5).unwrap(), CreatedObject::Exists(_)));
}

#[test]
fn an_object_of_a_dead_fetch_is_continued_and_that_of_a_living_one_is_locked() {
    let (_folder, objects) = objects();
    let mut first = part(&objects, b"hello");
    first.write(b"hel").unwrap();
    assert!(matches!(objects.create(Digest::of(b"hello"), 5).unwrap(), CreatedObject::Locked));
    drop(first);
    let mut second = part(&objects, b"hello");
    assert_eq!(second.len(), 3);
    second.write(b"lo").unwrap();
    second.finish().unwrap();
}

#[test]
fn bytes_with_another_digest_are_refused_and_dropped() {
    let (_folder, objects) = objects();
    let mut wrong = part(&objects, b"hello");
    wrong.write(b"jello").unwrap();
    let error = wrong.finish().unwrap_err();
    assert!(matches!(error, StoreError::Other { .. }), "{error}");
    let mut long = part(&objects, b"hello");
    assert_eq!(long.len(), 0, "nothing of the wrong bytes is continued");
    assert!(long.write(b"hello!").is_err());
    drop(long);
    let mut short = part(&objects, b"hello");
    short.write(b"he").unwrap();
    assert!(short.finish().unwrap_err().to_string().contains("2 bytes instead of 5"));
    assert_eq!(part(&objects, b"hello").len(), 2, "an incomplete object is kept");
}

#[test]
fn a_damaged_object_is_named_and_removed() {
    let (_folder, objects) = objects();
    let digest = Digest::of(b"hello");
    for (bytes, found) in [(b"hell".as_slice(), "4 bytes"), (b"jello", "digest")] {
        objects.put(digest, 5, &mut b"hello".as_slice()).unwrap();
        fs::write(objects.path(digest), bytes).unwrap();
        let error = match objects.find(digest, 5) {
            Ok(object) => object.unwrap().verify().unwrap_err(),
            Err(error) => error,
        };
        assert!(error.to_string().contains(found), "{error}");
        assert!(objects.find(digest, 5).unwrap().is_none());
    }
}

#[test]
fn an_object_can_be_stored_while_it_is_being_fetched() {
    let (_folder, objects) = objects();
    let mut first = part(&objects, b"hello");
    first.write(b"hel").unwrap();
    objects.put(Digest::of(b"hello"), 5, &mut b"hello".as_slice()).unwrap();
    first.write(b"lo").unwrap();
    first.finish().unwrap();
    assert!(objects.find(Digest::of(b"hello"), 5).unwrap().is_some());
}
