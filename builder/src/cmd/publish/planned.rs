//! `--as-planned`: the plan of the publication that a hand-over brings.

use amiforge_handover::contents::PUBLICATION;
use amiforge_publish::source::ImageSource;
use amiforge_trust::policy::SigningPolicy;

use super::Args;
use crate::cmd::handover;
use crate::outcome::Failure;
use crate::ui::Ui;

/// The arguments with what the plan says, where no option says otherwise; `None` if they do not ask for it. Where a policy
/// is given, the plan has to be signed as the bundle is: it decides with whom the image is shared.
pub(super) fn with_plan(
    args: &Args,
    source: &ImageSource,
    policy: Option<&SigningPolicy>,
    ui: &Ui,
) -> Result<Option<Args>, Failure> {
    let documents = source.documents();
    if !args.as_planned {
        if documents.is_some_and(|documents| documents.contains_key(PUBLICATION)) {
            ui.status("the hand-over has a plan of the publication: `--as-planned` takes it");
        }
        return Ok(None);
    }
    let usage = |fact: &str| Failure::usage(anyhow::anyhow!(fact.to_owned()).context(args.cannot()));
    let (Some(documents), Some(manifest), Some(sha256)) =
        (documents, source.manifest(), source.manifest_sha256())
    else {
        return Err(usage("`--as-planned` is about the plan of a hand-over, and this is none"));
    };
    let plan = handover::plan(documents, (&manifest.origin.name, sha256), policy);
    let plan = plan.map_err(|reason| anyhow::anyhow!(reason).context(args.cannot()))?;
    let Some(plan) = plan else {
        return Err(usage("the hand-over has no plan of the publication").hint("leave `--as-planned` out"));
    };
    for line in plan.lines() {
        ui.status(format_args!("planned: {line}"));
    }
    let mut planned = args.clone();
    planned.to.ami.fill(&plan);
    if planned.to.copying.copy_to.is_empty() {
        planned.to.copying.copy_to = plan.copy_to;
    }
    planned.to.aws.region = planned.to.aws.region.or(plan.region);
    Ok(Some(planned))
}
