//! A region with a published bundle, and the check of a command in copies of it.

use amiforge_emulator::{FaultScript, InjectedFault};
use amiforge_tests::policy::{PreparedCase, Run, Stage, Unshown};
use serde_json::Value;

use super::publish::bundle;

/// A region with one published AMI, and the bundle `web-1` that it was made from.
pub(super) struct Published {
    pub(super) stage: Stage,
    pub(super) image: String,
    pub(super) snapshot: String,
}

/// An action that the runs of a case do not need.
pub(super) const fn unshown<'a>(action: &'a str, because: &'a str) -> Unshown<'a> {
    Unshown { action, because }
}

impl Published {
    /// Publishes with options.
    pub(super) fn new(options: &[&str]) -> Self {
        let stage = Stage::new();
        bundle(&stage, "web", 1);
        stage.bucket("backups");
        let command = [&["--json", "publish", "web-1", "--max-rate=0"], options].concat();
        let shown: Value = serde_json::from_str(&stage.must(&command)).expect("JSON");
        let text = |name: &str| shown[name].as_str().expect("an id").to_owned();
        Self { image: text("imageId"), snapshot: text("snapshotId"), stage }
    }

    /// Checks the policy of a command that is run once under it.
    pub(super) fn check(&self, command: &[&str], unshown: &[Unshown<'_>]) {
        self.check_optional(command, &[], unshown);
    }

    /// Checks the policy of a command whose operation fails on the side of the service at first, and that is run again: it
    /// deletes what the failure left.
    pub(super) fn check_failed(&self, operation: &str, command: &[&str], optional: &[&str]) {
        let story = |stage: &Stage, policy: &Value| {
            let failing = FaultScript::times(1, operation, InjectedFault::FailLater);
            let failed = Run::ends(stage.under_faults(policy, failing, command), 1);
            vec![failed, Run::succeeds(stage.under(policy, command))]
        };
        PreparedCase { stage: &self.stage, command, story: &story, optional, unshown: &[] }.check();
    }

    /// The same for a command that goes on without some actions, with a message that names them.
    pub(super) fn check_optional(&self, command: &[&str], optional: &[&str], unshown: &[Unshown<'_>]) {
        check(&self.stage, command, optional, unshown);
    }
}

/// Checks the policy of a command that is run once under it. It has to end as it does without a policy.
pub(super) fn check(stage: &Stage, command: &[&str], optional: &[&str], unshown: &[Unshown<'_>]) {
    let allowed = stage.copy().without(&[], command);
    let expected = allowed.status.code().expect("it ends by itself");
    assert!([0, 3].contains(&expected), "{command:?}: {}", String::from_utf8_lossy(&allowed.stderr));
    let story = |stage: &Stage, policy: &Value| vec![Run::ends(stage.under(policy, command), expected)];
    PreparedCase { stage, command, story: &story, optional, unshown }.check();
}
