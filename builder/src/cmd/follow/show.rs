//! The results of `amiforge follow` as text and JSON.

use std::io::Write as _;

use amiforge_lifecycle::call_plan::{PlannedCall, policy};
use amiforge_lifecycle::follow::{self, FollowPlan, FollowRequest, Following, GroupOutcome, GroupStatus};
use serde_json::{Value, json};

use super::args::Channel;
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::ui::{Ui, written};

/// Shows what was done.
pub(super) fn following(following: &Following, ui: &Ui) -> CommandResult {
    if ui.json() {
        ui.object(following)?;
        return Ok(Outcome::Success);
    }
    for template in &following.templates {
        let default = if template.is_default { ", the default" } else { "" };
        ui.line(format_args!(
            "{} {} version {} from {}{default}",
            template.id, template.name, template.version, template.source
        ))?;
    }
    for group in &following.groups {
        let outcome = match group.outcome {
            GroupOutcome::Already => "runs it already",
            GroupOutcome::Started => "refresh started",
            GroupOutcome::Followed => "follows",
        };
        let rest = match group.outdated {
            0 => String::new(),
            count => format!(", {count} instances run another image"),
        };
        ui.line(format_args!("{} {outcome} {}{rest}", group.name, following.image))?;
    }
    for kept in &following.kept {
        ui.status(format_args!("{}: {} stays, for {}", kept.group, kept.what, kept.types));
    }
    Ok(Outcome::Success)
}

/// Shows what would be done.
pub(super) fn dry_run(
    plan: &FollowPlan,
    request: &FollowRequest,
    region: &str,
    channel: Option<&Channel>,
    ui: &Ui,
) -> CommandResult {
    let parameter = channel.map(|channel| channel.parameter.as_str());
    let calls = follow::calls(plan, request, region, parameter);
    let policy = policy(&calls);
    if ui.json() {
        ui.object(&preview_json(plan, &calls, &policy))?;
    } else {
        preview_text(plan, &calls, &policy, region, ui)?;
    }
    Ok(Outcome::Success)
}

/// The plan as JSON.
fn preview_json(plan: &FollowPlan, calls: &[PlannedCall], policy: &Value) -> Value {
    let versions: Vec<_> = plan
        .versions
        .iter()
        .map(|version| {
            json!({ "template": version.template, "name": version.name, "source": version.source,
                    "existing": version.existing, "oldImage": version.old_image })
        })
        .collect();
    let groups: Vec<_> = plan
        .groups
        .iter()
        .map(|group| {
            json!({ "name": group.name, "outdated": group.outdated, "done": group.is_done(),
                    "joins": group.joins(), "desiredConfiguration": group.changes_configuration() })
        })
        .collect();
    json!({ "image": plan.image, "versions": versions, "groups": groups, "kept": plan.kept,
                       "calls": calls, "policy": policy })
}

/// Writes the plan as text.
fn preview_text(
    plan: &FollowPlan,
    calls: &[PlannedCall],
    policy: &Value,
    region: &str,
    ui: &Ui,
) -> Result<(), Failure> {
    let mut out = ui.out();
    let mut write = || {
        writeln!(out, "`{}` in {region}", plan.text)?;
        for version in &plan.versions {
            let (id, name, source) = (&version.template, &version.name, version.source);
            let old = version.old_image.as_deref().unwrap_or("no image");
            match version.existing {
                Some(number) => {
                    writeln!(out, "{id} {name}: version {number} was made already, from {source}")?;
                }
                None => writeln!(out, "{id} {name}: a version from {source}, with {old} replaced")?,
            }
        }
        for group in &plan.groups {
            let what = match (group.is_done(), group.joins()) {
                (true, _) => "runs it already".to_owned(),
                (false, Some(id)) => format!("refresh {id} runs already"),
                (false, None) => format!("a refresh; {} instances run another image", group.outdated),
            };
            writeln!(out, "{}: {what}", group.name)?;
        }
        for kept in &plan.kept {
            writeln!(out, "{}: {} stays, for {}", kept.group, kept.what, kept.types)?;
        }
        writeln!(out, "\ncalls:")?;
        for call in calls {
            let count = call.count.map_or_else(|| "some".to_owned(), |count| count.to_string());
            writeln!(out, "  {count:>8} {:<42} {}", call.action, call.purpose)?;
        }
        writeln!(
            out,
            "\nAWS also asks whether the caller may launch what the templates say: ec2:RunInstances, and iam:PassRole for \
             an instance profile."
        )?;
        writeln!(out, "\nIAM policy:\n{policy:#}")?;
        out.flush()
    };
    written(write())
}

/// Shows who follows.
pub(super) fn status(groups: &[GroupStatus], ui: &Ui) -> Result<(), Failure> {
    if ui.json() {
        return ui.object(&json!({ "groups": groups }));
    }
    for group in groups {
        let expected = group.expected.as_deref().unwrap_or("nothing says what it should run");
        let channel = group.channel.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
        let drift = if group.drift { "drifts from" } else { "follows" };
        let refresh = group.refresh.as_deref().map(|text| format!(", refresh {text}")).unwrap_or_default();
        let launches = group.launches.join(", ");
        ui.line(format_args!("{}{channel}: {drift} {expected}, launches {launches}{refresh}", group.name))?;
        for instance in &group.instances {
            let image = instance.image.as_deref().unwrap_or("unknown");
            ui.line(format_args!("  {} {:<12} {image}", instance.id, instance.state))?;
        }
    }
    Ok(())
}
