//! `amiforge upload`: writes an image into a snapshot.

use std::path::PathBuf;
use std::time::Instant;

use amiforge_formats::digest::BLOCK;
use amiforge_lifecycle::call_plan;
use amiforge_progress::Monitor;
use amiforge_publish::error::PublishError;
use amiforge_publish::folder::FolderError;
use amiforge_publish::request::{AmiOptions, KeyChoice, check_snapshot};
use amiforge_publish::source::ImageSource;
use amiforge_publish::upload::{self, LaterEncryption, ParentChoice, UploadOptions, Uploaded};
use anyhow::Context as _;
use serde::Serialize;

use super::call_plan::DryRunArgs;
use super::leak_gate::GateArgs;
use super::signed_by::{self, SignedByArgs};
use super::{ami_args, region};
use crate::outcome::{CommandResult, Failure, Outcome, service_hint};
use crate::signals::interrupt_on_signals;
use crate::ui::{HumanBytes, Ui};

/// Write an image into a snapshot, through the EBS direct APIs
///
/// Sends only the blocks that have to be sent, and can be stopped at any moment, also by a power cut: the same command
/// resumes, also on another host if the bundle and the folder `BUNDLE.publish` beside it are moved there.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge upload out/web --region eu-west-1\n  \
    amiforge upload out/web --region local --parent auto")]
pub(crate) struct Args {
    /// The bundle, or a raw disk image
    image: PathBuf,

    /// Continue a published snapshot, sending only what changed: `auto` (the newest of this image's name), `snap-…` or
    /// `ami-…`
    #[arg(long, value_name = "PARENT")]
    parent: Option<ParentChoice>,

    /// The bundle (or its manifest) that the parent was made from, so that the parent need not be read
    #[arg(long, value_name = "BUNDLE", requires = "parent")]
    parent_bundle: Option<PathBuf>,

    /// Encrypt the snapshot with the account's default key
    #[arg(long)]
    encrypt: bool,

    /// Encrypt the snapshot with this key: `alias/…`, or its ARN
    #[arg(long, value_name = "KEY")]
    kms_key: Option<String>,

    /// Encrypted copies or volumes will be made of it: also send blocks of zeros, which they need
    #[arg(long)]
    encrypted_copies: bool,

    /// Description of the snapshot
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// Tag of the snapshot; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<String>,

    /// Maximum of blocks sent per second, 0 for no limit [default: 950, the limit of a snapshot; a local region: 0]
    #[arg(long, value_name = "N")]
    max_rate: Option<u32>,

    /// Delete the snapshot and the journal of an unfinished upload
    #[arg(long)]
    abandon: bool,

    #[command(flatten)]
    plan: DryRunArgs,

    #[command(flatten)]
    gate: GateArgs,

    #[command(flatten)]
    aws: region::Args,
}

/// What `--json` shows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UploadJson<'a> {
    snapshot_id: &'a str,
    region: &'a str,
    volume_size: u64,
    encrypted: bool,
    parent_snapshot_id: Option<&'a str>,
    blocks_written: u64,
    blocks_sent: u64,
    bytes_sent: u64,
    blocks_proven: u64,
    throttled: u64,
    journal: String,
    seconds: f64,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let begun = Instant::now();
    let cancel = interrupt_on_signals()?;
    let source = args.source()?;
    // Mistakes in the options are reported before any call, and before a local region is started.
    let offline = region::named_region(&args.aws);
    offline.as_deref().map(|region| args.options(&source, region, args.key())).transpose()?;
    let calls = |region: &str| call_plan::upload(region, &args.key(), args.parent.as_ref());
    if let Some(shown) = args.plan.shown(&format!("upload `{}`", args.image.display()), &args.aws, calls, ui)
    {
        return shown;
    }
    let region = args.aws.connect(&cancel)?;
    let options = args.options(&source, region.name(), args.key())?;
    let services = region.services();
    if args.abandon {
        let abandoned = region.block_on(upload::abandon(&services, &args.image, &options));
        let snapshot =
            abandoned.with_context(|| format!("cannot abandon the upload of `{}`", args.image.display()))?;
        ui.status(format_args!("deleted {snapshot} and its journal"));
        return show_abandoned(&snapshot, &services.region, ui);
    }
    args.gate.demand(&args.image, &args.cannot(), ui, &cancel)?;
    let key = region
        .key(region.name(), &args.key())
        .map_err(|error| ami_args::key_failure(error, args.cannot()))?;
    let options = UploadOptions { encryption: key.into(), ..options };
    let work = upload::upload(&services, &args.image, &options, Monitor::new(ui, &cancel));
    let uploaded = region.block_on(work).map_err(|error| args.failure(error, region.name()))?;
    show(&uploaded, &services.region, begun.elapsed().as_secs_f64(), ui)?;
    Ok(Outcome::Success)
}

impl Args {
    /// The KMS key of the options.
    fn key(&self) -> KeyChoice {
        ami_args::encryption_key(self.kms_key.as_deref(), self.encrypt)
    }

