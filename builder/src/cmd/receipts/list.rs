//! `amiforge receipts list`: the receipts that are kept beside a bundle.

use std::io::Write as _;
use std::path::PathBuf;

use amiforge_formats::time::Time;
use amiforge_handover::receipts::Receipts;
use amiforge_image::inspect::Utc;
use anyhow::Context as _;

use super::kept::kept;
use super::manifest_of;
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::ui::{Ui, written};

/// List the receipts that are kept beside a bundle: AMIs and snapshots by region
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge receipts list out/web")]
pub(crate) struct Args {
    /// The bundle, or its hand-over
    image: PathBuf,
}

/// Runs the command. Each receipt is checked again.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cannot = || format!("cannot list the receipts of `{}`", args.image.display());
    let bundle = manifest_of(&args.image).with_context(cannot)?;
    let kept = kept(&args.image, &bundle, None).with_context(cannot)?;
    if let Some(refused) = kept.refused.first() {
        return Err(anyhow::anyhow!("{refused}").context(cannot()).into());
    }
    let all: Vec<_> = kept.good.into_iter().map(|one| (one.receipts, one.signed)).collect();
    if ui.json() {
        let all = all.iter();
        let all: Vec<_> = all
            .map(|(receipts, signed)| serde_json::json!({ "receipts": receipts, "signed": signed }))
            .collect();
        ui.object(&all)?;
    } else {
        all.iter().try_for_each(|(receipts, signed)| show(receipts, signed, ui))?;
    }
    Ok(Outcome::Success)
}

/// Shows receipts as text: who and when, then a line for each AMI.
pub(super) fn show(receipts: &Receipts, signed: &[String], ui: &Ui) -> Result<(), Failure> {
    let mut out = ui.out();
    let publisher = &receipts.publisher;
    let mut write = || {
        let time = Utc(Time { secs: receipts.time, nanos: 0 });
        writeln!(out, "{time} by {} with amiforge {}", publisher.arn, publisher.tool)?;
        if !signed.is_empty() {
            writeln!(out, "signed by {}", signed.join(", "))?;
        }
        for image in &receipts.images {
            let snapshots: Vec<_> = image.snapshots.iter().map(|one| one.snapshot_id.as_str()).collect();
            let (held, read) = image.snapshots.iter().fold((0u64, 0u64), |(held, read), one| {
                (held.saturating_add(one.held), read.saturating_add(one.read))
            });
            let (region, id) = (&image.region, &image.image_id);
            writeln!(out, "{region} {id} {} ({read} of {held} blocks read back)", snapshots.join(" "))?;
        }
        out.flush()
    };
    written(write())
}
