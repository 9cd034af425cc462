//! What `register` and `publish` share: the arguments for an AMI, and the failures of AWS calls with their hints.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use amiforge_handover::publication::PlannedPublication;
use amiforge_image::inspect::Medium;
use amiforge_machine::preflight::os_release;
use amiforge_publish::ami::{AmiError, Unfinished};
use amiforge_publish::api::ec2::Cooldown;
use amiforge_publish::error::PublishError;
use amiforge_publish::folder::FolderError;
use amiforge_publish::keys::KeyError;
use amiforge_publish::request::{
    AmiOptions, Arch, Audience, BootMode, ImageFacts, Imds, KeyChoice, Platform, Request, SnapshotSharing,
    Tpm, WatermarkOption, check,
};
use amiforge_publish::service_error::ServiceErrorKind;
use amiforge_publish::source::ImageSource;
use amiforge_publish::upload;

use crate::outcome::{Failure, service_hint};
use crate::ui::Ui;

/// The arguments for an AMI.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "AMI")]
#[group(skip)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Args {
    /// Name, unique in the account and region [default: the image's name and version]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// Description [default: the image's name and version]
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// Architecture [default: the bundle's]
    #[arg(long, value_name = "ARCH", value_parser = Arch::ALL.map(Arch::ec2_name))]
    arch: Option<String>,

    /// Boot mode [default: what the partitions allow: an ESP is for UEFI, a BIOS boot partition for BIOS]
    #[arg(long, value_name = "MODE", value_parser = BootMode::ALL.map(BootMode::ec2_name))]
    boot_mode: Option<String>,

    /// What a raw disk of others holds: `windows` or `linux`; says what registration cannot give it
    #[arg(long, value_name = "PLATFORM", value_parser = ["windows", "linux"], default_value = "linux", hide_default_value = true)]
    platform: String,

    /// Give machines a NitroTPM 2.0
    #[arg(long)]
    tpm: bool,

    /// UEFI variables, as `uefivars -o aws` or `virt-fw-vars --output-aws` write them
    #[arg(long, value_name = "FILE")]
    uefi_data: Option<PathBuf>,

    /// Let launches decide whether the metadata service demands tokens; without this it does (IMDSv2)
    #[arg(long)]
    allow_imdsv1: bool,

    /// Name of the root device [default: /dev/xvda]
    #[arg(long, value_name = "DEVICE")]
    root_device: Option<String>,

    /// Settings of the root volume, such as `gp3,size=16GiB,iops=4000,throughput=250,keep` [default: gp3]
    #[arg(long, value_name = "SETTINGS")]
    root_volume: Option<String>,

    /// A further volume: `/dev/sdb=bundle:DIR`, `/dev/sdc=empty:100GiB,gp3`, `/dev/sdd=snapshot:snap-…`, each with
    /// settings after commas; may be repeated
    #[arg(long = "volume", value_name = "VOLUME")]
    volumes: Vec<String>,

    /// Tag of the AMI and of its snapshots; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<String>,

    /// Attach a watermark, which copies and images made from its machines carry on: a name, or `auto` for the image's name
    /// and Merkle root; not for a public AMI
    #[arg(long, value_name = "NAME")]
    watermark: Option<WatermarkOption>,

    /// When it counts as deprecated: a date, a time (RFC 3339), or a number of days such as `365d`
    #[arg(long, value_name = "WHEN")]
    deprecate: Option<String>,

    /// Protect it from being deregistered; `cooldown`: also for a day after the protection is removed
    #[arg(long, value_name = "HOW", value_parser = ["now", "cooldown"], num_args = 0..=1, default_missing_value = "now", require_equals = true)]
    protect: Option<String>,

    /// Let others launch it: accounts, and ARNs of organisations and organisational units
    #[arg(long, value_name = "WHO", value_delimiter = ',')]
    share: Vec<String>,

    /// Let the accounts use the snapshots too, which copying needs
    #[arg(long)]
    share_snapshots: bool,

    /// Let everybody launch it; asks for confirmation first, on a terminal
    #[arg(long)]
    public: bool,

    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

impl Args {
    /// The options of the AMI that both commands have.
    pub(crate) fn options(&self) -> AmiOptions {
        AmiOptions {
            name: self.name.clone(),
            description: self.description.clone(),
            architecture: self.arch.as_deref().and_then(Arch::by_name),
            boot_mode: self.boot_mode.as_deref().and_then(BootMode::by_ec2_name),
            platform: self.platform(),
            tpm: if self.tpm { Tpm::V2 } else { Tpm::None },
            uefi_data: self.uefi_data.clone(),
            imds: if self.allow_imdsv1 { Imds::Any } else { Imds::V2 },
            root_device: self.root_device.clone(),
            root_volume: self.root_volume.clone(),
            volumes: self.volumes.clone(),
            tags: self.tags.clone(),
            watermark: self.watermark.clone(),
            deprecate: self.deprecate.clone(),
            protection: self.protect.as_deref().map(|how| match how {
                "cooldown" => Cooldown::Day,
                _ => Cooldown::None,
            }),
            share: self.share.clone(),
            audience: if self.public { Audience::Public } else { Audience::Named },
            snapshots: if self.share_snapshots { SnapshotSharing::Shared } else { SnapshotSharing::Kept },
            ..AmiOptions::default()
        }
    }

