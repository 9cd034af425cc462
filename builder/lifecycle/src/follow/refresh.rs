//! The instance refresh of one group, from its start to its end.

use std::time::Duration;

use amiforge_publish::timer::WaitOutcome;

use super::apply::FollowRun;
use super::error::{Conflict, FollowError};
use super::outdated::Outdated;
use super::plan::{FollowNeed, GroupPlan};
use super::report::{FollowedGroup, GroupOutcome};
use super::request::WaitPolicy;
use super::source;
use super::survey::active_refresh;
use super::verify;
use crate::api::groups::{Groups, LaunchSource, Refresh, RefreshPreferences, RefreshStart};
use crate::api::templates::Templates;

/// First and longest interval between two polls.
const POLL_INTERVALS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(15)];

/// The service's default pause at a checkpoint.
const CHECKPOINT_DELAY: u64 = 3600;

/// How often a group is refreshed again because instances run another image although its refresh succeeded: they were
/// launched before a version or a default was in effect.
const ROUNDS: u32 = 2;

/// The end of a refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RefreshEnd {
    /// It succeeded.
    Successful,
    /// It failed, was rolled back, or hung; with what happened.
    Bad(String),
    /// It was cancelled, at this percentage.
    Cancelled(u64),
}

impl<G: Groups, T: Templates> FollowRun<'_, G, T> {
    /// Lets a group follow.
    pub(super) async fn refresh(&mut self, planned: &GroupPlan) -> Result<(), FollowError> {
        let mut need = planned.need.clone();
        let mut refresh = None;
        for round in 0..=ROUNDS {
            if need == FollowNeed::Nothing {
                let outcome = if round == 0 { GroupOutcome::Already } else { GroupOutcome::Followed };
                self.finish(planned, outcome, refresh, 0);
                return Ok(());
            }
            self.touched.push(planned.name.clone());
            let id = match &need {
                FollowNeed::Join(id) => id.clone(),
                _ => self.start(planned, need == FollowNeed::RefreshRest).await?,
            };
            refresh = Some(id.clone());
            let WaitPolicy::UntilDone { stall } = self.request.wait else {
                self.finish(planned, GroupOutcome::Started, refresh, planned.outdated);
                return Ok(());
            };
            match self.wait(&planned.name, &id, stall).await? {
                RefreshEnd::Successful => {}
                RefreshEnd::Cancelled(percentage) => {
                    let group = planned.name.clone();
                    return Err(FollowError::Cancelled { group, percentage });
                }
                RefreshEnd::Bad(what) => return Err(self.take_back(&planned.name, what).await),
            }
            let left = verify::outdated_now(self.region, self.plan, planned).await?;
            if left.is_empty() || self.is_partial() {
                self.finish(planned, GroupOutcome::Followed, refresh, left.len());
                return Ok(());
            }
            if round == ROUNDS {
                let example = |one: &Outdated| format!("{} runs {}", one.instance, one.image);
                let examples = left.iter().take(3).map(example).collect::<Vec<_>>().join(", ");
                return Err(FollowError::Drift { group: planned.name.clone(), count: left.len(), examples });
            }
            need = FollowNeed::RefreshRest;
        }
        Ok(())
    }

    /// Whether the last checkpoint leaves instances as they are.
    fn is_partial(&self) -> bool {
        self.request.preferences.checkpoints.last().is_some_and(|last| *last < 100)
    }

    fn finish(
        &mut self,
        planned: &GroupPlan,
        outcome: GroupOutcome,
        refresh: Option<String>,
        outdated: usize,
    ) {
        let name = planned.name.clone();
        self.groups.push(FollowedGroup { name, outcome, refresh, outdated });
    }

    /// Starts the refresh of a group and returns its id. `rest`: only for instances that do not match.
    async fn start(&self, planned: &GroupPlan, rest: bool) -> Result<String, FollowError> {
        let desired = if rest { None } else { planned.desired(self.plan, &self.made) };
        self.check_unchanged(planned, rest).await?;
        let given = &self.request.preferences;
        let refers = self.request.target.parameter.is_some();
        let preferences = RefreshPreferences {
            auto_rollback: given.auto_rollback && planned.reversible && desired.is_some(),
            // Matching compares versions, which stay the same when a parameter changes.
            skip_matching: (given.skip_matching || rest) && !refers,
            ..given.clone()
        };
        let start = RefreshStart { group: planned.name.clone(), desired, preferences };
        self.start_or_join(&start).await
    }

    /// Refuses a group whose configuration was changed since it was read.
    async fn check_unchanged(&self, planned: &GroupPlan, rest: bool) -> Result<(), FollowError> {
        let (group, _) = verify::read_group(self.region, &planned.name).await?;
        let desired = planned.desired(self.plan, &self.made);
        let is_new = desired.is_some_and(|desired| source::same(&group.source, &desired));
        if source::same(&group.source, &planned.before) || (rest && is_new) {
            return Ok(());
        }
        Err(Conflict::Group { group: planned.name.clone() }.into())
    }

    /// Starts a refresh. If one runs already it is joined if it is for the same configuration: the answer to an earlier
    /// attempt was lost, or another run was faster.
    pub(super) async fn start_or_join(&self, start: &RefreshStart) -> Result<String, FollowError> {
        let group = &start.group;
        let action = format!("starting an instance refresh of `{group}`");
        match self.region.attempt(|| self.region.groups.start_refresh(start)).await {
            Ok(id) => {
                self.region.say(&format!("{group}: instance refresh {id} started"));
                Ok(id)
            }
            Err(failed) if failed.error.code.as_deref() == Some("InstanceRefreshInProgress") => {
                let Some(running) = active_refresh(self.region, group).await? else {
                    // It ended meanwhile.
                    return self.region.call(action, || self.region.groups.start_refresh(start)).await;
                };
                if !is_same(running.desired.as_ref(), start.desired.as_ref()) || running.is_rollback() {
                    return Err(super::plan::conflict(group, &running).into());
                }
                Ok(running.id)
            }
            Err(source) => Err(FollowError::Call { action, source }),
        }
    }

    /// Waits for the end of a refresh.
    pub(super) async fn wait(
        &self,
        group: &str,
        id: &str,
        stall: Duration,
    ) -> Result<RefreshEnd, FollowError> {
        let limit = stall + self.pauses();
        let timer = self.region.timer;
        let mut progressed = timer.now();
        let mut interval = POLL_INTERVALS[0];
        let mut seen = None;
        loop {
            let action = format!("following the instance refresh {id} of `{group}`");
            let refreshes = self.region.call(action, || self.region.groups.describe_refreshes(group)).await?;
            let refresh = refreshes.into_iter().find(|refresh| refresh.id == id);
            if let Some(end) = refresh.as_ref().and_then(end) {
                return Ok(end);
            }
            let state = refresh.as_ref().map(|one| (one.status.clone(), one.percentage, one.left));
            if state != seen {
                progressed = timer.now();
                if let Some(refresh) = &refresh {
                    self.region.say(&progress_line(group, refresh));
                }
                seen = state;
            }
            let waited = timer.now().saturating_sub(progressed);
            if waited >= limit {
                return Ok(RefreshEnd::Bad(stalled(refresh.as_ref(), waited)));
            }
            if timer.wait(interval).await == WaitOutcome::Interrupted {
                return Err(FollowError::Interrupted);
            }
            interval = (interval * 3 / 2).min(POLL_INTERVALS[1]);
        }
    }

    /// The pauses that the preferences ask for: no sign of a refresh that hangs.
    fn pauses(&self) -> Duration {
        let preferences = &self.request.preferences;
        let checkpoint = if preferences.checkpoints.is_empty() {
            0
        } else {
            preferences.checkpoint_delay.unwrap_or(CHECKPOINT_DELAY)
        };
        Duration::from_secs(checkpoint + preferences.warmup.unwrap_or(0) + preferences.bake.unwrap_or(0))
    }
}

