//! `promote` and `rollback` killed with SIGKILL while each of their calls is answered, and two operators at once.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use amiforge_emulator::{FaultRule, FaultScript, InjectedFault, When};
use amiforge_tests::rng::Rng;
use amiforge_tests::tier;

use super::fixture::ChannelFixture;

/// How long a request is held back.
const HELD_BACK: Duration = Duration::from_millis(600);

/// Holds the answer of the `n`-th call of SSM back.
fn hold(n: u64) -> FaultScript {
    let rule = FaultRule {
        service: Some("ssm".to_owned()),
        action: None,
        target: None,
        when: When::Nth(n),
        times: None,
        what: InjectedFault::Slow { millis: HELD_BACK.as_millis() as u64 },
    };
    FaultScript { rules: vec![rule] }
}

fn spawn(mut command: Command) -> Child {
    command.arg("--quiet").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the program ended or so many calls of SSM were answered; returns whether it ended.
fn until(fixture: &ChannelFixture, child: &mut Child, calls: usize) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        let log = fixture.ami.region.request_log.requests();
        if log.iter().filter(|seen| seen.service == "ssm").count() >= calls {
            // The next one is being answered, or held back.
            std::thread::sleep(Duration::from_millis(30));
            return false;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    false
}

/// Kills a command while the answer of its `n`-th call is held back; returns whether it ended before.
fn kill_at(fixture: &ChannelFixture, args: &[&str], n: u64) -> bool {
    fixture.ami.region.request_log.clear();
    fixture.ami.region.inject(hold(n));
    let mut child = spawn(fixture.command("machine", args));
    let ended = until(fixture, &mut child, n as usize - 1);
    let _ = child.kill();
    let output = child.wait_with_output().unwrap();
    if !ended {
        // The region carries out the request that is held back although its client is dead.
        std::thread::sleep(HELD_BACK + Duration::from_millis(100));
    }
    fixture.ami.region.inject(FaultScript::default());
    assert!(!ended || output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    ended
}

#[test]
fn a_change_killed_at_any_call_is_completed_by_its_repetition_or_set_back() {
    let Some(fixture) = ChannelFixture::new() else { return };
    fixture.promote(1);
    let (mut kills, mut now) = (0, 1);
    let step = if tier::night() { 1 } else { 2 };
    for n in (1..).step_by(step) {
        let next = 3 - now;
        let promotion = fixture.promotion(next);
        let promotion: Vec<_> = promotion.iter().map(String::as_str).collect();
        if kill_at(&fixture, &promotion, n) {
            break;
        }
        kills += 1;
        assert!(!fixture.versions().contains(&0), "call {n}: {:?}", fixture.versions());
        if n % 3 == 0 {
            let args = ["promote", "--abandon", "--channel", "stable", "--name", "web"];
            let output = fixture.run(&args);
            let err = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() || err.contains("nothing is under way"), "call {n}: {err}");
            let versions = fixture.versions();
            assert!(versions == [now; 3] || versions == [next; 3], "call {n}: {versions:?}");
        }
        fixture.promote(next);
        assert_eq!(fixture.versions(), [next; 3], "call {n}");
        now = next;
    }
    fixture.assert_version(3 - now);
    assert!(kills > 8, "{kills} kills");
    eprintln!("killed {kills} times");
}

#[test]
fn a_roll_back_killed_at_any_call_is_completed_by_its_repetition() {
    let Some(fixture) = ChannelFixture::new() else { return };
    fixture.promote(1);
    let step = if tier::night() { 1 } else { 4 };
    let back = ["rollback", "--channel", "stable", "--name", "web"];
    for n in (1..).step_by(step) {
        fixture.promote(2);
        let ended = kill_at(&fixture, &back, n);
        if !ended {
            fixture.must(&back);
        }
        assert_eq!(fixture.versions(), [1; 3], "call {n}");
        if ended {
            break;
        }
    }
}

#[test]
fn two_operators_at_once_end_with_one_version_or_an_error() {
    let Some(fixture) = ChannelFixture::new() else { return };
    fixture.promote(1);
    let mut rng = Rng(0x7700_0001);
    for _ in 0..tier::times(4, 20) {
        let mut children = Vec::new();
        for (machine, version) in [("one", 1), ("two", 2)] {
            let promotion = fixture.promotion(version);
            let promotion: Vec<_> = promotion.iter().map(String::as_str).collect();
            children.push(spawn(fixture.command(machine, &promotion)));
            std::thread::sleep(Duration::from_millis(rng.below(120)));
        }
        let outputs: Vec<_> = children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
        let versions = fixture.versions();
        let failed: Vec<_> = outputs
            .iter()
            .filter(|output| !output.status.success())
            .map(|output| String::from_utf8_lossy(&output.stderr).into_owned())
            .collect();
        assert!(!versions.contains(&0), "{versions:?}");
        assert!(versions == [versions[0]; 3] || !failed.is_empty(), "{versions:?}");
        for err in &failed {
            assert!(err.contains("was changed at the same time"), "{err}");
        }
        // The last word counts.
        fixture.promote(1);
        assert_eq!(fixture.versions(), [1; 3]);
    }
    fixture.assert_version(1);
}
