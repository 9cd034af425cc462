//! `amiforge unpack`: the bundle of a hand-over.

use std::path::PathBuf;
use std::time::Instant;

use amiforge_handover::HandoverError;
use amiforge_handover::check::HandoverVisitor;
use amiforge_handover::contents::HandoverContents;
use amiforge_handover::header::Header;
use amiforge_handover::unpack::{UnpackedHandover, unpack};
use amiforge_progress::Monitor;
use serde::Serialize;

use super::handover;
use super::signed_by::{Demand, SignedByArgs};
use crate::outcome::{CommandResult, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// Unpack a hand-over to the bundle that it was made of
///
/// The files are the same, byte for byte, and the image has holes where it has no data. Every byte is checked before it
/// is written; a bundle that is not good never has the name.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amiforge unpack hand-over.amx -o out/web\n  \
    amiforge unpack delta.amx --parent out/web-before -o out/web\n  \
    cat /media/usb/hand-over.amx.* | amiforge unpack - -o out/web --signed-by policy.toml")]
pub(crate) struct Args {
    /// The hand-over: its file, any of its parts, or their folder; `-` for standard input
    file: PathBuf,

    /// Folder to write
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,

    /// The bundle that a delta continues
    #[arg(long, value_name = "BUNDLE")]
    parent: Option<PathBuf>,

    #[command(flatten)]
    signed_by: SignedByArgs,
}

/// The result as JSON.
#[derive(Serialize)]
struct UnpackJson {
    bundle: String,
    image: String,
    version: Option<String>,
    manifest: String,
    blocks: u64,
    from_parent: u64,
    seconds: f64,
}

/// Asks a policy before anything is written.
struct SignedBy(Option<Demand>);

impl HandoverVisitor for SignedBy {
    fn contents(&mut self, _header: &Header, contents: &HandoverContents) -> Result<(), HandoverError> {
        match &self.0 {
            Some(demand) => handover::accepted_signers(contents, demand.policy())
                .map(drop)
                .map_err(|reason| HandoverError::Refused { reason }),
            None => Ok(()),
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let begun = Instant::now();
    let cannot = format!("cannot unpack `{}`", args.file.display());
    let cancel = interrupt_on_signals()?;
    let mut signed_by = SignedBy(args.signed_by.demand()?);
    let unpacked = handover::input(&args.file).and_then(|input| {
        unpack(input, args.parent.as_deref(), &args.out, &mut signed_by, Monitor::new(ui, &cancel))
    });
    let UnpackedHandover { manifest, blocks, from_parent } =
        unpacked.map_err(|error| handover::failure(error, cannot))?;
    let seconds = begun.elapsed().as_secs_f64();
    let origin = &manifest.manifest.origin;
    if ui.json() {
        ui.object(&UnpackJson {
            bundle: args.out.display().to_string(),
            image: origin.name.clone(),
            version: origin.version.clone(),
            manifest: manifest.sha256.to_string(),
            blocks,
            from_parent,
            seconds,
        })?;
    } else {
        ui.status(format_args!(
            "unpacked `{}`: {blocks} blocks, {from_parent} from the parent, {seconds:.1} s",
            origin.name
        ));
    }
    Ok(Outcome::Success)
}