fn is_same(one: Option<&LaunchSource>, other: Option<&LaunchSource>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => source::same(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// The end of a refresh; `None` if it has not ended.
fn end(refresh: &Refresh) -> Option<RefreshEnd> {
    let reason = |text: &Option<String>| text.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
    Some(match refresh.status.as_str() {
        "Successful" => RefreshEnd::Successful,
        "Failed" => RefreshEnd::Bad(format!("failed at {} %{}", refresh.percentage, reason(&refresh.reason))),
        "Cancelled" => RefreshEnd::Cancelled(refresh.percentage),
        "RollbackSuccessful" => {
            RefreshEnd::Bad(format!("was rolled back{}", reason(&refresh.rollback_reason)))
        }
        "RollbackFailed" => {
            RefreshEnd::Bad(format!("was rolled back, and the rollback failed{}", reason(&refresh.reason)))
        }
        _ => return None,
    })
}

fn stalled(refresh: Option<&Refresh>, waited: Duration) -> String {
    let minutes = waited.as_secs() / 60;
    match refresh {
        None => format!("is not listed by the service after {minutes} minutes"),
        Some(refresh) => {
            let reason = refresh.reason.as_deref().unwrap_or("the service gives no reason");
            let left = refresh.left.map(|left| format!(" with {left} instances left")).unwrap_or_default();
            format!(
                "made no progress for {minutes} minutes: it is `{}` at {} %{left} ({reason})",
                refresh.status, refresh.percentage
            )
        }
    }
}

/// One line about a refresh that runs.
fn progress_line(group: &str, refresh: &Refresh) -> String {
    let left = refresh.left.map(|left| format!(", {left} instances left")).unwrap_or_default();
    let reason = refresh.reason.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
    format!("{group}: {} {} %{left}{reason}", refresh.status, refresh.percentage)
}