    /// Takes what a plan says, where no option says otherwise.
    pub(crate) fn fill(&mut self, plan: &PlannedPublication) {
        self.name = self.name.take().or_else(|| plan.name.clone());
        self.description = self.description.take().or_else(|| plan.description.clone());
        self.deprecate = self.deprecate.take().or_else(|| plan.deprecate.clone());
        if self.tags.is_empty() {
            self.tags.clone_from(&plan.tags);
        }
        if self.share.is_empty() && !self.public {
            self.share.clone_from(&plan.share);
        }
    }

    fn platform(&self) -> Platform {
        Platform::by_name(&self.platform).unwrap_or_default()
    }

    /// What registration cannot give a disk, as sentences: `image` is the disk.
    pub(crate) fn limits(&self, image: &Path) -> Vec<String> {
        let system = Medium::open(image).and_then(|medium| os_release(&medium)).ok().flatten();
        self.platform().limits(system.as_ref().map(|release| release.id.as_str()))
    }

    /// Asks for confirmation before the AMI becomes public.
    pub(crate) fn confirm(&self, request: &Request, ui: &Ui) -> Result<(), Failure> {
        if !self.public || self.yes {
            return Ok(());
        }
        let question = format!(
            "Everybody, with any AWS account, will be able to launch `{}` and read all that it holds. Make it public?",
            request.name
        );
        match ui.ask(&question) {
            Some(true) => Ok(()),
            Some(false) => {
                Err(Failure::usage(anyhow::anyhow!("`{}` was not confirmed to become public", request.name)))
            }
            None => Err(Failure::usage(anyhow::anyhow!(
                "`--public` needs a confirmation, and there is no terminal"
            ))
            .hint("add `--yes`")),
        }
    }
}

/// The request, or a failure with every mistake in the options.
pub(crate) fn request(
    options: &AmiOptions,
    subject: &ImageFacts,
    region: &str,
    cannot: &str,
) -> Result<Request, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64);
    check(options, subject, region, now)
        .map_err(|mistakes| Failure::usage(anyhow::Error::from(mistakes).context(cannot.to_owned())))
}

