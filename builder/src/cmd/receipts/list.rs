//! `amiforge receipts list`: the receipts that are kept beside a bundle.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use amiforge_formats::time::Time;
use amiforge_handover::receipts::{NAMESPACE, Receipts};
use amiforge_image::inspect::Utc;
use anyhow::Context as _;

use super::{folder_of, manifest_of, named, read};
use crate::cmd::handover;
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
    let folder = folder_of(&args.image).with_context(cannot)?;
    let mut paths = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        entries => {
            let entries =
                entries.and_then(|all| all.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>());
            entries.with_context(|| format!("reading `{}`", folder.display())).with_context(cannot)?
        }
    };
    paths.retain(|path: &PathBuf| path.extension().is_some_and(|extension| extension == "amr"));
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let reading = || format!("reading `{}`", path.display());
        let file = read(&path).with_context(cannot)?;
        let receipts = file.receipts().with_context(reading).with_context(cannot)?;
        receipts.require_of(&bundle).with_context(reading).with_context(cannot)?;
        let (keys, _) = handover::signers(named(&file), NAMESPACE, &file.text);
        let signed: Vec<_> = keys.iter().map(amiforge_trust::keys::PublicKey::fingerprint).collect();
        all.push((receipts, signed));
    }
    all.sort_by_key(|(receipts, _)| receipts.time);
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
