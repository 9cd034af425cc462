//! Journals: moved, shared, foreign, of snapshots that are gone; and images that changed.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;

use amiforge_emulator::{FaultRule, FaultScript, InjectedFault, When};
use amiforge_progress::Monitor;
use amiforge_publish::api::SnapshotCalls as _;
use amiforge_publish::error::PublishError;
use amiforge_publish::folder::{FolderError, LockedFolder};
use amiforge_publish::upload::{LaterEncryption, TAG_UPLOAD, UploadOptions, abandon, upload};
use amiforge_tests::error_chain;
use amiforge_tests::region::Region;
use amiforge_tests::scratch;

use super::bundles::{NEEDLE, assert_holds, build, options, raised, send, send_as, snapshots};

/// Lets the first `blocks` blocks through and no more, and uploads.
fn stop_after(region: &Region, image: &std::path::Path, blocks: u64) {
    let action = Some("PutSnapshotBlock".to_owned());
    let let_through = FaultRule {
        service: None,
        action: action.clone(),
        target: None,
        when: When::First(blocks),
        times: None,
        what: InjectedFault::Slow { millis: 1 },
    };
    let stop = FaultRule {
        when: When::Always,
        what: InjectedFault::ServerError { status: 500 },
        ..let_through.clone()
    };
    region.inject(FaultScript { rules: vec![let_through, stop] });
    send(region, image).unwrap_err();
    region.inject(FaultScript::default());
}

#[test]
fn a_second_call_finds_what_is_done() {
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 4);
    let region = Region::start(&folder.path().join("region"));
    let first = send(&region, &bundle).unwrap();
    region.request_log.clear();
    let second = send(&region, &bundle).unwrap();
    assert_eq!((second.snapshot.id, second.sent), (first.snapshot.id, 0));
    assert!(region.requests("StartSnapshot").is_empty() && region.requests("PutSnapshotBlock").is_empty());
}

#[test]
fn bundle_and_journal_go_on_where_they_are_moved() {
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 8);
    let region = Region::start(&folder.path().join("region"));
    stop_after(&region, &bundle, 10);
    let elsewhere = folder.path().join("another/place");
    fs::create_dir_all(&elsewhere).unwrap();
    fs::rename(&bundle, elsewhere.join("web-1")).unwrap();
    fs::rename(folder.path().join("web-1.publish"), elsewhere.join("web-1.publish")).unwrap();
    let moved = elsewhere.join("web-1");
    let uploaded = send(&region, &moved).unwrap();
    assert_eq!(snapshots(&region), [uploaded.snapshot.id.as_str()]);
    assert_eq!(uploaded.sent, uploaded.written - 10);
    assert_holds(&region, &uploaded.snapshot.id, &moved, folder.path());
}

#[test]
fn two_at_a_time_are_refused() {
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 4);
    let region = Region::start(&folder.path().join("region"));
    let held = LockedFolder::open(&LockedFolder::path_for(&bundle, "local").unwrap()).unwrap();
    let refused = send(&region, &bundle).unwrap_err();
    assert!(matches!(refused, PublishError::Folder(FolderError::Busy { .. })), "{refused:?}");
    assert!(region.request_log.requests().is_empty());
    drop(held);
    send(&region, &bundle).unwrap();
}

#[test]
fn an_upload_of_something_else_is_not_mixed_in() {
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 4);
    let other = build(folder.path(), 2, 4);
    let region = Region::start(&folder.path().join("region"));
    stop_after(&region, &bundle, 3);
    fs::remove_dir_all(&bundle).unwrap();
    fs::rename(&other, &bundle).unwrap();
    let refused = send(&region, &bundle).unwrap_err();
    assert!(
        matches!(&refused, PublishError::OtherUpload { snapshot, .. } if snapshot.starts_with("snap-")),
        "{refused}"
    );
    let services = region.services();
    let deleted = region.block_on(abandon(&services, &bundle, &UploadOptions::default())).unwrap();
    assert_eq!(snapshots(&region), [""; 0], "{deleted} is still there");
    let uploaded = send(&region, &bundle).unwrap();
    assert_holds(&region, &uploaded.snapshot.id, &bundle, folder.path());
    let nothing = region.block_on(abandon(&services, &bundle, &UploadOptions::default())).unwrap_err();
    assert!(matches!(nothing, PublishError::NothingToAbandon { .. }), "{nothing}");
    assert_eq!(snapshots(&region), [uploaded.snapshot.id]);
}

#[test]
fn other_settings_are_not_mixed_in() {
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 4);
    let region = Region::start(&folder.path().join("region"));
    stop_after(&region, &bundle, 3);
    let safer = UploadOptions { later: LaterEncryption::MayBeEncrypted, ..options(&bundle) };
    let refused = send_as(&region, &bundle, &safer).unwrap_err();
    assert!(matches!(refused, PublishError::OtherUpload { .. }), "{refused}");
    send(&region, &bundle).unwrap();
}

