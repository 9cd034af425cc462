//! The region of a follow: its clients, timer and progress, and the calls with their retries.

use std::future::Future;

use amiforge_progress::Monitor;
use amiforge_publish::retry::{CallStep, NoObserver, RetryExhausted, retry};
use amiforge_publish::service_error::ServiceError;
use amiforge_publish::timer::Timer;

use super::error::FollowError;

/// A region in which a fleet follows.
#[derive(Clone, Copy)]
pub struct FollowRegion<'a, G, T> {
    /// Its name.
    pub name: &'a str,
    /// Auto Scaling.
    pub groups: &'a G,
    /// EC2.
    pub templates: &'a T,
    /// Clock and random source.
    pub timer: &'a Timer,
    /// Hears of progress.
    pub monitor: Monitor<'a>,
}

impl<G, T> std::fmt::Debug for FollowRegion<'_, G, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FollowRegion").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<G, T> FollowRegion<'_, G, T> {
    /// Calls until it succeeds or the budget of an idempotent call is spent. `action` is a gerund with its object.
    pub(super) async fn call<V, F, C>(&self, action: impl Into<String>, call: C) -> Result<V, FollowError>
    where
        C: FnMut() -> F,
        F: Future<Output = Result<V, ServiceError>>,
    {
        self.attempt(call).await.map_err(|source| FollowError::Call { action: action.into(), source })
    }

    /// The same, with the error of the last call for the caller to judge.
    pub(super) async fn attempt<V, F, C>(&self, call: C) -> Result<V, RetryExhausted>
    where
        C: FnMut() -> F,
        F: Future<Output = Result<V, ServiceError>>,
    {
        retry(self.timer, CallStep::Idempotent, &NoObserver, call).await
    }

    /// Reports an event.
    pub(super) fn say(&self, text: &str) {
        self.monitor.progress.message(text);
    }
}