/// A failure with its hint. For `publish` the hint also lists the resources that were left and the command that deletes
/// them.
pub(crate) fn failure(error: AmiError, cannot: String, publish: Option<(&Unfinished, &str)>) -> Failure {
    let hint = hint(&error, publish);
    let failure = Failure::from(anyhow::Error::from(error).context(cannot));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// A hint for errors after which the same command can resume.
fn resume_hint(publish: Option<(&Unfinished, &str)>) -> String {
    let again = "the same command resumes";
    match publish {
        None => again.to_owned(),
        Some((Unfinished { published: true, .. }, _)) => format!("{again}; what is published stays as it is"),
        Some((Unfinished { created, .. }, _)) if created.is_empty() => format!("nothing was made; {again}"),
        Some((Unfinished { created, .. }, abandon)) => {
            format!("left: {}; {again}, and `{abandon}` deletes what was made", created.join(", "))
        }
    }
}

fn hint(error: &AmiError, publish: Option<(&Unfinished, &str)>) -> Option<String> {
    Some(match error {
        AmiError::Differs { .. } => {
            "choose another `--name` (or `version` in the recipe): a name can be used only once in an account and region"
                .to_owned()
        }
        AmiError::Disabled { image, region } => format!(
            "`amiforge undo {image} --region {region}` makes it usable again; another `--name` leaves it"
        ),
        AmiError::Snapshot { reason, snapshot, region } if reason.contains("archived") => format!(
            "`amiforge snapshot restore {snapshot} --permanent --region {region}` brings it back"
        ),
        AmiError::ZerosLeftOut { .. } => {
            "publish under another `--name` with `--encrypt-copies`: everything is sent again".to_owned()
        }
        AmiError::PublicBlocked { region } => format!(
            "`aws ec2 disable-image-block-public-access --region {region}` takes the block off (it may take ten minutes)"
        ),
        AmiError::Encrypted { .. } => {
            "name a key of your own (`--kms-key`, `--copy-kms`) whose policy allows the others its use, or leave the sharing out"
                .to_owned()
        }
        AmiError::NoSuchRegion { region } => {
            format!("is `{region}` spelled right, and enabled for the account?")
        }
        AmiError::OtherPublish { .. } => match publish {
            Some((Unfinished { published: false, .. }, abandon)) => {
                format!("finish that one with its own command, or delete what it made with `{abandon}`")
            }
            _ => "finish that one with its own command".to_owned(),
        },
        AmiError::Upload { source: PublishError::RawChanged { .. }, .. } => RAW_CHANGED.to_owned(),
        AmiError::Upload { source: PublishError::BucketRegion { expected, .. }, .. } => {
            format!("name a bucket in {expected}: `aws s3 mb s3://NAME --region {expected}` makes one")
        }
        AmiError::Upload { source: PublishError::ImportRole { role, bucket, .. }, .. } => format!(
            "make the role `{role}`: trusted by `vmie.amazonaws.com` with the external id `vmimport`, and allowed to read \
             `{bucket}`; the same command with `--dry-run` prints both policies. The object stays, and the same command goes \
             on (a role that was just made is known after some seconds)"
        ),
        AmiError::Upload { source: PublishError::ReadBack { .. }, .. } => {
            format!("do not use that snapshot; {}", resume_hint(publish))
        }
        AmiError::Folder(FolderError::Busy { .. })
        | AmiError::Upload { source: PublishError::Folder(FolderError::Busy { .. }), .. } => {
            "wait for the other command, or stop it: nothing is lost by that".to_owned()
        }
        AmiError::Call { source, .. }
        | AmiError::Upload { source: PublishError::Call { source, .. } | PublishError::Put { source, .. } | PublishError::Part { source, .. }, .. } => {
            service_hint(source).unwrap_or_else(|| resume_hint(publish))
        }
        AmiError::Upload { .. } | AmiError::StillPending { .. } | AmiError::Interrupted | AmiError::Failed { .. } => {
            resume_hint(publish)
        }
        _ => return None,
    })
}

/// The hint when a raw file was changed during the upload.
pub(crate) const RAW_CHANGED: &str =
    "once nothing writes to the file any more, the same command sends what has changed";

/// The KMS key that the options of a command name.
pub(crate) fn encryption_key(named: Option<&str>, encrypt: bool) -> KeyChoice {
    match (named, encrypt) {
        (Some(key), _) => KeyChoice::parse(key),
        (None, true) => KeyChoice::Default,
        (None, false) => KeyChoice::Account,
    }
}

/// A failure about a KMS key, with its hint.
pub(crate) fn key_failure(error: KeyError, cannot: String) -> Failure {
    let hint = match &error {
        KeyError::Call { source, region, .. } => match source.error.kind {
            ServiceErrorKind::NotFound => {
                Some(format!("`aws kms list-aliases --region {region}` lists those that there are"))
            }
            ServiceErrorKind::Denied => {
                Some("name the key by its ARN, or let the caller use `kms:DescribeKey`".to_owned())
            }
            _ => service_hint(source),
        },
        KeyError::Unusable { .. } => Some("name a symmetric key that is enabled".to_owned()),
        _ => None,
    };
    let failure = Failure::from(anyhow::Error::from(error).context(cannot));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// The limit of blocks per second if the option is not given: none for a local region, which has no quota.
pub(crate) fn rate(given: Option<u32>, local: bool) -> u32 {
    given.unwrap_or(if local { 0 } else { upload::UploadOptions::default().rate })
}

/// The number of secrets that a refusal lists.
const SECRETS_NAMED: usize = 5;

/// Refuses an image that enrols Secure Boot and lacks a signature: no machine of it would start.
pub(crate) fn refuse_unsigned(source: &ImageSource, cannot: &str) -> Result<(), Failure> {
    let Some(record) = source.manifest().and_then(|manifest| manifest.secure_boot.as_ref()) else {
        return Ok(());
    };
    if record.is_signed() {
        return Ok(());
    }
    let unsigned = record.unsigned().join("` and `");
    let fact = format!(
        "the image enrols keys of Secure Boot, and `{unsigned}` in it is not signed, so no machine would start"
    );
    Err(Failure::from(anyhow::anyhow!(fact).context(cannot.to_owned())).hint(
        "`amiforge sign BUNDLE --key KEY` signs it; or sign the files `signing/*.tbs` of the bundle elsewhere, and \
         `amiforge attach BUNDLE --signature ID=FILE`",
    ))
}

/// Refuses an image with secrets that its recipe does not allow: everybody who can launch it could read them.
pub(crate) fn refuse_secrets(source: &ImageSource, cannot: &str) -> Result<(), Failure> {
    let secrets = source.manifest().map(|manifest| manifest.origin.secrets.as_slice()).unwrap_or_default();
    let refused: Vec<_> = secrets.iter().filter(|secret| secret.is_refused()).collect();
    if refused.is_empty() {
        return Ok(());
    }
    let named: Vec<_> = refused.iter().take(SECRETS_NAMED).map(ToString::to_string).collect();
    let more = match refused.len().saturating_sub(SECRETS_NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let (count, named) = (refused.len(), named.join("; "));
    let fact = format!("the image holds {count} secrets that all its machines would share: {named}{more}");
    Err(Failure::from(anyhow::anyhow!(fact).context(cannot.to_owned())).hint(
        "remove them, have them made at the first boot, or allow them with a reason under `[secrets]` of the recipe, and build \
         again; `amiforge preflight` lists them",
    ))
}
