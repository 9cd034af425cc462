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

/// Waits until the region has taken so many more blocks, or so much time is over, or the program ended. Tells whether
/// it ended by itself.
fn wait(region: &Region, child: &mut Child, blocks: usize, most: Duration) -> bool {
    let begun = Instant::now();
    loop {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        if region.successes("PutSnapshotBlock") >= blocks || begun.elapsed() > most {
            return false;
        }
        std::thread::sleep(Duration::from_micros(300));
    }
}

/// The blocks that the region was sent.
fn put(region: &Region) -> Vec<u64> {
    let seen = region.requests("PutSnapshotBlock");
    seen.iter()
        .map(|seen| seen.target.rsplit('/').next().unwrap().split('?').next().unwrap().parse().unwrap())
        .collect()
}

/// The blocks that the journal says the region has.
fn acknowledged(bundle: &Path) -> BTreeSet<u64> {
    let folder = LockedFolder::path_for(bundle, "local").unwrap();
    let journal = if folder.is_dir() { Journal::open(&folder).unwrap() } else { None };
    journal.map(|journal| journal.state().acknowledged.keys().copied().collect()).unwrap_or_default()
}

#[test]
fn an_upload_killed_at_random_moments_goes_on_and_sends_nothing_twice_but_what_was_under_way() {
    let mut rng = Rng(0x5eed_5eed_5eed);
    // Uploads that are killed until they are done, and kills in all; at least.
    let (uploads, most) = (tier::times(2, 6), tier::times(50, 200));
    let mut kills = 0;
    let mut upload = 0;
    while upload < uploads || kills < most {
        upload += 1;
        let folder = scratch::folder();
        let bundle = build(folder.path(), 1, 48);
        let region = Region::start(&folder.path().join("region"));
        // A little slower than a machine talks to itself, so that there are moments to be killed at.
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

/// Kills the program again and again until an upload is done; tells how often.
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
            // Also while it looks at its journal, and between its calls.
            0 => wait(region, &mut child, usize::MAX, Duration::from_micros(rng.below(60_000))),
            _ => wait(region, &mut child, rng.below(10) as usize, Duration::from_mins(1)),
        };
        // A program that is gone cannot be killed.
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
