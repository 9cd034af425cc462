//! The program killed with SIGKILL at hundreds of random moments of an upload.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use amiforge_emulator::{FaultRule, FaultScript, InjectedFault, When};
use amiforge_publish::folder::LockedFolder;
use amiforge_publish::journal::Journal;
use amiforge_publish::rate_limiter;
use amiforge_tests::region::Region;
use amiforge_tests::rng::Rng;
use amiforge_tests::{program, scratch, tier};

use super::bundles::{assert_holds, build, snapshots};

fn start(region: &Region, bundle: &Path) -> Child {
    Command::new(program::path())
        .args(["upload", "--quiet", "--region", "local", "--endpoint-url", &region.running.endpoint()])
        .arg(bundle)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until the region has accepted `blocks` blocks, the time `most` is over, or the program ended. Returns whether
/// it ended by itself.
fn wait(region: &Region, child: &mut Child, blocks: usize, most: Duration) -> bool {
    let start = Instant::now();
    loop {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        if region.successes("PutSnapshotBlock") >= blocks || start.elapsed() > most {
            return false;
        }
        std::thread::sleep(Duration::from_micros(300));
    }
}

/// The indexes of the blocks that the region received.
fn put(region: &Region) -> Vec<u64> {
    let seen = region.requests("PutSnapshotBlock");
    seen.iter()
        .map(|seen| seen.target.rsplit('/').next().unwrap().split('?').next().unwrap().parse().unwrap())
        .collect()
}

/// The indexes of the blocks that the journal lists as acknowledged.
fn acknowledged(bundle: &Path) -> BTreeSet<u64> {
    let folder = LockedFolder::path_for(bundle, "local").unwrap();
    let journal = if folder.is_dir() { Journal::open(&folder).unwrap() } else { None };
    journal.map(|journal| journal.state().acknowledged.keys().copied().collect()).unwrap_or_default()
}

#[test]
fn an_upload_killed_at_random_moments_resumes_and_resends_only_blocks_in_flight() {
    let mut rng = Rng(0x5eed_5eed_5eed);
    // Least number of uploads that are killed until they finish, and of kills in total.
    let (uploads, most) = (tier::times(2, 6), tier::times(50, 200));
    let mut kills = 0;
    let mut upload = 0;
    while upload < uploads || kills < most {
        upload += 1;
        let folder = scratch::folder();
        let bundle = build(folder.path(), 1, 48);
        let region = Region::start(&folder.path().join("region"));
        // Slower than the loopback interface, so that kills hit an upload in progress.
        region.inject(FaultScript {
            rules: vec![FaultRule {
                service: None,
                action: Some("PutSnapshotBlock".to_owned()),
                target: None,
                when: When::Always,
                times: None,
                what: InjectedFault::Slow { millis: 20 },
            }],
        });
        kills += kill_until_done(&region, &bundle, &mut rng);
        let all = snapshots(&region);
        assert_eq!(all.len(), 1, "one upload is one snapshot");
        region.inject(FaultScript::default());
        assert_holds(&region, &all[0], &bundle, folder.path());
    }
    eprintln!("killed {kills} times in {upload} uploads");
}

/// Kills the program repeatedly until an upload finishes; returns the number of kills.
fn kill_until_done(region: &Region, bundle: &Path, rng: &mut Rng) -> u32 {
    let mut kills = 0;
    let mut sent_before = BTreeSet::new();
    loop {
        let known = acknowledged(bundle);
        let unknown = sent_before.difference(&known).count();
        assert!(
            unknown <= rate_limiter::MAX_IN_FLIGHT as usize,
            "{unknown} blocks were sent and are not in the journal"
        );
        region.request_log.clear();
        let mut child = start(region, bundle);
        let ended = match rng.below(4) {
            // Also while it reads its journal, and between its calls.
            0 => wait(region, &mut child, usize::MAX, Duration::from_micros(rng.below(60_000))),
            _ => wait(region, &mut child, rng.below(10) as usize, Duration::from_mins(1)),
        };
        // Killing fails when the program has ended.
        let _ = child.kill();
        let status = child.wait().unwrap();
        let put = put(region);
        let again: Vec<_> = put.iter().filter(|block| known.contains(block)).collect();
        assert!(again.is_empty(), "blocks {again:?} were in the journal and sent again");
        sent_before.extend(put);
        if ended {
            assert!(status.success(), "the upload failed: {status}");
            return kills;
        }
        kills += 1;
    }
}