#[test]
fn a_pending_snapshot_that_is_gone_is_begun_anew() {
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 4);
    let region = Region::start(&folder.path().join("region"));
    stop_after(&region, &bundle, 3);
    let gone = snapshots(&region).remove(0);
    region.block_on(region.services().ec2.delete_snapshot(&gone)).unwrap();
    let uploaded = send(&region, &bundle).unwrap();
    assert_ne!(uploaded.snapshot.id, gone);
    assert_eq!(uploaded.sent, uploaded.written);
    assert_holds(&region, &uploaded.snapshot.id, &bundle, folder.path());
    // A completed one that was deleted is made again as well.
    region.block_on(region.services().ec2.delete_snapshot(&uploaded.snapshot.id)).unwrap();
    let again = send(&region, &bundle).unwrap();
    assert_ne!(again.snapshot.id, uploaded.snapshot.id);
    assert_eq!(snapshots(&region), [again.snapshot.id]);
}

#[test]
fn an_intent_whose_answer_was_lost_finds_its_snapshot() {
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 4);
    let region = Region::start(&folder.path().join("region"));
    region.inject(FaultScript::times(10_000, "StartSnapshot", InjectedFault::DropAfter));
    send(&region, &bundle).unwrap_err();
    let begun = snapshots(&region);
    assert_eq!(begun.len(), 1, "all tries are one snapshot");
    region.inject(FaultScript::default());
    let services = region.services();
    let tags = region.block_on(services.ec2.describe_snapshot(&begun[0])).unwrap().tags;
    assert!(tags.contains_key(TAG_UPLOAD), "{tags:?}");
    assert_eq!(region.block_on(abandon(&services, &bundle, &UploadOptions::default())).unwrap(), begun[0]);
    assert_eq!(snapshots(&region), [""; 0]);
}

#[test]
fn an_interrupt_keeps_what_was_sent() {
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 4);
    let region = Region::start(&folder.path().join("region"));
    let services = region.services();
    let options = options(&bundle);
    let stopped = region.block_on(upload(&services, &bundle, &options, Monitor::silent(&raised())));
    assert!(matches!(stopped, Err(PublishError::Interrupted)));
    let known = region.successes("PutSnapshotBlock") as u64;
    let uploaded = region.block_on(upload(&services, &bundle, &options, Monitor::none())).unwrap();
    assert_eq!(uploaded.sent, uploaded.written - known);
    assert_eq!(snapshots(&region).len(), 1);
}

#[test]
fn a_block_that_changed_on_disk_is_named_with_its_partition_and_file() {
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 4);
    let region = Region::start(&folder.path().join("region"));
    let image = fs::read(bundle.join("disk.raw")).unwrap();
    let at = image.windows(NEEDLE.len()).position(|bytes| bytes == NEEDLE).unwrap();
    let disk = OpenOptions::new().write(true).open(bundle.join("disk.raw")).unwrap();
    disk.write_all_at(&[image[at] ^ 1], at as u64).unwrap();
    let refused = send(&region, &bundle).unwrap_err();
    let message = error_chain(&refused);
    assert!(
        matches!(&refused, PublishError::BlockChanged { block, .. } if *block == at as u64 >> 19),
        "{message}"
    );
    assert!(message.contains("`root`") && message.contains("`/etc/motd`"), "{message}");
    // Mended, it goes on.
    disk.write_all_at(&[image[at]], at as u64).unwrap();
    let uploaded = send(&region, &bundle).unwrap();
    assert_holds(&region, &uploaded.snapshot.id, &bundle, folder.path());
}

#[test]
fn a_raw_file_that_changed_between_two_calls_is_sent_as_it_is_now() {
    let folder = scratch::folder();
    let raw = folder.path().join("disk.raw");
    let block = 1_usize << 19;
    let mut bytes = amiforge_tests::archive::noise(block * 12 + 777, 9);
    bytes[3 * block..5 * block].fill(0);
    fs::write(&raw, &bytes).unwrap();
    let region = Region::start(&folder.path().join("region"));
    stop_after(&region, &raw, 6);
    // Whatever was sent: some of it is other bytes now, and some of it zeros.
    bytes[0] ^= 1;
    bytes[block..3 * block].fill(0);
    bytes[8 * block..12 * block].fill(7);
    fs::write(&raw, &bytes).unwrap();
    let uploaded = send(&region, &raw).unwrap_or_else(|error| panic!("{}", error_chain(&error)));
    assert_eq!(snapshots(&region), [uploaded.snapshot.id.as_str()]);
    assert_holds(&region, &uploaded.snapshot.id, &raw, folder.path());
}

#[test]
fn a_raw_file_that_is_written_to_while_it_is_sent_is_noticed() {
    let folder = scratch::folder();
    let region = Region::start(&folder.path().join("region"));
    let raw = folder.path().join("disk.img");
    fs::write(&raw, amiforge_tests::archive::noise(4 << 20, 3)).unwrap();
    region.inject(FaultScript::times(u64::MAX, "PutSnapshotBlock", InjectedFault::Slow { millis: 400 }));
    let file = OpenOptions::new().write(true).open(&raw).unwrap();
    let writer = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(150));
        file.write_all_at(b"other", 0).unwrap();
    });
    let options = UploadOptions { rate: 0, ..UploadOptions::default() };
    let refused = send_as(&region, &raw, &options).unwrap_err();
    writer.join().unwrap();
    assert!(matches!(refused, PublishError::RawChanged { .. }), "{}", error_chain(&refused));
    region.inject(FaultScript::default());
    let uploaded = send_as(&region, &raw, &options).unwrap();
    assert_eq!(snapshots(&region), [uploaded.snapshot.id.as_str()]);
    assert_holds(&region, &uploaded.snapshot.id, &raw, folder.path());
}
