//! `backup`, `restore-image` and `copy` killed with SIGKILL at random moments, until each finishes.

use std::process::Stdio;
use std::time::{Duration, Instant};

use amiforge_emulator::{FaultRule, FaultScript, InjectedFault, When, Windows};
use amiforge_publish::request::AmiOptions;
use amiforge_tests::rng::Rng;
use amiforge_tests::tier;

use crate::sharing::fixture::{Account, SharingFixture};

/// Delays every request, so that kills hit a run in progress.
fn slow() -> FaultScript {
    let what = InjectedFault::Slow { millis: 8 };
    let rule = FaultRule { service: None, action: None, target: None, when: When::Always, times: None, what };
    FaultScript { rules: vec![rule] }
}

/// Kills the program repeatedly until it finishes; returns the number of kills.
fn kill_until_done(fixture: &SharingFixture, rng: &mut Rng, args: &[&str]) -> u32 {
    let mut kills = 0;
    loop {
        let mut child = fixture
            .command(Account::Owner, "local", args)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Later and later, so that the run makes progress.
        let most = Duration::from_micros(20_000 + rng.below(80_000 + u64::from(kills) * 15_000));
        let start = Instant::now();
        let mut ended = false;
        while !ended && start.elapsed() < most {
            ended = child.try_wait().unwrap().is_some();
            std::thread::sleep(Duration::from_micros(300));
        }
        // Killing fails when the program has ended.
        let _ = child.kill();
        let output = child.wait_with_output().unwrap();
        if ended {
            assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
            return kills;
        }
        kills += 1;
    }
}

#[test]
fn runs_that_are_killed_and_repeated_leave_one_object_one_image_and_one_copy() {
    // Longer than a request of a killed run may be under way on a busy machine.
    let windows =
        Windows { task: Duration::from_millis(500), copy: Duration::from_millis(60), ..Windows::default() };
    let mut rng = Rng(0x5eed_0ba0_0001);
    for _ in 0..tier::times(1, 6) {
        let set = |config: &mut amiforge_emulator::RegionConfig| config.windows = windows;
        let Some(fixture) = SharingFixture::new(&AmiOptions::default(), set) else { return };
        fixture.bucket("local", "here");
        fixture.ami.region.inject(slow());
        let image = fixture.image.as_str();
        let mut kills = kill_until_done(&fixture, &mut rng, &["backup", image, "--bucket", "here"]);
        assert_eq!(fixture.ami.region.successes("CreateStoreImageTask"), 1);
        let key = format!("{image}.bin");
        let restore = ["restore-image", "--bucket", "here", "--key", &key, "--name", "web-again"];
        kills += kill_until_done(&fixture, &mut rng, &restore);
        assert_eq!((fixture.ami.images("local").len(), fixture.ami.snapshots("local").len()), (2, 2));
        kills += kill_until_done(&fixture, &mut rng, &["copy", image, "--to", "local-2,local-3"]);
        for region in ["local-2", "local-3"] {
            fixture.ami.assert_one(region);
        }
        eprintln!("killed {kills} times");
    }
}
