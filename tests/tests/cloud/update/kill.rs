//! An update killed with SIGKILL while it publishes: the rerun continues, with one snapshot and one AMI for each version.

use std::process::Stdio;
use std::time::{Duration, Instant};

use amiforge_emulator::{FaultRule, FaultScript, InjectedFault, When};
use amiforge_publish::api::SnapshotCalls as _;
use amiforge_publish::api::ec2::{Ec2 as _, ImageOwner, ImageQuery};

use super::fixture::{UpdateFixture, packages};

/// Delays every request, so that a kill hits the publish right after the one that it waits for.
fn slow() -> FaultScript {
    let rule = FaultRule {
        service: None,
        action: None,
        target: None,
        when: When::Always,
        times: None,
        what: InjectedFault::Slow { millis: 40 },
    };
    FaultScript { rules: vec![rule] }
}

/// Runs an update until a request of this action has succeeded, then kills it. Returns whether it was killed in time.
fn kill_after(fixture: &UpdateFixture, action: &str) -> bool {
    let mut command = fixture.command(&[]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while fixture.region.successes(action) == 0 && start.elapsed() < Duration::from_mins(2) {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = child.kill();
    !child.wait().unwrap().success()
}

#[test]
fn an_update_killed_while_it_publishes_continues_with_its_lock_and_its_name() {
    let Some((fixture, _)) = UpdateFixture::published() else { return };
    fixture.archive(2, 1);
    fixture.region.inject(slow());
    let before = fixture.version();
    for (days, action) in [(1, "PutSnapshotBlock"), (2, "CompleteSnapshot"), (3, "RegisterImage")] {
        fixture.clear();
        assert!(kill_after(&fixture, action), "it ended before {action}");
        assert_eq!(fixture.version(), before, "killed after {action}");
        // The archive goes on, and the update does not: what was sent is of its lock.
        fixture.archive(3, 1 + days);
    }
    fixture.region.inject(FaultScript::default());
    let second = fixture.must(&[]);
    assert_eq!(packages(&second), ["app upgraded 1.0 1.1", "extra added - 1", "lib upgraded 2.1 2.2"]);
    assert!(fixture.is_clean());
    fixture.verify(second["published"]["image_id"].as_str().unwrap(), &fixture.out());
    let ec2 = fixture.region.config.ec2();
    let query = ImageQuery { owner: ImageOwner::Own, ..ImageQuery::default() };
    let images = fixture.region.block_on(ec2.describe_images(&query)).unwrap();
    let snapshots = fixture.region.block_on(ec2.describe_tagged_snapshots(&[])).unwrap();
    assert_eq!((images.len(), snapshots.len()), (2, 2), "one for each version");
}
