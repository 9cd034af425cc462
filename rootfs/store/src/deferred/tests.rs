//! Deferred checks and names.

use super::*;
use crate::Store;

/// A store, and a layer of it that waits for its name.
fn layer(folder: &Path) -> (PathBuf, PendingRename) {
    let mut writer = Store::at(folder).create_entry().unwrap();
    writer.write(b"layer").unwrap();
    let (entry, pending) = writer.finish_as(&format!("layer-{}", Digest::of(b"key"))).unwrap();
    (entry.path, pending)
}

/// A file with `abc` in it.
fn input() -> File {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, b"abc").unwrap();
    file
}

#[test]
fn a_layer_waits_for_checks_that_run_and_for_those_of_others_added_later() {
    for wrong in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let (path, pending) = layer(folder.path());
        let mut deferred = Deferred::new();
        deferred.rename_layer(pending);
        deferred.start();
        let mut source = Deferred::new();
        source.check_input(input(), 3, wrong.then(|| Digest::of(b"other")));
        source.label("source 1");
        source.start();
        deferred.append(source);
        assert!(deferred.has_layers() && !path.exists());
        let joined = deferred.join();
        assert_eq!(path.exists(), !wrong);
        match joined {
            Ok(digests) => assert_eq!(digests, [("source 1".to_owned(), Digest::of(b"abc"))]),
            Err(error) => assert_eq!(error.to_string(), "checking source 1"),
        }
    }
}

#[test]
fn a_layer_whose_inputs_are_checked_gets_its_name_at_once_and_a_dropped_one_never() {
    let folder = tempfile::tempdir().unwrap();
    let (path, pending) = layer(folder.path());
    let mut deferred = Deferred::new();
    deferred.rename_layer(pending);
    drop(deferred);
    assert!(!path.exists());
    let (path, pending) = layer(folder.path());
    let mut deferred = Deferred::new();
    deferred.rename_layer(pending);
    deferred.start_with_layers();
    assert!(!deferred.has_layers());
    drop(deferred);
    assert!(path.exists());
}

#[test]
fn discarded_checks_are_not_made_and_labels_stay_with_their_input() {
    let mut deferred = Deferred::new();
    deferred.check_entry(Path::new("/none"), 1, Digest::of(b""));
    deferred.discard();
    assert!(deferred.is_empty());
    deferred.check_part((input(), 1, 2), "layer 3", Digest::of(b"bc"));
    deferred.label("source 1");
    deferred.check_part((input(), 0, 2), "layer 4", Digest::of(b"bc"));
    deferred.label("source 2");
    let Err(DeferredError::Input { input, source }) = deferred.join() else { panic!("a part is another") };
    assert_eq!(input, "source 2");
    assert!(source.to_string().starts_with("the sha256 of layer 4 is "), "{source}");
}
