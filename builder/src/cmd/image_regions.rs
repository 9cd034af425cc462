//! What the commands of inventory and clean-up share: the regions, a table of text, the errors.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use amiforge_aws::Ec2Client;
use amiforge_lifecycle::api::images::ImageCalls as _;
use amiforge_lifecycle::inventory::{ImageError, ImageRegion};
use amiforge_lifecycle::prune::{CleanUp, CleanUpRegions, actions, policy};
use amiforge_progress::{CancelToken, Monitor};
use amiforge_publish::retry::{CallStep, NoObserver, retry};
use amiforge_publish::timer::Timer;
use anyhow::Context as _;
use serde_json::json;

use super::call_plan;
use super::region::{self, ConnectedRegion};
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::ui::{Ui, written};

/// The path of the parameters that are channels, unless the user names another.
pub(super) const CHANNELS_BELOW: &str = "/amiforge/";

/// The regions of a command.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(skip)]
pub(super) struct RegionsArg {
    /// These regions, or `all` that the account may use [default: the one region]
    #[arg(long, value_name = "REGION", value_delimiter = ',')]
    regions: Vec<String>,
}

impl RegionsArg {
    /// The names of the regions.
    pub(super) fn names(
        &self,
        connected: &ConnectedRegion,
        cancel: &CancelToken,
    ) -> Result<Vec<String>, Failure> {
        if self.regions.is_empty() {
            return Ok(vec![connected.name().to_owned()]);
        }
        if !self.is_all() {
            return Ok(self.regions.clone());
        }
        let (ec2, timer) = (connected.config().ec2(), Timer::default().with_cancel(cancel));
        let regions =
            connected.block_on(retry(&timer, CallStep::Idempotent, &NoObserver, || ec2.enabled_regions()));
        let mut regions =
            regions.context("asking for the regions of the account").context("cannot list the regions")?;
        regions.sort();
        Ok(regions)
    }

    /// Whether the account is asked for its regions.
    fn is_all(&self) -> bool {
        self.regions.iter().any(|name| name == "all")
    }

    /// The regions of a policy, of names that are known.
    pub(super) fn known(&self, names: &[String], connected: &ConnectedRegion) -> CleanUpRegions {
        CleanUpRegions { names: names.to_vec(), asked: self.is_all().then(|| connected.name().to_owned()) }
    }

    /// The regions of a policy, without a call.
    pub(super) fn planned(&self, aws: &region::Args) -> Result<CleanUpRegions, Failure> {
        if !self.is_all() && !self.regions.is_empty() {
            return Ok(CleanUpRegions { names: self.regions.clone(), asked: None });
        }
        let home = call_plan::named_region(aws)?;
        Ok(if self.is_all() {
            CleanUpRegions { names: vec!["*".to_owned()], asked: Some(home) }
        } else {
            CleanUpRegions { names: vec![home], asked: None }
        })
    }
}

/// Runs work on the images of a region.
pub(super) fn in_region<T>(
    connected: &ConnectedRegion,
    name: &str,
    ui: &Ui,
    cancel: &CancelToken,
    work: impl AsyncFnOnce(&ImageRegion<'_, Ec2Client>) -> Result<T, ImageError>,
) -> Result<T, ImageError> {
    let ec2 = connected.config().in_region(name).ec2();
    let timer = Timer::default().with_cancel(cancel);
    let region = ImageRegion { name, ec2: &ec2, timer: &timer, monitor: Monitor::new(ui, cancel) };
    connected.block_on(work(&region))
}

/// The failure of a command.
pub(super) fn failure(error: ImageError, cannot: String) -> Failure {
    let hint = match &error {
        ImageError::NotOurs { .. } => Some("only images that amiforge has published are looked at"),
        ImageError::NamedSince { .. } => {
            Some("publish it again, or restore it: `amiforge undo` lists the recycle bin")
        }
        ImageError::Interrupted => Some("the same command goes on"),
        _ => None,
    };
    let failure = Failure::from(anyhow::Error::from(error).context(cannot));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Shows the calls of a command and the least IAM policy for them, and nothing else.
pub(super) fn show_plan(command: CleanUp, regions: &CleanUpRegions, below: &str, ui: &Ui) -> CommandResult {
    if ui.json() {
        let (calls, policy) = (actions(command, regions), policy(command, regions, below));
        ui.object(&json!({ "calls": calls, "policy": policy }))?;
    } else {
        show_policy(command, regions, below, ui)?;
    }
    Ok(Outcome::Success)
}

/// Shows the calls of a command and the least IAM policy for them as text.
pub(super) fn show_policy(
    command: CleanUp,
    regions: &CleanUpRegions,
    below: &str,
    ui: &Ui,
) -> Result<(), Failure> {
    let mut out = ui.out();
    let mut write = || {
        writeln!(out, "\ncalls:")?;
        for action in actions(command, regions) {
            writeln!(out, "  {:<45} {}", action.action, action.purpose)?;
        }
        writeln!(out, "\nIAM policy:\n{:#}", policy(command, regions, below))?;
        out.flush()
    };
    written(write())
}

/// Shows rows of text in columns. The last column is not padded.
pub(super) fn show_table(rows: &[Vec<String>], ui: &Ui) -> Result<(), Failure> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = ui.out();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = *width));
        let line = cells.collect::<Vec<_>>().join("  ");
        written(writeln!(out, "{}", line.trim_end()))?;
    }
    written(out.flush())
}
