//! A local region in the test's own process, clients that call it on an accelerated clock, and the requests that the
//! region received.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use amiforge_aws::{AccessKeys, AwsConfig, ConnectOptions, EbsClient, SnapshotsClient};
use amiforge_emulator::{
    ACCESS_KEY_ID, FaultScript, LoggedRequest, RegionServer, RequestLog, SECRET_ACCESS_KEY,
};
use amiforge_publish::services::Services;
use amiforge_publish::timer::{PublishClock, Timer};
use tokio::runtime::Runtime;

/// How many times faster than the machine's clock the clock of the tests runs.
const SPEEDUP: u32 = 40;

/// A local region and its clients.
#[derive(Debug)]
pub struct Region {
    /// The server.
    pub running: RegionServer,
    /// The requests that it received.
    pub request_log: Arc<RequestLog>,
    /// The configuration of the clients.
    pub config: AwsConfig,
    runtime: Runtime,
}

/// A clock that runs faster than the machine's, so that retry budgets of minutes are spent in seconds.
#[derive(Debug)]
struct FastClock(Instant);

impl PublishClock for FastClock {
    fn now(&self) -> Duration {
        self.0.elapsed() * SPEEDUP
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(time / SPEEDUP))
    }
}

impl Region {
    /// A region without delays and faults, with its state in a folder.
    pub fn start(folder: &Path) -> Self {
        Self::with(folder, |_| {})
    }

    /// The same with the configuration that `set` changes.
    ///
    /// # Panics
    /// When it does not start.
    pub fn with(folder: &Path, set: impl FnOnce(&mut amiforge_emulator::RegionConfig)) -> Self {
        Self::with_attempt_timeout(folder, None, set)
    }

    /// The same, with clients that wait at most `attempt` for a response.
    ///
    /// # Panics
    /// When it does not start.
    pub fn with_attempt_timeout(
        folder: &Path,
        attempt: Option<Duration>,
        set: impl FnOnce(&mut amiforge_emulator::RegionConfig),
    ) -> Self {
        let request_log = Arc::new(RequestLog::new());
        let mut config = amiforge_emulator::RegionConfig::new(folder);
        config.request_log = Some(Arc::clone(&request_log));
        set(&mut config);
        let running = RegionServer::start(config).expect("the local region starts");
        let runtime = Runtime::new().expect("a runtime");
        let options = ConnectOptions {
            region: Some("local".to_owned()),
            profile: None,
            endpoint: Some(running.endpoint()),
            keys: Some(AccessKeys { id: ACCESS_KEY_ID.to_owned(), secret: SECRET_ACCESS_KEY.to_owned() }),
            attempt_timeout: attempt,
        };
        let config = runtime.block_on(AwsConfig::load(&options)).expect("a configuration");
        Self { running, request_log, config, runtime }
    }

    /// The clients, on the accelerated clock.
    pub fn services(&self) -> Services<EbsClient, SnapshotsClient> {
        Services {
            ebs: Arc::new(self.config.ebs()),
            ec2: Arc::new(self.config.snapshots()),
            timer: Timer::new(Arc::new(FastClock(Instant::now())), 7),
            region: self.config.region().to_owned(),
        }
    }

    /// Runs a future to its end.
    pub fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.runtime.block_on(work)
    }

    /// Injects faults by a script, which replaces the one before.
    pub fn inject(&self, faults: FaultScript) {
        self.running.region().set_faults(faults);
    }

    /// The number of requests of an action that succeeded.
    pub fn successes(&self, action: &str) -> usize {
        self.request_log.successes().get(action).copied().unwrap_or(0)
    }

    /// Every request of an action, in the order of arrival.
    pub fn requests(&self, action: &str) -> Vec<LoggedRequest> {
        self.request_log.requests().into_iter().filter(|seen| seen.action == action).collect()
    }
}
