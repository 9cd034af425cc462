//! Uploads onto a parent: only what changed is sent, and what comes of it is proven to be the image.

use std::fs;
use std::path::{Path, PathBuf};

use amiforge_emulator::{FaultScript, InjectedFault};
use amiforge_publish::error::PublishError;
use amiforge_publish::service_error::ServiceError;
use amiforge_publish::upload::{ParentChoice, UploadOptions};
use amiforge_tests::region::Region;
use amiforge_tests::scratch;
use amiforge_tests::{error_chain, find_cause};

use super::bundles::{assert_holds, build, options, send, send_as, snapshots};

/// Most blocks that a change of one small file may cost.
const FEW: u64 = 16;

fn onto(image: &Path, parent: &str) -> UploadOptions {
    UploadOptions { parent: Some(parent.parse().unwrap()), ..options(image) }
}

/// Puts another bundle in the place of one.
fn replace(old: &Path, new: &Path) -> PathBuf {
    fs::remove_dir_all(old).unwrap();
    fs::rename(new, old).unwrap();
    old.to_owned()
}

#[test]
fn a_new_version_of_a_bundle_sends_few_blocks_and_is_proven() {
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 24);
    let region = Region::start(&folder.path().join("region"));
    let auto = |image: &Path| onto(image, "auto");
    let first = send_as(&region, &bundle, &auto(&bundle)).unwrap();
    assert_eq!(first.parent, None, "there is no version yet");
    let bundle = replace(&bundle, &build(folder.path(), 2, 24));
    region.request_log.clear();
    let second =
        send_as(&region, &bundle, &auto(&bundle)).unwrap_or_else(|error| panic!("{}", error_chain(&error)));
    assert_eq!(second.parent, Some(first.snapshot.id.clone()));
    assert!(second.sent > 0 && second.sent <= FEW, "{} blocks were sent", second.sent);
    assert_eq!(second.verified, second.sent);
    assert_eq!(
        region.successes("GetSnapshotBlock") as u64,
        second.verified,
        "the kept manifest stands in for the parent"
    );
    assert_holds(&region, &second.snapshot.id, &bundle, folder.path());
    // The same again changes nothing, though the newest version is now its own.
    let again = send_as(&region, &bundle, &auto(&bundle)).unwrap();
    assert_eq!((again.snapshot.id, again.sent), (second.snapshot.id, 0));
    assert_eq!(snapshots(&region).len(), 2);
}

#[test]
fn without_a_manifest_the_parent_is_read_back_and_with_the_parents_bundle_it_is_not() {
    let folder = scratch::folder();
    let old = build(folder.path(), 1, 12);
    let new = build(folder.path(), 2, 12);
    let region = Region::start(&folder.path().join("region"));
    let parent = send(&region, &old).unwrap();
    let named = onto(&new, &parent.snapshot.id);
    region.request_log.clear();
    let read = send_as(&region, &new, &named).unwrap_or_else(|error| panic!("{}", error_chain(&error)));
    assert!(read.sent <= FEW && read.verified == read.sent);
    assert_eq!(region.successes("GetSnapshotBlock") as u64, parent.written + read.verified);
    assert_holds(&region, &read.snapshot.id, &new, folder.path());

    fs::remove_dir_all(folder.path().join("web-2.publish")).unwrap();
    region.request_log.clear();
    let options = UploadOptions { parent_bundle: Some(old.clone()), ..named.clone() };
    let sent = send_as(&region, &new, &options).unwrap();
    assert_eq!((sent.sent, sent.verified), (read.sent, read.sent));
    assert_eq!(region.successes("GetSnapshotBlock") as u64, sent.verified);

    fs::remove_dir_all(folder.path().join("web-2.publish")).unwrap();
    let wrong = UploadOptions { parent_bundle: Some(new.clone()), ..named };
    let refused = send_as(&region, &new, &wrong).unwrap_err();
    assert!(matches!(refused, PublishError::Parent { .. }), "{refused}");
}

#[test]
fn what_was_deleted_does_not_live_on() {
    let folder = scratch::folder();
    let old = build(folder.path(), 1, 12);
    // The noise is gone: what it stood in is free now, or zeros.
    let new = build(folder.path(), 2, 12);
    fs::write(folder.path().join("tree-2/opt/noise"), "").unwrap();
    fs::remove_dir_all(&new).unwrap();
    amiforge_tests::program::must(&[
        "build",
        &folder.path().join("recipe-2.toml").to_string_lossy(),
        "-o",
        &new.to_string_lossy(),
    ]);
    let region = Region::start(&folder.path().join("region"));
    let parent = send(&region, &old).unwrap();
    let child = send_as(&region, &new, &onto(&new, &parent.snapshot.id)).unwrap();
    assert!(child.sent >= 24, "the blocks of the deleted file are written over: {}", child.sent);
    assert_holds(&region, &child.snapshot.id, &new, folder.path());
}

#[test]
fn parents_that_do_not_fit_are_refused_before_anything_is_begun() {
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 4);
    let region = Region::start(&folder.path().join("region"));
    let parent = send(&region, &bundle).unwrap().snapshot.id;
    fs::remove_dir_all(folder.path().join("web-1.publish")).unwrap();
    let large = folder.path().join("large.raw");
    fs::write(&large, "x").unwrap();
    fs::OpenOptions::new().write(true).open(&large).unwrap().set_len(3 << 30).unwrap();
    let large = send(&region, &large).unwrap().snapshot.id;
    region.request_log.clear();
    let encrypted =
        UploadOptions { encryption: amiforge_publish::api::Encryption::DefaultKey, ..onto(&bundle, &parent) };
    for (options, named) in [(onto(&bundle, &large), &large), (encrypted, &parent)] {
        let refused = send_as(&region, &bundle, &options).unwrap_err();
        assert!(matches!(&refused, PublishError::Parent { parent, .. } if parent == named), "{refused}");
    }
    let refused = send_as(&region, &bundle, &onto(&bundle, "snap-0123456789abcdef0")).unwrap_err();
    let code = find_cause::<ServiceError>(&refused).and_then(|error| error.code.as_deref());
    assert_eq!(code, Some("InvalidSnapshot.NotFound"), "{refused:?}");
    assert!(region.requests("StartSnapshot").is_empty());
    assert!("snapshot".parse::<ParentChoice>().is_err());
}

#[test]
fn a_block_that_rots_is_found_by_the_proof() {
    let folder = scratch::folder();
    let old = build(folder.path(), 1, 8);
    let new = build(folder.path(), 2, 8);
    let region = Region::start(&folder.path().join("region"));
    let parent = send(&region, &old).unwrap();
    region.inject(FaultScript::times(1, "PutSnapshotBlock", InjectedFault::FlipStoredBit { bit: 4321 }));
    let rotten = send_as(&region, &new, &onto(&new, &parent.snapshot.id)).unwrap_err();
    assert!(matches!(rotten, PublishError::ReadBack { count: 1, .. }), "{rotten:?}");
}
