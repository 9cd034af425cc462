//! `--dry-run` of the commands for the life of an AMI: shows their calls and the least IAM policy, as text or JSON.

use std::io::Write as _;
use std::path::Path;

use amiforge_lifecycle::call_plan::{CallPlan, blocks};

use super::region;
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::ui::{Ui, written};

/// `--dry-run` of a command that changes nothing, of which only the calls are of interest.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(skip)]
pub(crate) struct DryRunArgs {
    /// Print the calls of the region and the IAM policy that they need; makes no call, and does nothing else
    #[arg(long)]
    dry_run: bool,
}

impl DryRunArgs {
    /// Shows the calls in the region that is named, if this was asked for.
    pub(super) fn shown(
        &self,
        title: &str,
        aws: &region::Args,
        plan: impl FnOnce(&str) -> CallPlan,
        ui: &Ui,
    ) -> Option<CommandResult> {
        let show = || {
            let region = named_region(aws)?;
            show(&format!("{title} in {region}"), &plan(&region), ui)
        };
        self.dry_run.then(show)
    }

    /// Shows the calls that read the blocks of a snapshot or of an AMI, if this was asked for. `verb` says what for.
    pub(super) fn shown_for_blocks(
        &self,
        verb: &str,
        target: &Path,
        aws: &region::Args,
        ui: &Ui,
    ) -> Option<CommandResult> {
        match target.to_str().map(region::resource_id) {
            Some(Ok(id)) => self.shown(&format!("{verb} {id}"), aws, |region| blocks(region, &id), ui),
            _ => self.refuse_local(format!("cannot {verb} `{}`", target.display())).err().map(Err),
        }
    }

    /// Whether it was asked for.
    pub(super) fn is_given(&self) -> bool {
        self.dry_run
    }

    /// Refuses the option for what is on this machine. `cannot` is the first line of the failure.
    pub(super) fn refuse_local(&self, cannot: String) -> Result<(), Failure> {
        if !self.dry_run {
            return Ok(());
        }
        let fact = "`--dry-run` shows the calls of a region, and none is called for what is on this machine";
        Err(Failure::usage(anyhow::anyhow!(fact).context(cannot)))
    }
}

/// The region of a dry run, which makes no call and reads no profile.
pub(super) fn named_region(aws: &region::Args) -> Result<String, Failure> {
    region::named_region(aws).ok_or_else(no_region)
}

/// The failure of a dry run for which no region is named.
pub(super) fn no_region() -> Failure {
    Failure::usage(anyhow::anyhow!("a dry run makes no calls, so the region must be named"))
        .hint("add `--region eu-west-1`, or set AWS_REGION")
}

/// Shows a plan under a title.
pub(super) fn show(title: &str, plan: &CallPlan, ui: &Ui) -> CommandResult {
    if ui.json() {
        ui.object(plan)?;
        return Ok(Outcome::Success);
    }
    let mut out = ui.out();
    let mut write = || {
        writeln!(out, "{title}\n\ncalls:")?;
        for call in &plan.calls {
            writeln!(out, "  {:<38} {:<16} {}", call.action, call.region, call.purpose)?;
        }
        if !plan.notes.is_empty() {
            writeln!(out, "\nnot known without a call, and costs:")?;
            for note in &plan.notes {
                writeln!(out, "  {note}")?;
            }
        }
        writeln!(out, "\nIAM policy:\n{:#}", plan.policy)?;
        out.flush()
    };
    written(write())?;
    Ok(Outcome::Success)
}
