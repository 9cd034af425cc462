//! The task of the service that makes a snapshot of the object: begins it, shows what it does, and waits for its end.

use std::time::Duration;

use super::ImportRun;
use super::ledger::ImportEntry;
use crate::api::Ebs;
use crate::api::ec2::Ec2;
use crate::api::imports::{ImportCalls, ImportTask};
use crate::error::{PublishError, call_failed};
use crate::retry::{CallStep, NoObserver, RetryExhausted, retry};
use crate::service_error::ServiceErrorKind;

/// First and longest interval between two polls.
const POLL_INTERVALS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(15)];
/// Interval at which the interrupt is checked while waiting.
const INTERRUPT_POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Maximum time for the cancellation of the task after an interrupt.
const CANCEL_TIMEOUT: Duration = Duration::from_millis(1500);
/// The states of a task that goes on. Every other one ends the wait, so that no new word makes it endless.
const ACTIVE: [&str; 5] = ["", "pending", "active", "converting", "deleting"];

impl<E: Ebs, C: Ec2, I: ImportCalls> ImportRun<'_, E, C, I> {
    /// Runs the task to its end; returns the id of the snapshot. An interrupt cancels the task.
    pub(super) async fn run_task(&self, entry: &mut ImportEntry) -> Result<String, PublishError> {
        let outcome = self.follow_task(entry).await;
        if matches!(outcome, Err(PublishError::Interrupted)) {
            self.cancel_after_interrupt(entry).await?;
        }
        outcome
    }

    async fn follow_task(&self, entry: &mut ImportEntry) -> Result<String, PublishError> {
        let id = match entry.task.clone() {
            Some(id) => id,
            None => self.begin_task(entry).await?,
        };
        self.monitor.progress.begin("importing", None);
        let outcome = self.wait_for(&id, entry).await;
        self.monitor.progress.end();
        outcome
    }

    async fn begin_task(&self, entry: &mut ImportEntry) -> Result<String, PublishError> {
        let import = entry.new_import();
        let call = || self.calls.import_snapshot(&import);
        let begun = retry(&self.services.timer, CallStep::Idempotent, &NoObserver, call).await;
        let id = begun.map_err(|exhausted| self.not_begun(entry, exhausted))?;
        entry.task = Some(id.clone());
        self.ledger.save(entry)?;
        Ok(id)
    }

    /// The error of a refused `ImportSnapshot`. The service reports a role that is missing, not trusted or not allowed
    /// enough with a general code.
    fn not_begun(&self, entry: &ImportEntry, exhausted: RetryExhausted) -> PublishError {
        if exhausted.error.message.contains("service role") {
            return PublishError::ImportRole {
                role: self.options.role_name().to_owned(),
                bucket: entry.bucket.clone(),
                source: exhausted,
            };
        }
        call_failed(format!("importing {}", entry.url()))(exhausted)
    }

    async fn wait_for(&self, id: &str, entry: &mut ImportEntry) -> Result<String, PublishError> {
        let timer = &self.services.timer;
        let (started, mut interval) = (timer.now(), POLL_INTERVALS[0]);
        let mut reported = String::new();
        loop {
            let task =
                retry(timer, CallStep::EventuallyConsistent, &NoObserver, || self.calls.import_task(id))
                    .await;
            let task = match task {
                Err(exhausted) if exhausted.error.kind == ServiceErrorKind::NotFound => {
                    // The next run begins another one.
                    entry.drop_task();
                    self.ledger.save(entry)?;
                    return Err(call_failed(format!("asking for {id}"))(exhausted));
                }
                task => task.map_err(call_failed(format!("asking for {id}")))?,
            };
            let waited = timer.now().saturating_sub(started);
            match (task.state.as_str(), task.snapshot.clone()) {
                ("completed", Some(snapshot)) => return Ok(snapshot),
                (state, _) if ACTIVE.contains(&state) && waited < self.options.wait => {
                    self.report(id, &task, &mut reported);
                }
                (state, _) if ACTIVE.contains(&state) => {
                    return Err(PublishError::StillPending {
                        snapshot: id.to_owned(),
                        state: state.to_owned(),
                        seconds: waited.as_secs(),
                    });
                }
                _ => return self.ended(id, task, entry),
            }
            self.pause(interval).await?;
            interval = (interval * 3 / 2).min(POLL_INTERVALS[1]);
        }
    }

    /// A task that ended without a snapshot.
    fn ended(&self, id: &str, task: ImportTask, entry: &mut ImportEntry) -> Result<String, PublishError> {
        entry.drop_task();
        self.ledger.save(entry)?;
        let message = task.message.unwrap_or_else(|| "it gives no reason".to_owned());
        Err(PublishError::ImportFailed { task: id.to_owned(), state: task.state, message })
    }

    /// Shows the progress of a task when it changed.
    fn report(&self, id: &str, task: &ImportTask, reported: &mut String) {
        let progress = task.progress.as_ref().map(|progress| format!(" {progress} %")).unwrap_or_default();
        let message = task.message.as_deref().unwrap_or(&task.state);
        let line = format!("{id}:{progress} {message}");
        if *reported != line {
            self.monitor.progress.message(&line);
            *reported = line;
        }
    }

    async fn pause(&self, time: Duration) -> Result<(), PublishError> {
        let end = self.services.timer.now() + time;
        loop {
            if self.monitor.cancel.is_cancelled() {
                return Err(PublishError::Interrupted);
            }
            let remaining = end.saturating_sub(self.services.timer.now());
            if remaining.is_zero() {
                return Ok(());
            }
            self.services.timer.sleep(remaining.min(INTERRUPT_POLL_INTERVAL)).await;
        }
    }

    /// Cancels the task once, without retries: the program is to end. If it cannot be cancelled, the next run finds it.
    async fn cancel_after_interrupt(&self, entry: &mut ImportEntry) -> Result<(), PublishError> {
        let Some(id) = entry.task.clone() else { return Ok(()) };
        let cancelled = tokio::time::timeout(CANCEL_TIMEOUT, self.calls.cancel_import(&id)).await;
        if matches!(cancelled, Ok(Ok(()))) {
            self.monitor.progress.message(&format!("{id} is cancelled; the object stays for the next run"));
            entry.drop_task();
            self.ledger.save(entry)?;
        }
        Ok(())
    }
}
