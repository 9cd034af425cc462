//! A local region in the test's own process, services that call it on a clock that makes waiting short, and what the
//! region saw.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use amiforge_aws::{AccessKeys, AwsConfig, ConnectOptions, EbsClient, SnapshotsClient};
use amiforge_emulator::{ACCESS_KEY_ID, FaultScript, Running, SECRET_ACCESS_KEY, SeenRequest, Trail};
use amiforge_publish::services::Services;
use amiforge_publish::timer::{PublishClock, Timer};
use tokio::runtime::Runtime;

/// How many times faster than the machine's clock the tests' clock goes.
const HASTE: u32 = 40;

/// A local region and its clients.
#[derive(Debug)]
pub struct Region {
    /// The server.
    pub running: Running,
    /// What it saw.
    pub trail: Arc<Trail>,
    /// The clients' configuration.
    pub config: AwsConfig,
    runtime: Runtime,
}

/// A clock that goes faster than the machine's, so that budgets of minutes are spent in seconds.
#[derive(Debug)]
struct Hasty(Instant);

impl PublishClock for Hasty {
    fn now(&self) -> Duration {
        self.0.elapsed() * HASTE
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(time / HASTE))
    }
}

impl Region {
    /// A quick and faultless region with its state in a folder.
    pub fn start(folder: &Path) -> Self {
        Self::with(folder, |_| {})
    }

    /// The same, made as `set` says.
    ///
    /// # Panics
    /// When it does not start.
    pub fn with(folder: &Path, set: impl FnOnce(&mut amiforge_emulator::RegionConfig)) -> Self {
        Self::with_attempts(folder, None, set)
    }

    /// The same, with clients that wait so long for an answer.
    ///
    /// # Panics
    /// When it does not start.
    pub fn with_attempts(
        folder: &Path,
        attempt: Option<Duration>,
        set: impl FnOnce(&mut amiforge_emulator::RegionConfig),
    ) -> Self {
        let trail = Arc::new(Trail::new());
        let mut config = amiforge_emulator::RegionConfig::new(folder);
        config.trail = Some(Arc::clone(&trail));
        set(&mut config);
        let running = Running::start(config).expect("the local region starts");
        let runtime = Runtime::new().expect("a runtime");
        let place = ConnectOptions {
            region: Some("local".to_owned()),
            profile: None,
            endpoint: Some(running.endpoint()),
            keys: Some(AccessKeys { id: ACCESS_KEY_ID.to_owned(), secret: SECRET_ACCESS_KEY.to_owned() }),
            attempt_timeout: attempt,
        };
        let config = runtime.block_on(AwsConfig::load(&place)).expect("a configuration");
        Self { running, trail, config, runtime }
    }

    /// Services on the hasty clock.
    pub fn services(&self) -> Services<EbsClient, SnapshotsClient> {
        Services {
            ebs: Arc::new(self.config.ebs()),
            ec2: Arc::new(self.config.snapshots()),
            timer: Timer::new(Arc::new(Hasty(Instant::now())), 7),
            region: self.config.region().to_owned(),
        }
    }

    /// Runs work to its end.
    pub fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.runtime.block_on(work)
    }

    /// Plays a script of faults from now on.
    pub fn play(&self, faults: FaultScript) {
        self.running.region().play(faults);
    }

    /// The requests of an action that were answered well.
    pub fn successes(&self, action: &str) -> usize {
        self.trail.successes().get(action).copied().unwrap_or(0)
    }

    /// Every request of an action.
    pub fn seen(&self, action: &str) -> Vec<SeenRequest> {
        self.trail.notes().into_iter().filter(|seen| seen.action == action).collect()
    }
}
