//! What `register` and `publish` share: the arguments that say what an AMI shall be, and the words for what went wrong.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use amiforge_publish::ami::{AmiError, Unfinished};
use amiforge_publish::api::ec2::Cooldown;
use amiforge_publish::error::PublishError;
use amiforge_publish::folder::FolderError;
use amiforge_publish::keys::KeyError;
use amiforge_publish::request::{
    AmiOptions, Architecture, Audience, BootMode, ImageFacts, Imds, KeyChoice, Request, SnapshotSharing, Tpm,
    check,
};
use amiforge_publish::retry::RetryExhausted;
use amiforge_publish::service_error::ServiceErrorKind;
use amiforge_publish::source::ImageSource;
use amiforge_publish::upload;

use super::Failure;
use crate::ui::Ui;

/// What an AMI shall be.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "AMI")]
#[group(skip)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Args {
    /// Name, unique in the account and region [default: the image's name and version]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Description [default: the image's name and version]
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// Architecture [default: the bundle's]
    #[arg(long, value_name = "ARCH", value_parser = ["x86_64", "arm64"])]
    arch: Option<String>,

    /// Boot mode [default: what the partitions allow: an ESP is for UEFI, a BIOS boot partition for BIOS]
    #[arg(long, value_name = "MODE", value_parser = ["uefi", "uefi-preferred", "legacy-bios"])]
    boot_mode: Option<String>,

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
    /// settings after commas; may be given often
    #[arg(long = "volume", value_name = "VOLUME")]
    volumes: Vec<String>,

    /// Tag of the AMI and of its snapshots; may be given often
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<String>,

    /// When it counts as deprecated: a day, a moment (RFC 3339), or a number of days such as `365d`
    #[arg(long, value_name = "WHEN")]
    deprecate: Option<String>,

    /// Protect it from being deregistered; `cooldown`: for a day after the protection is taken off, too
    #[arg(long, value_name = "HOW", value_parser = ["now", "cooldown"], num_args = 0..=1, default_missing_value = "now", require_equals = true)]
    protect: Option<String>,

    /// Let others launch it: accounts, and ARNs of organisations and organisational units
    #[arg(long, value_name = "WHO", value_delimiter = ',')]
    share: Vec<String>,

    /// Let the accounts use the snapshots too, which copying needs
    #[arg(long)]
    share_snapshots: bool,

    /// Let everybody launch it; asks before it does, on a terminal
    #[arg(long)]
    public: bool,

    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Args {
    /// What is asked for, without what only one of the commands has.
    pub(crate) fn wanted(&self) -> AmiOptions {
        AmiOptions {
            name: self.name.clone(),
            description: self.description.clone(),
            architecture: self.arch.as_deref().and_then(Architecture::from_word),
            boot_mode: self.boot_mode.as_deref().and_then(BootMode::from_word),
            tpm: if self.tpm { Tpm::V2 } else { Tpm::None },
            uefi_data: self.uefi_data.clone(),
            imds: if self.allow_imdsv1 { Imds::Any } else { Imds::V2 },
            root_device: self.root_device.clone(),
            root_volume: self.root_volume.clone(),
            volumes: self.volumes.clone(),
            tags: self.tags.clone(),
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

    /// Asks before something becomes public.
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
            Some(false) => Err(Failure::usage(anyhow::anyhow!("`{}` was not to be public", request.name))),
            None => Err(Failure::usage(anyhow::anyhow!(
                "`--public` asks before it acts, and there is no terminal"
            ))
            .hint("add `--yes`")),
        }
    }
}

/// The request, or every mistake in what is asked for.
pub(crate) fn request(
    wanted: &AmiOptions,
    subject: &ImageFacts,
    region: &str,
    cannot: &str,
) -> Result<Request, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64);
    check(wanted, subject, region, now)
        .map_err(|mistakes| Failure::usage(anyhow::Error::from(mistakes).context(cannot.to_owned())))
}

