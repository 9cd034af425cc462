//! The ends of an import: a role that is missing, a bucket elsewhere, a task that fails or is cancelled.

use std::time::Duration;

use amiforge_emulator::{FaultScript, InjectedFault, Windows};
use amiforge_progress::{CancelToken, Monitor};
use amiforge_publish::ami;
use amiforge_publish::error::PublishError;
use amiforge_publish::upload::{UploadOptions, upload};
use amiforge_tests::error_chain;

use super::fixture::{ELSEWHERE, ImportFixture, PARTS, job, options, upload_error};

fn lagging(config: &mut amiforge_emulator::RegionConfig) {
    config.windows = Windows { task: Duration::from_millis(800), ..Windows::default() };
}

#[test]
fn a_bucket_in_another_region_or_none_is_refused_before_anything_is_sent() {
    let fixture = ImportFixture::new();
    for (bucket, words) in [(ELSEWHERE, "is in local-2, not in local"), ("missing", "does not exist")] {
        let services = fixture.services();
        let job = job(&fixture.image, &options(), bucket);
        let outcome =
            fixture.region.block_on(ami::publish(&services, &fixture.region.config, &job, Monitor::none()));
        let chain = error_chain(&upload_error(outcome));
        assert!(chain.contains(words), "{chain}");
    }
    assert_eq!(fixture.region.successes("CreateMultipartUpload"), 0);
    fixture.must();
    fixture.assert_published();
}

#[test]
fn a_task_that_fails_says_why_and_the_next_run_imports_the_same_object() {
    let fixture = ImportFixture::with(lagging);
    fixture.region.inject(FaultScript::times(1, "ImportSnapshot", InjectedFault::FailLater));
    let error = upload_error(fixture.publish());
    assert!(
        matches!(&error, PublishError::ImportFailed { state, message, .. }
            if state == "deleted" && message.contains("failed on purpose")),
        "{error}"
    );
    assert_eq!(fixture.stored(), (1, 0), "the object stays");
    fixture.must();
    fixture.assert_published();
    assert_eq!(
        (fixture.region.successes("UploadPart"), fixture.region.successes("ImportSnapshot")),
        (PARTS, 2)
    );
}

#[test]
fn an_interrupt_cancels_the_task_and_keeps_the_object() {
    let fixture = ImportFixture::with(lagging);
    let cancel = CancelToken::new();
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| {
            while fixture.region.successes("DescribeImportSnapshotTasks") == 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
            cancel.flag().store(true, std::sync::atomic::Ordering::Relaxed);
        });
        fixture.publish_by(&fixture.region.config, &options(), &cancel)
    });
    assert!(matches!(upload_error(outcome), PublishError::Interrupted));
    assert_eq!((fixture.region.successes("CancelImportTask"), fixture.stored()), (1, (1, 0)));
    fixture.must();
    fixture.assert_published();
    assert_eq!(fixture.region.successes("UploadPart"), PARTS);
}

#[test]
fn abandoning_cancels_the_task_and_deletes_the_object() {
    let fixture = ImportFixture::with(|config| config.windows.task = Duration::from_mins(10));
    // The task is begun, and cannot be asked for.
    let fault = InjectedFault::ServerError { status: 500 };
    fixture.region.inject(FaultScript::times(10_000, "DescribeImportSnapshotTasks", fault));
    let error = upload_error(fixture.publish());
    assert!(
        matches!(&error, PublishError::Call { action, .. } if action.starts_with("asking for import-snap-"))
    );
    fixture.region.inject(FaultScript::default());
    let deleted = fixture.abandon().unwrap();
    let deleted: Vec<_> = deleted.iter().map(|one| one.id.as_str()).collect();
    assert!(deleted[0].starts_with("import-snap-") && deleted[1].starts_with("s3://imports/amiforge/"));
    fixture.assert_nothing();
}

#[test]
fn an_upload_through_ebs_direct_does_not_forget_an_import() {
    let fixture = ImportFixture::new();
    let fault = InjectedFault::ServerError { status: 500 };
    fixture.region.inject(FaultScript::times(10_000, "HeadObject", fault));
    upload_error(fixture.publish());
    fixture.region.inject(FaultScript::default());
    let services = fixture.services();
    let direct = fixture.region.block_on(upload(
        &services,
        &fixture.image,
        &UploadOptions::default(),
        Monitor::none(),
    ));
    let error = direct.unwrap_err();
    assert!(
        matches!(&error, PublishError::OtherUpload { difference, .. } if difference == "it is an import"),
        "{error}"
    );
    fixture.must();
    fixture.assert_published();
    // And the other way round.
    let other = ImportFixture::new();
    other.region.inject(FaultScript::times(
        10_000,
        "CompleteSnapshot",
        InjectedFault::ServerError { status: 500 },
    ));
    let services = other.services();
    let options = UploadOptions { rate: 0, ..UploadOptions::default() };
    other.region.block_on(upload(&services, &other.image, &options, Monitor::none())).unwrap_err();
    other.region.inject(FaultScript::default());
    let error = upload_error(other.publish());
    assert!(
        matches!(&error, PublishError::OtherUpload { difference, .. } if difference.contains("EBS direct")),
        "{error}"
    );
}

/// With `roles.json`, only its roles are there.
#[test]
fn a_role_that_is_missing_is_named_and_the_object_stays_for_the_next_run() {
    let mut fixture = ImportFixture::new();
    let roles = fixture.folder.path().join("region/roles.json");
    restart(&mut fixture, || std::fs::write(&roles, "[]").unwrap());
    let error = upload_error(fixture.publish());
    let PublishError::ImportRole { role, bucket, .. } = &error else { panic!("{error}") };
    assert_eq!((role.as_str(), bucket.as_str(), fixture.stored()), ("vmimport", "imports", (1, 0)));
    restart(&mut fixture, || std::fs::remove_file(&roles).unwrap());
    fixture.must();
    fixture.assert_published();
    assert_eq!(fixture.region.successes("UploadPart"), 0, "the object is there");
}

/// Restarts the region after a change of its folder.
fn restart(fixture: &mut ImportFixture, change: impl FnOnce()) {
    let folder = fixture.folder.path().join("region");
    let idle = tempfile::tempdir().unwrap();
    fixture.region = amiforge_tests::region::Region::start(&idle.path().join("idle"));
    change();
    fixture.region = amiforge_tests::region::Region::start(&folder);
}
