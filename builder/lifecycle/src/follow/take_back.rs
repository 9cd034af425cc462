//! Takes a run back: default versions, `$Latest`, and the instances of every group that this run touched.
//!
//! What new launches use comes first, so that no further instance gets the image; then the groups, the last one first.

use std::time::Duration;

use amiforge_publish::retry::RetryExhausted;

use super::apply::{FollowRun, token};
use super::error::FollowError;
use super::marker;
use super::plan::{GroupPlan, UsePlan, number_of};
use super::refresh::RefreshEnd;
use super::request::WaitPolicy;
use super::source::{self, GroupSelector};
use super::survey::active_refresh;
use super::verify;
use crate::api::groups::{Groups, Refresh, RefreshPreferences, RefreshStart};
use crate::api::templates::{NewVersion, Templates};

/// How often the running refresh of a group is looked at: each look ends one.
const LOOKS: u32 = 4;

impl<G: Groups, T: Templates> FollowRun<'_, G, T> {
    /// Takes everything back, and returns the error that says so.
    pub(super) async fn take_back(&self, group: &str, what: String) -> FollowError {
        self.region.say(&format!("{group}: the instance refresh {what}; taking everything back"));
        let group = group.to_owned();
        let rest = self.take_all_back().await;
        if rest.is_empty() {
            return FollowError::TakenBack { group, what };
        }
        FollowError::NotTakenBack { group, what, rest: rest.join("; ") }
    }

    /// Returns what could not be taken back.
    async fn take_all_back(&self) -> Vec<String> {
        let mut rest = Vec::new();
        let mut templates: Vec<String> = Vec::new();
        for planned in &self.plan.groups {
            for one in &planned.uses {
                if matches!(one.selector, GroupSelector::Number(_)) || templates.contains(&one.template) {
                    continue;
                }
                templates.push(one.template.clone());
                if let Err(error) = self.take_template_back(one).await {
                    rest.push(chain(&error));
                }
            }
        }
        for planned in self.plan.groups.iter().rev() {
            let shares = planned.uses.iter().any(|one| {
                !matches!(one.selector, GroupSelector::Number(_)) && templates.contains(&one.template)
            });
            if (shares || self.touched.contains(&planned.name))
                && let Err(error) = self.take_group_back(planned).await
            {
                rest.push(format!("`{}`: {}", planned.name, chain(&error)));
            }
        }
        rest
    }

    /// Lets a selector stand again for what it stood for.
    async fn take_template_back(&self, one: &UsePlan) -> Result<(), FollowError> {
        let id = &one.template;
        let Some((source, old_image)) = &one.previous else { return Ok(()) };
        let Some(to) = number_of(id, one.target, &self.made) else { return Ok(()) };
        let template = self.read_template(id).await?;
        match one.selector {
            GroupSelector::Default if template.default == to => {
                self.write_default(id, *source).await?;
                self.region.say(&format!("{id}: version {source} is the default again"));
            }
            GroupSelector::Latest if template.latest == to => {
                let Some(image) = old_image else { return Ok(()) };
                let new = NewVersion {
                    template: id.clone(),
                    source: *source,
                    image: image.clone(),
                    description: marker::take_back(to, *source),
                    token: token(&["take back", id, &to.to_string(), &source.to_string()]),
                };
                self.create(&new).await?;
            }
            // Another operator has moved it meanwhile: it is theirs.
            _ => self.region.say(&format!("{id}: moved by another operator, left as it is")),
        }
        Ok(())
    }

    /// Brings the instances of a group back.
    async fn take_group_back(&self, planned: &GroupPlan) -> Result<(), FollowError> {
        let WaitPolicy::UntilDone { stall } = self.request.wait else { return Ok(()) };
        for _ in 0..LOOKS {
            let Some(running) = active_refresh(self.region, &planned.name).await? else { break };
            self.stop(planned, &running).await?;
            self.wait(&planned.name, &running.id, stall).await?;
        }
        self.refresh_back(planned, stall).await
    }

    /// Begins to roll a running refresh back, or to cancel it where that is impossible.
    async fn stop(&self, planned: &GroupPlan, running: &Refresh) -> Result<(), FollowError> {
        let group = &planned.name;
        if running.is_rollback() || running.status == "Cancelling" {
            return Ok(());
        }
        if planned.reversible && running.desired.is_some() {
            let rolled = self.region.attempt(|| self.region.groups.rollback_refresh(group)).await;
            match rolled {
                Err(failed) if has_code(&failed, "IrreversibleInstanceRefresh") => {}
                other => return settled(other, format!("rolling the instance refresh of `{group}` back")),
            }
        }
        let cancelled = self.region.attempt(|| self.region.groups.cancel_refresh(group)).await;
        settled(cancelled, format!("cancelling the instance refresh of `{group}`"))
    }

    /// Replaces the instances that run the image by another refresh, if there are any.
    async fn refresh_back(&self, planned: &GroupPlan, stall: Duration) -> Result<(), FollowError> {
        let (group, instances) = verify::read_group(self.region, &planned.name).await?;
        let is_moved = !source::same(&group.source, &planned.before);
        let new = group.instances.iter().filter(|instance| !instance.is_leaving()).any(|instance| {
            instances.get(&instance.id).and_then(|one| one.image.as_deref()) == Some(self.plan.image.as_str())
        });
        if !is_moved && (!new || !self.changes_image(planned)) {
            return Ok(());
        }
        let given = &self.request.preferences;
        let start = RefreshStart {
            group: planned.name.clone(),
            desired: is_moved.then(|| planned.before.clone()),
            preferences: RefreshPreferences {
                min_healthy: given.min_healthy,
                max_healthy: given.max_healthy,
                warmup: given.warmup,
                skip_matching: self.request.target.parameter.is_none(),
                ..RefreshPreferences::default()
            },
        };
        let id = self.start_or_join(&start).await?;
        match self.wait(&planned.name, &id, stall).await? {
            RefreshEnd::Successful => Ok(()),
            RefreshEnd::Bad(what) => Err(FollowError::Back { group: planned.name.clone(), what }),
            RefreshEnd::Cancelled(percentage) => {
                Err(FollowError::Cancelled { group: planned.name.clone(), percentage })
            }
        }
    }

    /// Whether the group launches another image when it is taken back. A template that refers to a parameter does only
    /// if the parameter is set back.
    fn changes_image(&self, planned: &GroupPlan) -> bool {
        let differs = |one: &UsePlan| {
            one.previous.as_ref().is_some_and(|(_, image)| image.as_deref() != Some(self.plan.text.as_str()))
        };
        !planned.images.is_empty() || planned.uses.iter().any(differs)
    }
}

fn has_code(failed: &RetryExhausted, code: &str) -> bool {
    failed.error.code.as_deref() == Some(code)
}

/// A refresh that ended meanwhile needs no stop.
fn settled(result: Result<(), RetryExhausted>, action: String) -> Result<(), FollowError> {
    match result {
        Err(failed) if has_code(&failed, "ActiveInstanceRefreshNotFound") => Ok(()),
        other => other.map_err(|source| FollowError::Call { action, source }),
    }
}

/// An error and its causes in one line.
fn chain(error: &FollowError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
