//! `share` and `unshare` in three regions.

use std::sync::Arc;

use amiforge_lifecycle::sharing::{
    RegionOutcome, ShareRequest, SharingError, SnapshotShare, TargetImage, UnshareFrom, share, unshare,
};
use amiforge_progress::Monitor;
use amiforge_publish::api::ec2::Grantee;
use amiforge_publish::timer::Timer;

use super::chance::Rng;
use super::operator::{Faults, Operator, WorldClock};
use super::world::{Shared, World};
use super::{block_on, seeds};

const REGIONS: [&str; 3] = ["a", "b", "c"];

fn account(digit: &str) -> Grantee {
    Grantee::Account(digit.repeat(12))
}

/// What a run does.
#[derive(Debug, Clone, Copy)]
enum Command {
    Share,
    Unshare,
    UnshareAll,
}

/// Runs a command; `None` if its operator dies.
async fn run(
    world: &Shared,
    command: Command,
    seed: u64,
    faults: Faults,
) -> Option<Result<Vec<RegionOutcome>, SharingError>> {
    let operator = Operator::new(world, seed, faults);
    let timer = Timer::new(Arc::new(WorldClock(world.clone())), seed);
    let image = |region: &&str| TargetImage { region: (*region).to_owned(), image: World::image(region) };
    let targets: Vec<_> = REGIONS.iter().map(image).collect();
    let with = (&timer, Monitor::none());
    let work = async {
        match command {
            Command::Share => {
                let request = ShareRequest {
                    with: vec![account("1"), account("2")],
                    snapshots: SnapshotShare::Accounts,
                    public_quota: 5,
                };
                share(&operator, &targets, &request, with).await
            }
            Command::Unshare => {
                let from = UnshareFrom::These(vec![account("1")]);
                Ok(unshare(&operator, &targets, &from, with).await)
            }
            Command::UnshareAll => Ok(unshare(&operator, &targets, &UnshareFrom::Everyone, with).await),
        }
    };
    operator.live(work).await
}

/// What a region holds when the command is done.
fn done(command: Command, before: &[Grantee]) -> Vec<Grantee> {
    let mut who = before.to_vec();
    match command {
        Command::Share => who.extend([account("1"), account("2")]),
        Command::Unshare => who.retain(|one| *one != account("1")),
        Command::UnshareAll => who.clear(),
    }
    who.sort();
    who.dedup();
    who
}

#[test]
fn a_change_of_permissions_that_fails_or_dies_is_completed_by_the_next_run() {
    let (mut completed, mut failed, mut died) = (0, 0, 0);
    for seed in 0..seeds() {
        let mut rng = Rng(seed);
        let command = [Command::Share, Command::Unshare, Command::UnshareAll][rng.below(3) as usize];
        let world = Shared::default();
        let mut before: Vec<Vec<Grantee>> = Vec::new();
        for region in REGIONS {
            let held: Vec<_> = ["1", "3"].into_iter().filter(|_| rng.chance(50)).map(account).collect();
            world.lock().begin(region, &held);
            before.push(held);
        }
        let faults = Faults::by(&mut rng, 60);
        let end = format!("seed {seed}, {command:?}, {faults:?}");
        let is_done = || {
            REGIONS.iter().zip(&before).all(|(region, before)| {
                let (launch, snapshot) = world.lock().held(region);
                launch == done(command, before) && snapshot == done(command, before)
            })
        };
        block_on(async {
            match run(&world, command, seed, faults).await {
                None => died += 1,
                Some(Ok(outcomes)) if outcomes.iter().all(|one| one.outcome.is_ok()) => {
                    assert!(is_done(), "{end}: {:?}", world.lock());
                    completed += 1;
                }
                Some(_) => failed += 1,
            }
            let again = run(&world, command, seed, Faults::default()).await.unwrap().unwrap();
            assert!(again.iter().all(|one| one.outcome.is_ok()), "{end}");
            assert!(is_done(), "{end}: {:?}", world.lock());
            // Once more: nothing is left to change.
            world.lock().advance(std::time::Duration::from_secs(10));
            let writes = world.lock().writes;
            run(&world, command, seed, Faults::default()).await.unwrap().unwrap();
            assert_eq!(world.lock().writes, writes, "{end}");
        });
        let world = world.lock();
        assert!(world.violations.is_empty(), "{end}: {:?}", world.violations);
    }
    assert!(completed > 50 && failed > 20 && died > 50, "{completed} {failed} {died}");
}
