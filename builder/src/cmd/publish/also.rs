//! `publish --also`: the same image in further regions, each with a profile of its own: other partitions, or other
//! accounts, which no copy reaches.

use std::path::Path;

use amiforge_progress::CancelToken;
use amiforge_publish::ami::{self, Published};
use amiforge_publish::request::{ImageFacts, Request};
use serde_json::{Value, json};

use super::{PublishArgs, result};
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::ui::Ui;

/// A profile and a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Also {
    profile: String,
    region: String,
}

impl std::str::FromStr for Also {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.rsplit_once(':') {
            Some((profile, region)) if !profile.is_empty() && !region.is_empty() => {
                Ok(Self { profile: profile.to_owned(), region: region.to_owned() })
            }
            _ => Err("not `PROFILE:REGION`, such as `china:cn-north-1`".to_owned()),
        }
    }
}

impl PublishArgs {
    /// The same publish by another profile in another region. Copies are of the first one: no copy leaves a partition.
    fn also(&self, also: &Also) -> Self {
        let mut other = self.clone();
        other.aws.profile = Some(also.profile.clone());
        other.aws.region = Some(also.region.clone());
        other.copying.copy_to.clear();
        other.copying.copy_kms.clear();
        other.copying.encrypt_copies = false;
        other.also.clear();
        other
    }

    /// The further publishes.
    pub(super) fn others(&self) -> Vec<Self> {
        self.also.iter().map(|also| self.also(also)).collect()
    }

    /// The further publishes, with every mistake in their options.
    pub(super) fn further(&self, image: &Path, facts: &ImageFacts) -> Result<Vec<Self>, Failure> {
        let further = self.others();
        for other in &further {
            other.early_request(image, facts)?;
        }
        Ok(further)
    }
}

/// Publishes in the further regions, one after the other. One that fails keeps no other from being done.
pub(super) fn publish(
    further: &[PublishArgs],
    image: &Path,
    facts: &ImageFacts,
    ui: &Ui,
    cancel: &CancelToken,
) -> Vec<Result<(Published, Request), Failure>> {
    let one = |to: &PublishArgs| {
        let connected = to.aws.connect(cancel)?;
        to.publish(image, facts, &connected, ui, cancel)
    };
    further.iter().map(one).collect()
}

/// Shows the outcomes; the first failure is that of the command.
pub(super) fn show(
    outcomes: Vec<Result<(Published, Request), Failure>>,
    result: Option<&mut Value>,
    ui: &Ui,
) -> CommandResult {
    let (mut shown, mut failed) = (Vec::new(), None);
    for outcome in outcomes {
        match outcome {
            Ok((published, request)) => {
                if result.is_some() {
                    shown.push(result::json(&published, &request, 0.0)?);
                } else {
                    let image = &published.image;
                    ui.line(format_args!("{} {} {}", request.region, image.id, image.snapshots().join(" ")))?;
                }
            }
            Err(failure) => {
                shown.push(json!({ "error": failure.to_json() }));
                if result.is_none() {
                    ui.warn(format_args!("{:#}", failure.error));
                }
                failed.get_or_insert(failure);
            }
        }
    }
    if let Some(result) = result.filter(|_| !shown.is_empty()) {
        result["also"] = Value::Array(shown);
    }
    failed.map_or(Ok(Outcome::Success), Err)
}

/// Deletes what unfinished further publishes have made.
pub(super) fn abandon(further: &[PublishArgs], image: &Path, ui: &Ui, cancel: &CancelToken) -> CommandResult {
    for to in further {
        let connected = to.aws.connect(cancel)?;
        let services = connected.services();
        let monitor = amiforge_progress::Monitor::new(ui, cancel);
        let work = ami::abandon(&services, connected.config(), image, monitor);
        match connected.block_on(work) {
            Ok(deleted) => {
                for one in deleted {
                    ui.status(format_args!("{} {} deleted", one.region, one.id));
                }
            }
            Err(ami::AmiError::NothingToAbandon { .. }) => {}
            Err(error) => return Err(to.failure(image, error, connected.name())),
        }
    }
    Ok(Outcome::Success)
}
