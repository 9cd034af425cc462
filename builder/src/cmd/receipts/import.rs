//! `amiforge receipts import`: checks receipts against a bundle and keeps them beside it.

use std::path::PathBuf;

use amiforge_handover::receipts::{NAMESPACE, Receipts};
use anyhow::Context as _;

use super::{folder_of, manifest_of, named, read, write_new};
use crate::cmd::handover;
use crate::cmd::signed_by::Demand;
use crate::outcome::{CommandResult, Outcome};
use crate::ui::Ui;

/// Check receipts against a bundle, and keep them beside it
///
/// A receipt of another image is refused, and one whose signatures are not good. Without a policy anybody may have made
/// it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge receipts import web.amr out/web --signed-by publishers.toml")]
pub(crate) struct Args {
    /// The receipts
    file: PathBuf,

    /// The bundle, or its hand-over
    image: PathBuf,

    /// Refuse receipts that are not signed as this policy demands of the image's name
    #[arg(long, value_name = "POLICY")]
    signed_by: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cannot = || format!("cannot import the receipts `{}`", args.file.display());
    let demand = args.signed_by.clone().map(Demand::read).transpose()?;
    let bundle = manifest_of(&args.image).with_context(cannot)?;
    let file = read(&args.file).with_context(cannot)?;
    let receipts = match file.receipts() {
        Ok(receipts) => receipts,
        Err(error) => return refuse(&error.to_string(), ui),
    };
    if let Err(error) = receipts.require_of(&bundle) {
        return refuse(&error.to_string(), ui);
    }
    let (keys, refused) = handover::signers(named(&file), NAMESPACE, &file.text);
    if let Some(reason) = refused.first() {
        return refuse(&format!("a signature of the receipt is not good: {reason}"), ui);
    }
    let signed = if let Some(demand) = &demand {
        match handover::decide(demand.policy(), &bundle.manifest.origin.name, &keys, &refused) {
            Ok(signed) => signed,
            Err(reason) => return refuse(&format!("the receipt is not accepted: {reason}"), ui),
        }
    } else {
        ui.warn("without `--signed-by` nobody vouches for the receipt");
        keys.iter().map(amiforge_trust::keys::PublicKey::fingerprint).collect()
    };
    let path = folder_of(&args.image).with_context(cannot)?.join(file.name());
    let stored = write_new(&path, &file.to_bytes());
    let stored = stored.with_context(|| format!("writing `{}`", path.display())).with_context(cannot)?;
    show(&receipts, &signed, &path, stored, ui)
}

fn show(
    receipts: &Receipts,
    signed: &[String],
    path: &std::path::Path,
    stored: bool,
    ui: &Ui,
) -> CommandResult {
    if ui.json() {
        ui.object(&serde_json::json!({
            "file": path.display().to_string(),
            "new": stored,
            "signed": signed,
            "receipts": receipts,
        }))?;
    } else {
        super::list::show(receipts, signed, ui)?;
        let state = if stored { "kept as" } else { "was kept already as" };
        ui.status(format_args!("{state} `{}`", path.display()));
    }
    Ok(Outcome::Success)
}

fn refuse(reason: &str, ui: &Ui) -> CommandResult {
    if ui.json() {
        ui.object(&serde_json::json!({ "differences": [reason] }))?;
    } else {
        ui.line(reason)?;
        ui.status("nothing is kept");
    }
    Ok(Outcome::Difference)
}
