//! `amiforge verify HAND-OVER`: checks a hand-over from its first byte on, and says how far it is good.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use amiforge_formats::digest::BLOCK;
use amiforge_handover::check::{CheckedHandover, NoVisitor, check};
use amiforge_handover::{HandoverError, Location};
use amiforge_progress::Monitor;
use serde::Serialize;

use super::Args;
use crate::cmd::handover;
use crate::cmd::receipts::kept::KeptReceipts;
use crate::cmd::signed_by::Demand;
use crate::outcome::{CommandResult, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::{HumanBytes, Ui, written};

/// What `--json` shows.
#[derive(Serialize)]
struct HandoverJson {
    file: String,
    complete: bool,
    differences: Vec<String>,
    /// Where to go on copying.
    good: Option<Location>,
    part: u32,
    parts: Option<u32>,
    handover: Option<String>,
    image: Option<String>,
    version: Option<String>,
    size: Option<u64>,
    manifest: Option<String>,
    parent: Option<String>,
    blocks: Option<u64>,
    blocks_good: u64,
    bytes_good: u64,
    documents: Vec<String>,
    signed: Option<Vec<String>>,
    plan: Vec<String>,
    /// The receipts beside it, where there are some.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipts: Option<KeptReceipts>,
    seconds: f64,
}

/// Verifies a hand-over.
pub(super) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let begun = Instant::now();
    let cannot = format!("cannot verify `{}`", args.target.display());
    let demand = args.signed_by.demand()?;
    let cancel = interrupt_on_signals()?;
    let checked = handover::input(&args.target)
        .and_then(|input| check(input, &mut NoVisitor, Monitor::new(ui, &cancel)));
    let checked = match checked {
        Err(error @ HandoverError::MissingPart { .. }) => {
            CheckedHandover { damage: Some(error), ..CheckedHandover::default() }
        }
        checked => checked.map_err(|error| handover::failure(error, cannot))?,
    };
    let mut differences: Vec<String> = checked.damage.iter().map(ToString::to_string).collect();
    let (mut signed, mut plan) = (None, Vec::new());
    if let Some(contents) = &checked.contents {
        let policy = demand.as_ref().map(Demand::policy);
        match policy.map(|policy| handover::accepted_signers(contents, policy)) {
            Some(Ok(names)) => signed = Some(names),
            Some(Err(reason)) => differences.push(reason),
            None => {}
        }
        let manifest = (contents.manifest.manifest.origin.name.as_str(), contents.manifest.sha256);
        match handover::plan(&contents.documents, manifest, policy) {
            Ok(proposed) => plan = proposed.map(|plan| plan.lines()).unwrap_or_default(),
            Err(reason) => differences.push(reason),
        }
    }
    let receipts = if checked.contents.is_some() { super::receipts(args)? } else { None };
    differences.extend(receipts.iter().flat_map(|kept| kept.refused.iter().cloned()));
    let mut shown =
        summary(&args.target, &checked, (differences, signed, plan), begun.elapsed().as_secs_f64());
    shown.receipts = receipts;
    let outcome = if shown.differences.is_empty() { Outcome::Success } else { Outcome::Difference };
    if ui.json() {
        ui.object(&shown)?;
    } else if args.partial {
        show_partial(&shown, ui)?;
    } else {
        show(&shown, &checked, ui)?;
    }
    Ok(outcome)
}

fn summary(
    target: &Path,
    checked: &CheckedHandover,
    (differences, signed, plan): (Vec<String>, Option<Vec<String>>, Vec<String>),
    seconds: f64,
) -> HandoverJson {
    let contents = checked.contents.as_ref();
    let manifest = contents.map(|contents| &contents.manifest);
    let parent = contents.and_then(|contents| contents.parent.as_ref());
    HandoverJson {
        file: target.display().to_string(),
        complete: checked.damage.is_none(),
        differences,
        good: checked.good.clone(),
        part: checked.part,
        parts: checked.header.map(|header| header.parts),
        handover: checked.header.map(|header| header.index_sha256.to_string()),
        image: manifest.map(|named| named.manifest.origin.name.clone()),
        version: manifest.and_then(|named| named.manifest.origin.version.clone()),
        size: manifest.map(|named| named.manifest.size),
        manifest: manifest.map(|named| named.sha256.to_string()),
        parent: parent.map(|parent| parent.sha256.to_string()),
        blocks: contents.map(|contents| contents.needed.len() as u64),
        blocks_good: checked.blocks,
        bytes_good: checked.bytes,
        documents: contents.map(|contents| contents.documents.keys().cloned().collect()).unwrap_or_default(),
        signed,
        plan,
        receipts: None,
        seconds,
    }
}

fn show(shown: &HandoverJson, checked: &CheckedHandover, ui: &Ui) -> Result<(), crate::outcome::Failure> {
    let mut out = ui.out();
    for difference in &shown.differences {
        written(writeln!(out, "{difference}"))?;
    }
    if let Some(manifest) = &shown.manifest {
        let name = shown.image.as_deref().unwrap_or_default();
        let version = shown.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
        written(writeln!(out, "image      {name}{version}, {}", HumanBytes(shown.size.unwrap_or_default())))?;
        written(writeln!(out, "manifest   {manifest}"))?;
        if let Some(parent) = &shown.parent {
            written(writeln!(out, "continues  {parent}"))?;
        }
        written(writeln!(out, "documents  {}", shown.documents.join(", ")))?;
    }
    if let Some(signed) = &shown.signed {
        written(writeln!(out, "signed by  {}", signed.join(", ")))?;
    }
    for line in &shown.plan {
        written(writeln!(out, "plan       {line}"))?;
    }
    for receipt in shown.receipts.iter().flat_map(|kept| &kept.good) {
        for one in &receipt.receipts.images {
            written(writeln!(out, "published  {} in {}", one.image_id, one.region))?;
        }
    }
    let outcome = super::counted(shown.differences.len());
    let parts = checked.header.map_or(0, |header| header.parts);
    let parts = if parts > 1 { format!(" in {parts} parts") } else { String::new() };
    let line = format!(
        "{}: {outcome}{parts}, {} of {} blocks ({}) in {}; {:.2} s",
        shown.file,
        shown.blocks_good,
        shown.blocks.unwrap_or_default(),
        HumanBytes(shown.blocks_good * BLOCK),
        HumanBytes(shown.bytes_good),
        shown.seconds
    );
    written(writeln!(out, "{line}").and_then(|()| out.flush()))
}

/// Says where a copy goes on.
fn show_partial(shown: &HandoverJson, ui: &Ui) -> Result<(), crate::outcome::Failure> {
    for difference in &shown.differences {
        ui.line(difference)?;
    }
    let (good, parts) = (&shown.good, shown.parts.unwrap_or(1));
    let line = match good {
        None => "nothing of it is good: copy it from byte 0".to_owned(),
        Some(_) if shown.complete => format!("{}: all of it is good", shown.file),
        Some(good) => format!(
            "`{}` (part {} of {parts}) is good up to byte {}: go on copying there",
            good.file, shown.part, good.offset
        ),
    };
    ui.line(line)
}
