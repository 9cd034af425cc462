//! `--dry-run` of the commands for the life of an AMI: shows their calls and the least IAM policy, as text or JSON.

use std::io::Write as _;

use amiforge_lifecycle::call_plan::CallPlan;

use super::region;
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::ui::{Ui, written};

/// The region of a dry run, which makes no call and reads no profile.
pub(super) fn named_region(aws: &region::Args) -> Result<String, Failure> {
    region::named_region(aws).ok_or_else(|| {
        Failure::usage(anyhow::anyhow!("a dry run makes no calls, so the region must be named"))
            .hint("add `--region eu-west-1`, or set AWS_REGION")
    })
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
