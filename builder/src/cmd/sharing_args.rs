//! What `share` and `unshare` have in common: the arguments that name an AMI, their result, and their failures with
//! hints.

use amiforge_lifecycle::sharing::{
    ImageSelector, PermissionReport, RegionOutcome, RegionScope, SharingError,
};
use serde::Serialize;

use super::{ami_args, region};
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::ui::Ui;

/// The arguments that name an AMI and its copies.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct SharingTarget {
    /// The AMI
    #[arg(value_parser = region::image_id, required_unless_present = "name")]
    image: Option<String>,

    /// Name of the AMI, instead of its id
    #[arg(long, value_name = "NAME", conflicts_with = "image")]
    name: Option<String>,

    /// Further regions with a copy of it (same name, same tags): a list, or `all` that are enabled and have one
    #[arg(long, value_name = "REGION", value_delimiter = ',')]
    regions: Vec<String>,
}

impl SharingTarget {
    /// The id or the name.
    pub(super) fn text(&self) -> &str {
        self.image.as_deref().or(self.name.as_deref()).unwrap_or_default()
    }

    /// How the AMI is named.
    pub(super) fn selector(&self) -> ImageSelector {
        match (&self.image, &self.name) {
            (Some(id), _) => ImageSelector::Id(id.clone()),
            (None, name) => ImageSelector::Name(name.clone().unwrap_or_default()),
        }
    }

    /// The further regions.
    pub(super) fn scope(&self) -> RegionScope {
        match self.regions.as_slice() {
            [] => RegionScope::Home,
            names if names.iter().any(|name| name == "all") => RegionScope::All,
            names => RegionScope::Listed(names.to_vec()),
        }
    }
}

/// A region of the result, as `--json` shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RegionJson<'a> {
    region: &'a str,
    #[serde(flatten)]
    report: Option<&'a PermissionReport>,
    error: Option<String>,
}

/// Shows the outcome of each region; a region that failed is a failure.
pub(super) fn finish(outcomes: Vec<RegionOutcome>, verb: &str, cannot: &str, ui: &Ui) -> CommandResult {
    let shown: Vec<_> = outcomes.iter().map(json).collect();
    if ui.json() {
        ui.object(&serde_json::json!({ "regions": shown }))?;
    }
    for outcome in &outcomes {
        if let Ok(report) = &outcome.outcome {
            show(report, verb, ui)?;
        }
    }
    let all = outcomes.len();
    let mut failed: Vec<_> =
        outcomes.into_iter().filter_map(|one| Some((one.region, one.outcome.err()?))).collect();
    if failed.is_empty() {
        return Ok(Outcome::Success);
    }
    let names: Vec<_> = failed.iter().map(|(region, _)| region.clone()).collect();
    let (_, first) = failed.swap_remove(0);
    let cannot = format!("{cannot} in {} of {all} regions: {}", names.len(), names.join(", "));
    let mut failure = failure(first, cannot);
    failure.hint.get_or_insert_with(|| "the same command completes what is missing".to_owned());
    Err(failure)
}

fn json(outcome: &RegionOutcome) -> serde_json::Value {
    let error = outcome.outcome.as_ref().err().map(|error| {
        let chain = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
        chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    });
    let shown = RegionJson { region: &outcome.region, report: outcome.outcome.as_ref().ok(), error };
    // Strings and lists of them can always be serialized.
    serde_json::to_value(shown).unwrap_or_default()
}

fn show(report: &PermissionReport, verb: &str, ui: &Ui) -> Result<(), Failure> {
    for note in &report.notes {
        ui.status(format_args!("{}: {note}", report.region));
    }
    if ui.json() {
        return Ok(());
    }
    let changed = |changed: &[String]| match changed {
        [] => "nothing to change".to_owned(),
        who => format!("{verb} {}", who.join(", ")),
    };
    ui.line(format_args!("{} {} {}", report.region, report.image_id, changed(&report.changed)))?;
    for snapshot in &report.snapshots {
        ui.line(format_args!("{} {} {}", report.region, snapshot.snapshot_id, changed(&snapshot.changed)))?;
    }
    Ok(())
}

/// A failure with its hint.
pub(super) fn failure(error: SharingError, cannot: String) -> Failure {
    let hint = match error {
        SharingError::Ami(error) => return ami_args::failure(error, cannot, None),
        SharingError::NoImage { ref region, .. } => {
            Some(format!("is {region} the right region, and the AMI one of this account?"))
        }
        SharingError::PublicBlocked { ref region, what: "AMIs" } => Some(format!(
            "`aws ec2 disable-image-block-public-access --region {region}` takes the block off (it may take ten minutes)"
        )),
        SharingError::PublicBlocked { ref region, .. } => Some(format!(
            "`aws ec2 disable-snapshot-block-public-access --region {region}` takes the block off; without \
             `--public-snapshots` they stay private"
        )),
        SharingError::PublicQuota { .. } => Some(
            "make another AMI private, ask AWS for a higher quota of `Public AMIs`, or say with `--public-quota N` that it \
             is higher already"
                .to_owned(),
        ),
        SharingError::EncryptedPublic { .. } => {
            Some("publish the bundle again without encryption; encryption cannot be taken off".to_owned())
        }
        SharingError::ManagedKey { ref image, ref region, .. } => Some(format!(
            "copy it with a key of your own whose policy lets the others use it: `amiforge copy {image} --region {region} \
             --to {region} --name NEW-NAME --kms-key alias/…`, and share the copy"
        )),
        SharingError::TooMany { .. } => Some("share with an organisation instead".to_owned()),
        SharingError::Changed { .. } => {
            Some("another operator may have changed them at the same time; the same command sets them again".to_owned())
        }
        _ => None,
    };
    let failure = Failure::from(anyhow::Error::from(error).context(cannot));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