/// A failure with what to do about it. `publish` also knows what it left behind, and the command that takes it back.
pub(crate) fn failure(error: AmiError, cannot: String, publish: Option<(&Unfinished, &str)>) -> Failure {
    let hint = hint(&error, publish);
    let failure = Failure::from(anyhow::Error::from(error).context(cannot));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// How to go on after an error that the same command may get over.
fn go_on(publish: Option<(&Unfinished, &str)>) -> String {
    let again = "the same command goes on where it was";
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
            "`aws ec2 enable-image --region {region} --image-id {image}` makes it usable again; another `--name` leaves it"
        ),
        AmiError::Snapshot { reason, snapshot, region } if reason.contains("archived") => format!(
            "`aws ec2 restore-snapshot-tier --region {region} --snapshot-id {snapshot} --permanent-restore` brings it back"
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
        AmiError::Folder(FolderError::Busy { .. })
        | AmiError::Upload { source: PublishError::Folder(FolderError::Busy { .. }), .. } => {
            "wait for the other command, or stop it: nothing is lost by that".to_owned()
        }
        AmiError::Call { source, .. }
        | AmiError::Upload { source: PublishError::Call { source, .. } | PublishError::Put { source, .. }, .. } => {
            of_fault(source).unwrap_or_else(|| go_on(publish))
        }
        AmiError::Upload { .. } | AmiError::StillPending { .. } | AmiError::Interrupted | AmiError::Failed { .. } => {
            go_on(publish)
        }
        _ => return None,
    })
}

/// What to do when a raw file was written to while it was sent.
pub(crate) const RAW_CHANGED: &str =
    "once nothing writes to the file any more, the same command sends what has changed";

/// What to do about a call that the service, or the way to it, refuses.
pub(crate) fn of_fault(gave_up: &RetryExhausted) -> Option<String> {
    let hint = match gave_up.error.kind {
        ServiceErrorKind::NoCredentials => {
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a `--profile`, or run `aws sso login`"
        }
        ServiceErrorKind::Signature => {
            "check the access key and its secret, this machine's clock, and that the region is enabled for the account"
        }
        ServiceErrorKind::Unreachable => {
            "check the names of the region and the endpoint, HTTPS_PROXY and NO_PROXY"
        }
        ServiceErrorKind::Untrusted => {
            "name a file (PEM) with the certificate authority that signed it in AWS_CA_BUNDLE, or as `ca_bundle` of the \
             profile; without one those of this machine are trusted"
        }
        ServiceErrorKind::Denied => "`amiforge publish … --dry-run` prints the IAM policy that is needed",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// The key that the options of a command name.
pub(crate) fn key(named: Option<&str>, encrypt: bool) -> KeyChoice {
    match (named, encrypt) {
        (Some(key), _) => KeyChoice::parse(key),
        (None, true) => KeyChoice::Default,
        (None, false) => KeyChoice::Account,
    }
}

/// A failure about a key, with what to do about it.
pub(crate) fn of_key(error: KeyError, cannot: String) -> Failure {
    let hint = match &error {
        KeyError::Call { source, region, .. } => match source.error.kind {
            ServiceErrorKind::NotFound => {
                Some(format!("`aws kms list-aliases --region {region}` lists those that there are"))
            }
            ServiceErrorKind::Denied => {
                Some("name the key by its ARN, or let the caller use `kms:DescribeKey`".to_owned())
            }
            _ => of_fault(source),
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

/// How an upload is done where nobody says otherwise: a local region has no quota to stay under.
pub(crate) fn rate(given: Option<u32>, local: bool) -> u32 {
    given.unwrap_or(if local { 0 } else { upload::UploadOptions::default().rate })
}

/// Secrets that a refusal names one by one.
const SECRETS_NAMED: usize = 5;

/// Refuses an image with secrets that its recipe does not allow: whoever gets it would have them.
pub(crate) fn demand_no_secrets(source: &ImageSource, cannot: &str) -> Result<(), Failure> {
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
        "remove them, have them made at the first boot, or say under `[secrets]` of the recipe why they may stay, and build \
         again; `amiforge preflight` lists them",
    ))
}
