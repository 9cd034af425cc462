//! Entries that are stored, found, cut off and cleaned up.

use super::*;

fn put(store: &Store, bytes: &[u8]) -> PathBuf {
    let mut entry = store.create_entry().unwrap();
    entry.write(bytes).unwrap();
    let (finished, rename) = entry.finish(Digest::of(b"gz"), 2).unwrap();
    rename.commit().unwrap();
    finished.path
}

#[test]
fn an_entry_is_found_by_digest_and_length_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(&folder.path().join("new"));
    assert!(!store.may_contain(2));
    assert!(store.find(Digest::of(b"gz"), 2).unwrap().is_none());
    put(&store, b"plain");
    assert!(store.may_contain(2) && !store.may_contain(12));
    let entry = store.find(Digest::of(b"gz"), 2).unwrap().unwrap();
    assert_eq!((entry.len, entry.digest), (5, Digest::of(b"plain")));
    assert!(store.find(Digest::of(b"other"), 2).unwrap().is_none());
}

#[test]
fn a_cut_entry_is_named_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path());
    let path = put(&store, b"plain");
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(90).unwrap();
    let error = store.find(Digest::of(b"gz"), 2).unwrap_err();
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    assert!(store.find(Digest::of(b"gz"), 2).unwrap().is_none());
}

#[test]
fn parts_of_dead_builds_are_removed_and_those_of_living_ones_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path());
    let living = store.create_entry().unwrap();
    let dead = folder.path().join(".part-dead");
    std::fs::write(&dead, b"x").unwrap();
    let _second = Store::at(folder.path()).create_entry().unwrap();
    assert!(living.part_path().exists() && !dead.exists());
}

#[test]
fn a_scratch_store_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path()).unwrap();
    put(&store, b"plain");
    drop(store);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_store_that_cannot_be_written_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let error = Store::at(&file.join("store")).create_entry().unwrap_err();
    assert!(error.to_string().contains("/file/store`"), "{error}");
}

#[test]
fn bytes_that_are_hashed_after_they_were_appended_give_the_same_entry_and_all_have_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path());
    let mut at_once = store.create_entry().unwrap();
    at_once.write(b"first second").unwrap();
    let mut later = store.create_entry().unwrap();
    later.write(b"first ").unwrap();
    later.append(b"second").unwrap();
    later.hash(b"sec");
    later.hash(b"ond");
    let digest = |writer: EntryWriter| writer.finish_as("entry").map(|(entry, _)| (entry.len, entry.digest));
    assert_eq!(digest(at_once).unwrap(), digest(later).unwrap());
    let mut half = store.create_entry().unwrap();
    half.append(b"second").unwrap();
    half.hash(b"sec");
    assert!(matches!(digest(half), Err(StoreError::Write { .. })));
}
