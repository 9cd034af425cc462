//! A publish that dies before or after each of its calls, and the next one.

use amiforge_progress::{CancelToken, Monitor};
use amiforge_publish::ami;
use amiforge_tests::tier;

use super::clients::{Act, ActingRegions};
use super::fixture::{BUCKET, ImportFixture, PARTS, job, options};

/// Publishes until the program dies; false if it did not.
fn dies(fixture: &ImportFixture, act: Act) -> bool {
    let regions = ActingRegions::new(&fixture.region.config, act);
    let services = fixture.services();
    let job = job(&fixture.image, &options(), BUCKET);
    let cancel = CancelToken::new();
    fixture.region.block_on(async {
        let dead = std::sync::Arc::clone(&regions.dead);
        tokio::select! {
            published = ami::publish(&services, &regions, &job, Monitor::silent(&cancel)) => {
                published.unwrap();
                false
            }
            () = dead.notified() => true,
        }
    })
}

#[test]
fn a_publish_that_dies_at_any_call_is_completed_by_the_next() {
    let acts: [fn(u64) -> Act; 2] = [Act::DieBefore, Act::DieAfter];
    let mut points = 0;
    for (kind, act) in acts.into_iter().enumerate() {
        // Before every merge a sample; another one for the other kind.
        for at in (1 + kind as u64..).step_by(tier::times(3, 1) as usize) {
            let fixture = ImportFixture::new();
            if !dies(&fixture, act(at)) {
                break;
            }
            points += 1;
            fixture.must();
            fixture.assert_published();
            let sent = fixture.region.successes("UploadPart");
            assert!((PARTS..2 * PARTS).contains(&sent), "{at}: {sent} parts were sent");
            assert_eq!(fixture.region.successes("RegisterImage"), 1);
        }
    }
    assert!(points >= tier::times(7, 20), "{points}");
}

#[test]
fn a_publish_that_dies_at_any_call_can_be_abandoned() {
    let acts: [fn(u64) -> Act; 2] = [Act::DieBefore, Act::DieAfter];
    for (kind, act) in acts.into_iter().enumerate() {
        for at in (2 - kind as u64..).step_by(tier::times(4, 1) as usize) {
            let fixture = ImportFixture::new();
            if !dies(&fixture, act(at)) {
                break;
            }
            fixture.abandon().unwrap_or_else(|error| panic!("{at}: {error:?}"));
            fixture.assert_nothing();
            fixture.must();
            fixture.assert_published();
        }
    }
}

#[test]
fn parts_that_are_there_are_not_sent_again() {
    let fixture = ImportFixture::new();
    // Bucket, unfinished uploads, upload, its parts, three parts: dies before it is completed.
    let act = Act::DieBefore(8);
    assert!(dies(&fixture, act));
    assert_eq!((fixture.region.successes("UploadPart"), fixture.stored()), (PARTS, (0, 1)));
    fixture.must();
    assert_eq!(fixture.region.successes("UploadPart"), PARTS);
    assert_eq!(fixture.region.successes("CreateMultipartUpload"), 1);
    fixture.assert_published();
}
