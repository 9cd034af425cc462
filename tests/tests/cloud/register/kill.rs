//! The whole of `publish` killed with SIGKILL at random moments, again and again, until it is done.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use amiforge_emulator::{FaultRule, FaultScript, InjectedFault, When};
use amiforge_publish::ami::AmiError;
use amiforge_tests::error_chain;
use amiforge_tests::rng::Rng;
use amiforge_tests::{program, tier};

use super::fixture::AmiFixture;

fn start(fixture: &AmiFixture, bundle: &Path, more: &[&str]) -> Child {
    Command::new(program::path())
        .args(["publish", "--quiet", "--region", "local"])
        .args(["--endpoint-url", &fixture.region.running.endpoint()])
        .args(more)
        .arg(bundle)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until the program ended or its time is over; tells whether it ended.
fn wait(child: &mut Child, most: Duration) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < most {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    false
}

/// Every request takes a little, so that there are moments to be killed at.
fn slow() -> FaultScript {
    let rule = FaultRule {
        service: None,
        action: None,
        target: None,
        when: When::Always,
        times: None,
        what: InjectedFault::Slow { millis: 8 },
    };
    FaultScript { rules: vec![rule] }
}

/// Kills again and again until a publish is done; tells how often.
fn kill_until_done(fixture: &AmiFixture, rng: &mut Rng, more: &[&str]) -> u32 {
    let mut kills = 0;
    loop {
        let mut child = start(fixture, &fixture.bundle, more);
        // Longer and longer, so that it gets on however far it has to go.
        let most = 20_000 + rng.below(80_000 + u64::from(kills) * 8_000);
        let ended = wait(&mut child, Duration::from_micros(most));
        // A program that is gone cannot be killed.
        let _ = child.kill();
        let output = child.wait_with_output().unwrap();
        if ended {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            return kills;
        }
        kills += 1;
    }
}

#[test]
fn a_publish_killed_at_random_moments_makes_one_ami_and_one_snapshot_in_each_region() {
    let mut rng = Rng(0x5eed_0000_5eed);
    let (mut kills, mut publishes) = (0, 0);
    let more = [
        "--copy-to",
        "local-2,local-3",
        "--share",
        "111122223333",
        "--share-snapshots",
        "--deprecate",
        "2027-11-21",
    ];
    // Publishes that are killed until they are done, and kills in all; at least.
    while publishes < tier::times(1, 4) || kills < tier::times(20, 60) {
        publishes += 1;
        let fixture = AmiFixture::new();
        fixture.region.inject(slow());
        kills += kill_until_done(&fixture, &mut rng, &more);
        for region in ["local", "local-2", "local-3"] {
            fixture.assert_one(region);
        }
    }
    eprintln!("killed {kills} times in {publishes} publishes");
}

#[test]
fn a_publish_killed_at_a_random_moment_can_be_taken_back_whole() {
    let mut rng = Rng(0x0aba_d05e_ed01);
    for _ in 0..tier::times(10, 25) {
        let fixture = AmiFixture::new();
        fixture.region.inject(slow());
        let mut child = start(&fixture, &fixture.bundle, &["--copy-to", "local-2", "--protect"]);
        let ended = wait(&mut child, Duration::from_micros(10_000 + rng.below(300_000)));
        let _ = child.kill();
        child.wait().unwrap();
        if ended {
            continue;
        }
        match fixture.abandon() {
            // Killed after its last step: that is published, and is not taken back.
            Err(AmiError::NothingToAbandon { found }) if found.contains("is published as") => continue,
            // Where nothing was begun there is nothing to take back.
            Ok(_) | Err(AmiError::NothingToAbandon { .. }) => {}
            Err(error) => panic!("{}", error_chain(&error)),
        }
        for region in ["local", "local-2"] {
            assert_eq!((fixture.images(region).len(), fixture.snapshots(region)), (0, vec![]), "{region}");
        }
    }
}
