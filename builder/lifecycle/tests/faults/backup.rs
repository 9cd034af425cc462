//! `backup`: an image becomes one object, however often its operator dies.

use std::sync::Arc;
use std::time::Duration;

use amiforge_lifecycle::storage::StorageError;
use amiforge_lifecycle::storage::backup::{BackupRequest, EncryptedSource, StoredImage, backup};
use amiforge_progress::Monitor;
use amiforge_publish::ami::AmiRegion;
use amiforge_publish::api::ec2::Regions as _;
use amiforge_publish::timer::Timer;

use super::chance::Rng;
use super::operator::{Faults, Operator, WorldClock};
use super::world::{BUCKET, Shared};
use super::{block_on, seeds};

async fn run(world: &Shared, seed: u64, faults: Faults) -> Option<Result<StoredImage, StorageError>> {
    let operator = Operator::new(world, seed, faults);
    let timer = Timer::new(Arc::new(WorldClock(world.clone())), seed);
    let ec2 = operator.ec2("a");
    let region = AmiRegion { name: "a", ec2: &ec2, timer: &timer, monitor: Monitor::none() };
    let request = BackupRequest {
        image: "ami-a",
        bucket: BUCKET,
        encrypted: EncryptedSource::Refuse,
        wait: Duration::from_hours(1),
    };
    operator.live(backup(&region, &ec2, &request)).await
}

#[test]
fn a_backup_that_fails_or_dies_is_completed_and_nothing_is_stored_twice() {
    let (mut completed, mut failed, mut died) = (0, 0, 0);
    for seed in 0..seeds() {
        let mut rng = Rng(seed ^ 0x5eed);
        let world = Shared::default();
        world.lock().begin("a", &[]);
        world.lock().fails_first = rng.chance(20);
        let faults = Faults::by(&mut rng, 25);
        let end = format!("seed {seed}, {faults:?}");
        block_on(async {
            match run(&world, seed, faults).await {
                None => died += 1,
                Some(Ok(stored)) => {
                    assert_eq!((stored.bytes, world.lock().object()), (7, Some(7)), "{end}");
                    completed += 1;
                }
                Some(Err(_)) => failed += 1,
            }
            // A task of an earlier run that fails is reported once, and stored again by the next run.
            let mut last = run(&world, seed, Faults::default()).await.unwrap();
            if matches!(last, Err(StorageError::TaskFailed { .. })) {
                last = run(&world, seed, Faults::default()).await.unwrap();
            }
            assert_eq!(last.unwrap_or_else(|error| panic!("{end}: {error}")).bytes, 7);
        });
        let world = world.lock();
        assert_eq!(world.stored(), 1, "{end}: {:?}", world.tasks());
    }
    assert!(completed > 50 && failed > 10 && died > 50, "{completed} {failed} {died}");
}