    /// The options, checked by the same rules as those of `publish`.
    fn options(&self, source: &ImageSource, region: &str, key: KeyChoice) -> Result<UploadOptions, Failure> {
        let ami_options = AmiOptions {
            description: self.description.clone(),
            encryption: key.clone(),
            tags: self.tags.clone(),
            ..AmiOptions::default()
        };
        // The tags that describe the snapshot, and the one that the upload adds.
        let mut tags = source.tags();
        let given = check_snapshot(&ami_options, tags.len() + 1, region)
            .map_err(|mistakes| Failure::usage(anyhow::Error::from(mistakes).context(self.cannot())))?;
        tags.extend(given);
        Ok(UploadOptions {
            encryption: key.into(),
            later: if self.encrypted_copies {
                LaterEncryption::MayBeEncrypted
            } else {
                LaterEncryption::Unchanged
            },
            parent: self.parent.clone(),
            parent_bundle: self.parent_bundle.clone(),
            base_disk: super::inputs::base_disk(&self.image, None),
            description: self.description.clone(),
            tags,
            rate: ami_args::rate(self.max_rate, self.aws.is_local()),
            ..UploadOptions::default()
        })
    }

    fn source(&self) -> Result<ImageSource, Failure> {
        // No option of this command: the policy that the settings demand for whatever leaves.
        let unless = |abandon: bool| {
            if abandon { Ok(None) } else { SignedByArgs::default().require(&self.image, &self.cannot()) }
        };
        let signed = unless(self.abandon)?;
        let source = ImageSource::open(&self.image).with_context(|| self.cannot())?;
        signed_by::same_manifest(signed.as_ref(), source.manifest_sha256(), &self.cannot())?;
        if !self.abandon {
            ami_args::refuse_secrets(&source, &self.cannot())?;
        }
        Ok(source)
    }

    fn cannot(&self) -> String {
        format!("cannot upload `{}`", self.image.display())
    }

    fn failure(&self, error: PublishError, region: &str) -> Failure {
        let hint = self.hint(&error, region);
        let failure = Failure::from(anyhow::Error::from(error).context(self.cannot()));
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }

    fn hint(&self, error: &PublishError, region: &str) -> Option<String> {
        let image = self.image.display();
        let option =
            self.aws.region.as_deref().map(|region| format!(" --region {region}")).unwrap_or_default();
        let abandon = format!("`amiforge upload {image}{option} --abandon` deletes the snapshot");
        let left =
            upload::unfinished(&self.image, region).map(|left| format!("left: {left}; ")).unwrap_or_default();
        let resume = format!("{left}the same command resumes; {abandon}");
        if let PublishError::Call { source, .. } | PublishError::Put { source, .. } = error
            && let Some(hint) = service_hint(source)
        {
            return Some(hint);
        }
        Some(match error {
            PublishError::OtherUpload { .. } | PublishError::SnapshotFailed { .. } => abandon,
            PublishError::BlockChanged { .. } => {
                format!(
                    "build the image again; `amiforge verify {image}` lists every block that differs; {abandon}"
                )
            }
            PublishError::Folder(FolderError::Busy { .. }) => {
                "wait for the other command, or stop it: nothing is lost by that".to_owned()
            }
            PublishError::RawChanged { .. } => ami_args::RAW_CHANGED.to_owned(),
            PublishError::Interrupted
            | PublishError::Put { .. }
            | PublishError::StillPending { .. }
            | PublishError::Call { .. }
            | PublishError::Read { .. } => resume,
            _ => return None,
        })
    }
}

fn show(uploaded: &Uploaded, region: &str, seconds: f64, ui: &Ui) -> Result<(), Failure> {
    let snapshot = &uploaded.snapshot;
    let bytes_sent = uploaded.sent * BLOCK;
    if ui.json() {
        return ui.object(&UploadJson {
            snapshot_id: &snapshot.id,
            region,
            volume_size: snapshot.volume_gib,
            encrypted: snapshot.encrypted,
            parent_snapshot_id: uploaded.parent.as_deref(),
            blocks_written: uploaded.written,
            blocks_sent: uploaded.sent,
            bytes_sent,
            blocks_proven: uploaded.verified,
            throttled: uploaded.throttled,
            journal: uploaded.folder.display().to_string(),
            seconds,
        });
    }
    ui.status(format_args!(
        "sent {} blocks of {} ({}) in {seconds:.1} s",
        uploaded.sent,
        uploaded.written,
        HumanBytes(bytes_sent)
    ));
    if uploaded.verified > 0 {
        ui.status(format_args!(
            "read {} changed blocks back: parent and changes are the image",
            uploaded.verified
        ));
    }
    ui.line(&snapshot.id)
}

fn show_abandoned(snapshot: &str, region: &str, ui: &Ui) -> CommandResult {
    if ui.json() {
        ui.object(&serde_json::json!({ "snapshotId": snapshot, "region": region, "deleted": true }))?;
    } else {
        ui.line(snapshot)?;
    }
    Ok(Outcome::Success)
}
