//! Waiting until the service has put a snapshot together.

use std::time::Duration;

use amiforge_progress::CancelToken;

use super::api::{DescribedSnapshot, Ebs, SnapshotCalls, SnapshotState};
use super::error::PublishError;
use super::services::Services;

/// The first wait between two questions, and the longest.
const POLL_INTERVALS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(15)];

/// How often an interrupt is looked at while waiting.
const INTERRUPT_POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Asks until a snapshot that was sealed is completed.
///
/// # Errors
/// [`PublishError::SnapshotFailed`] with the service's words, [`PublishError::StillPending`] after `limit`,
/// [`PublishError::Call`], [`PublishError::Interrupted`].
pub(super) async fn until_completed<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    id: &str,
    limit: Duration,
    cancel: &CancelToken,
) -> Result<DescribedSnapshot, PublishError> {
    let started = services.timer.now();
    let mut interval = POLL_INTERVALS[0];
    loop {
        let snapshot = services.await_snapshot(id).await?;
        let waited = services.timer.now().saturating_sub(started);
        match &snapshot.state {
            SnapshotState::Completed => return Ok(snapshot),
            SnapshotState::Error => return Err(snapshot_failed(&snapshot)),
            state if waited >= limit => {
                return Err(PublishError::StillPending {
                    snapshot: id.to_owned(),
                    state: state.as_str().to_owned(),
                    seconds: waited.as_secs(),
                });
            }
            _ => {}
        }
        pause(services, interval, cancel).await?;
        interval = (interval * 3 / 2).min(POLL_INTERVALS[1]);
    }
}

/// The failure of a snapshot that the service gave up.
pub(super) fn snapshot_failed(snapshot: &DescribedSnapshot) -> PublishError {
    let message = snapshot.state_message.clone().unwrap_or_else(|| "it gives no reason".to_owned());
    PublishError::SnapshotFailed { snapshot: snapshot.id.clone(), message }
}

async fn pause<E, S>(
    services: &Services<E, S>,
    time: Duration,
    cancel: &CancelToken,
) -> Result<(), PublishError> {
    let end = services.timer.now() + time;
    loop {
        if cancel.is_cancelled() {
            return Err(PublishError::Interrupted);
        }
        let remaining = end.saturating_sub(services.timer.now());
        if remaining.is_zero() {
            return Ok(());
        }
        services.timer.sleep(remaining.min(INTERRUPT_POLL_INTERVAL)).await;
    }
}
