//! Bytes that are altered: on the way to S3, in the object, and on the disk.

use std::os::unix::fs::FileExt as _;

use amiforge_formats::digest::Digest;
use amiforge_progress::CancelToken;
use amiforge_publish::api::imports::{ImportCalls as _, ImportRegions as _, NewPart, ObjectName, PartUpload};
use amiforge_publish::error::PublishError;
use amiforge_publish::request::AmiOptions;
use amiforge_publish::service_error::ServiceErrorKind;
use amiforge_tests::archive::noise;

use super::clients::{Act, ActingRegions};
use super::fixture::{BUCKET, ImportFixture, options, upload_error};
use crate::register::fixture::build;

#[test]
fn a_part_that_is_altered_on_the_way_is_sent_again_once() {
    let fixture = ImportFixture::new();
    let always = ActingRegions::new(&fixture.region.config, Act::Alter { part: 2, times: u64::MAX });
    let outcome = fixture.publish_by(&always, &options(), &CancelToken::new());
    let PublishError::Part { part, source, .. } = upload_error(outcome) else { panic!("another error") };
    assert_eq!((part, source.error.kind, source.attempts), (2, ServiceErrorKind::Checksum, 2));
    let once = ActingRegions::new(&fixture.region.config, Act::Alter { part: 2, times: 1 });
    fixture.publish_by(&once, &options(), &CancelToken::new()).unwrap();
    fixture.assert_published();
}

/// Stores another disk in the bucket.
fn store_other(fixture: &ImportFixture, key: &str) {
    let calls = fixture.region.config.import("local");
    let object = ObjectName { bucket: BUCKET.to_owned(), key: key.to_owned() };
    fixture.region.block_on(async {
        let upload = PartUpload { id: calls.create_upload(&object).await.unwrap(), object };
        let bytes = noise(1 << 20, 9);
        let part = NewPart { number: 1, digest: Digest::of(&bytes), bytes: bytes.into() };
        calls.put_part(&upload, part).await.unwrap();
        let parts = calls.parts(&upload).await.unwrap();
        calls.complete_upload(&upload, &parts).await.unwrap();
    });
}

#[test]
fn a_snapshot_that_is_not_the_image_is_not_registered() {
    let fixture = ImportFixture::new();
    store_other(&fixture, "other.raw");
    let regions = ActingRegions::new(&fixture.region.config, Act::Swap("other.raw"));
    let error = upload_error(fixture.publish_by(&regions, &options(), &CancelToken::new()));
    assert!(matches!(&error, PublishError::ReadBack { count, .. } if *count > 30), "{error}");
    assert!(fixture.images().is_empty());
    fixture.abandon().unwrap();
    assert_eq!((fixture.snapshots().len(), fixture.stored()), (0, (1, 0)), "the other object stays");
}

#[test]
fn a_block_of_a_bundle_that_changed_on_disk_is_named_and_not_sent() {
    let mut fixture = ImportFixture::new();
    fixture.image = build(fixture.folder.path(), "web", 1);
    let disk =
        std::fs::OpenOptions::new().read(true).write(true).open(fixture.image.join("disk.raw")).unwrap();
    let image = std::fs::read(fixture.image.join("disk.raw")).unwrap();
    let at = image.iter().rposition(|byte| *byte != 0).unwrap();
    disk.write_all_at(&[image[at] ^ 1], at as u64).unwrap();
    let outcome = fixture.publish_by(&fixture.region.config, &AmiOptions::default(), &CancelToken::new());
    let error = upload_error(outcome);
    assert!(
        matches!(&error, PublishError::BlockChanged { block, .. } if *block == at as u64 >> 19),
        "{error}"
    );
    disk.write_all_at(&[image[at]], at as u64).unwrap();
    let outcome = fixture.publish_by(&fixture.region.config, &AmiOptions::default(), &CancelToken::new());
    let published = outcome.unwrap();
    assert_eq!(published.uploads[0].verified, image.len() as u64 >> 19, "every block was read back");
    fixture.assert_published();
}
