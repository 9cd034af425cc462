//! The services of a run: every call counts, and may fail, lose its answer, meet another operator, or be the last one.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use amiforge_publish::timer::PublishClock;

use crate::world::World;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Throttled,
    /// The request did not arrive.
    Lost,
    /// The answer did not arrive.
    LostAnswer,
    Denied,
}

/// A step of another operator.
pub(crate) type OtherStep = fn(&mut World);

/// What a run has in store.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// The seed of the faults.
    pub(crate) seed: u64,
    /// One in this many calls fails; zero for none.
    pub(crate) one_in: u64,
    /// The call at which the process is killed, and whether the call takes effect.
    pub(crate) kill: Option<(u64, bool)>,
    /// The call before which another operator acts.
    pub(crate) other: Option<(u64, OtherStep)>,
}

impl Script {
    pub(crate) fn quiet() -> Self {
        Self { seed: 0, one_in: 0, kill: None, other: None }
    }
}

#[derive(Debug)]
struct Shared {
    world: World,
    script: Script,
    calls: u64,
    killed: bool,
    log: Vec<String>,
}

/// The services. Clones share the world.
#[derive(Debug, Clone)]
pub(crate) struct Services(Arc<Mutex<Shared>>);

impl Services {
    pub(crate) fn new(world: World) -> Self {
        let script = Script::quiet();
        Self(Arc::new(Mutex::new(Shared { world, script, calls: 0, killed: false, log: Vec::new() })))
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap()
    }

    pub(crate) fn world<R>(&self, look: impl FnOnce(&mut World) -> R) -> R {
        look(&mut self.lock().world)
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.lock().log.clone()
    }

    /// The number of calls of the last run.
    pub(crate) fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Runs a future with a script; `None` if the process was killed.
    pub(crate) fn run<F: Future>(&self, script: Script, work: F) -> Option<F::Output> {
        {
            let mut shared = self.lock();
            (shared.script, shared.calls, shared.killed) = (script, 0, false);
            shared.log.clear();
        }
        let mut work = Box::pin(work);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            match work.as_mut().poll(&mut context) {
                Poll::Ready(output) => return Some(output),
                Poll::Pending if self.lock().killed => return None,
                Poll::Pending => {}
            }
        }
    }

    /// Makes a call. `effect` reads or changes the world.
    pub(crate) async fn call<V>(
        &self,
        name: String,
        effect: impl FnOnce(&mut World) -> Result<V, ServiceError>,
    ) -> Result<V, ServiceError> {
        let answer = self.act(name, effect);
        match answer {
            Some(answer) => answer,
            // The process is gone: the caller is dropped while it waits.
            None => std::future::pending().await,
        }
    }

    fn act<V>(
        &self,
        name: String,
        effect: impl FnOnce(&mut World) -> Result<V, ServiceError>,
    ) -> Option<Result<V, ServiceError>> {
        let mut shared = self.lock();
        shared.calls += 1;
        let number = shared.calls;
        shared.log.push(name);
        shared.world.advance(1);
        if let Some((at, step)) = shared.script.other
            && at == number
        {
            step(&mut shared.world);
        }
        if let Some((at, takes_effect)) = shared.script.kill
            && at == number
        {
            shared.killed = true;
            if takes_effect {
                let _ = effect(&mut shared.world);
            }
            return None;
        }
        let error = |kind| ServiceError::local(kind, "on purpose");
        Some(match fault(&shared.script, number) {
            Fault::None => effect(&mut shared.world),
            Fault::Throttled => Err(error(ServiceErrorKind::Throttled)),
            Fault::Lost => Err(error(ServiceErrorKind::Transport)),
            Fault::Denied => Err(error(ServiceErrorKind::Denied)),
            Fault::LostAnswer => {
                let _ = effect(&mut shared.world);
                Err(error(ServiceErrorKind::Transport))
            }
        })
    }
}

fn fault(script: &Script, number: u64) -> Fault {
    let random = mix(script.seed.wrapping_mul(0x9e37_79b9).wrapping_add(number));
    if script.one_in == 0 || !random.is_multiple_of(script.one_in) {
        return Fault::None;
    }
    match (random >> 32) % 32 {
        0 => Fault::Denied,
        1..=10 => Fault::Throttled,
        11..=20 => Fault::Lost,
        _ => Fault::LostAnswer,
    }
}

/// `SplitMix64`.
pub(crate) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A clock on which sleeping takes no time, and lets time pass in the world.
#[derive(Debug)]
pub(crate) struct WorldClock(pub(crate) Services);

impl PublishClock for WorldClock {
    fn now(&self) -> Duration {
        Duration::from_secs(self.0.world(|world| world.now))
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.0.world(|world| world.advance(time.as_secs().max(1)));
        Box::pin(std::future::ready(()))
    }
}
