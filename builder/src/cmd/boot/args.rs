//! The arguments of `amiforge boot`.

use std::path::PathBuf;

use amiforge_machine::boot::check::Check;
use amiforge_machine::boot::machine::Forward;
use amiforge_machine::boot::{Arch, is_user_name};
use clap::ValueEnum;

use crate::cmd::signed_by::SignedByArgs;

/// A GiB, of which the sizes of EBS volumes are multiples.
pub(super) const GIB: u64 = 1 << 30;

/// The instance type without `--instance-type`.
const INSTANCE_TYPE: &str = "t3.small";

/// Launch an image on this machine in QEMU, as EC2 would: firmware, NVMe, metadata, key pair, user data
///
/// The console is on the terminal; Ctrl-C ends the guest. The disk is never written: changes by the guest are
/// discarded. With checks (`--expect`, `--get`, `--run`) the guest is ended when all have passed, and a receipt is left
/// beside the image; if one fails, the exit code is 3 and the reason is printed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amiforge boot out/web\n  \
    amiforge boot out/web --expect 'login:' --timeout 120\n  \
    amiforge boot out/web --tpm --secure-boot --expect 'login:'\n  \
    amiforge boot out/web --firmware bios --user-data setup.sh --run 'systemctl is-system-running --wait'\n  \
    amiforge boot ami-0123456789abcdef0 --region local --get 80/")]
pub(crate) struct Args {
    /// A bundle, a raw disk image, or an AMI (`ami-…`), which is downloaded first
    pub(super) image: PathBuf,

    #[command(flatten)]
    pub(super) machine: MachineArgs,

    #[command(flatten)]
    pub(super) signed_by: SignedByArgs,

    /// Set for a bundle that this process built just now, which nobody can have signed.
    #[arg(skip)]
    pub(super) own_build: bool,

    /// Architecture [default: the bundle's; of a raw image this host's]
    #[arg(long, value_name = "ARCH", value_parser = Arch::ALL.map(Arch::name))]
    pub(super) arch: Option<String>,

    /// Length of the root volume [default: the image's, in whole GiB]
    #[arg(long, value_name = "SIZE", value_parser = size, conflicts_with = "persist")]
    pub(super) volume_size: Option<u64>,

    /// A further volume: an empty one of a size, or a bundle or raw image, which is not written either; may be repeated
    #[arg(long = "volume", value_name = "SIZE|IMAGE")]
    pub(super) volumes: Vec<PathBuf>,

    /// Write to the image itself, which changes it
    #[arg(long)]
    pub(super) persist: bool,

    /// Also write the console to a file
    #[arg(long, value_name = "FILE")]
    pub(super) log: Option<PathBuf>,

    #[command(flatten)]
    pub(super) showing: Showing,

    #[command(flatten)]
    pub(super) measured: MeasuredArgs,

    #[command(flatten)]
    pub(super) instance: InstanceArgs,

    #[cfg(feature = "aws")]
    #[command(flatten)]
    pub(super) plan: crate::cmd::call_plan::DryRunArgs,

    #[cfg(feature = "aws")]
    #[command(flatten)]
    pub(super) aws: crate::cmd::region::Args,
}

/// The machine, as far as it does not depend on the image.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub(crate) struct MachineArgs {
    /// Firmware [default: UEFI if there is an EFI system partition, else BIOS]
    #[arg(long, value_name = "WHICH", value_enum)]
    pub(super) firmware: Option<FirmwareArg>,

    /// Bus of its disks
    #[arg(long, value_name = "BUS", value_enum, default_value_t = BusArg::Nvme)]
    pub(super) bus: BusArg,

    /// Execution; `auto`: KVM, if a trial of it works, else emulation
    #[arg(long, value_name = "HOW", value_enum, default_value_t = AccelArg::Auto)]
    pub(super) accel: AccelArg,

    /// Processors
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(super) cpus: u32,

    /// Memory
    #[arg(long, value_name = "SIZE", default_value = "1 GiB", value_parser = size)]
    pub(super) memory: u64,

    /// A further argument for QEMU, passed unchanged; may be repeated
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub(super) qemu_arg: Vec<String>,
}

/// What a launch has to show.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "To show")]
#[group(skip)]
pub(crate) struct Showing {
    /// A text that must appear on the console; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub(super) expect: Vec<String>,

    /// A page that must be served with status 200; it goes to standard output; may be repeated
    #[arg(long, value_name = "PORT/PATH", value_parser = Check::parse_get)]
    pub(super) get: Vec<Check>,

    /// A command that must succeed, over ssh; its output goes to standard output; may be repeated
    #[arg(long, value_name = "COMMAND")]
    pub(super) run: Vec<String>,

    /// User to log in as [default: root, or the user that the image names instead, then usual names]
    #[arg(long, value_name = "NAME", value_parser = user_name)]
    pub(super) user: Option<String>,

    /// Limit in seconds for all checks, from power on [default: 300, or no limit without checks]
    #[arg(long, value_name = "SECONDS")]
    pub(super) timeout: Option<u64>,

    /// Leave no receipt
    #[arg(long)]
    pub(super) no_receipt: bool,
}

/// The TPM and the keys of a launch.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Measured boot")]
#[group(skip)]
pub(super) struct MeasuredArgs {
    /// Give the machine a TPM 2.0 (swtpm), and compare its registers with those that are predicted for the image; the
    /// exit code is 3 if one differs
    #[arg(long)]
    pub(super) tpm: bool,

    /// Turn Secure Boot on, with the keys of the bundle or of `--uefi-data`
    #[arg(long)]
    pub(super) secure_boot: bool,

    /// UEFI variables of the machine, as `publish --uefi-data` takes them
    #[arg(long, value_name = "FILE")]
    pub(super) uefi_data: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Instance")]
#[group(skip)]
pub(super) struct InstanceArgs {
    /// Key pair: a public key of ssh, or the private key beside it [default: for `--run` a new one for this launch]
    #[arg(long, value_name = "FILE")]
    pub(super) ssh_key: Option<PathBuf>,

    /// User data, at most 16 KiB
    #[arg(long, value_name = "FILE")]
    pub(super) user_data: Option<PathBuf>,

    /// A tag, shown in the metadata; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    pub(super) tags: Vec<String>,

    /// Answer requests without a token too (`IMDSv1`)
    #[arg(long)]
    pub(super) allow_imdsv1: bool,

    /// Instance id [default: follows from the image]
    #[arg(long, value_name = "ID", value_parser = instance_id)]
    pub(super) instance_id: Option<String>,

    /// Instance type, shown in the metadata
    #[arg(long, value_name = "TYPE", default_value = INSTANCE_TYPE, value_parser = label)]
    pub(super) instance_type: String,

    /// Host name [default: from the address]
    #[arg(long, value_name = "NAME", value_parser = label)]
    pub(super) hostname: Option<String>,

    /// A port of this host that is forwarded to the guest, as in `8080:80`; may be repeated
    #[arg(long, value_name = "HOST:GUEST", value_parser = forward)]
    pub(super) forward: Vec<Forward>,

    /// What the guest can reach: its metadata only, or what this host reaches, including servers that listen on this
    /// host's loopback address only
    #[arg(long, value_name = "WHICH", value_enum, default_value_t = NetworkArg::Closed)]
    pub(super) network: NetworkArg,

    /// The same as `--network closed`, which is the default
    #[arg(long, hide = true, conflicts_with = "network")]
    pub(super) offline: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum NetworkArg {
    /// Its metadata only
    Closed,
    /// What this host reaches
    Open,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FirmwareArg {
    /// UEFI
    Uefi,
    /// Legacy BIOS
    Bios,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum BusArg {
    /// As on every current instance type
    Nvme,
    /// As on other clouds
    Virtio,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum AccelArg {
    /// KVM, if a trial of it works, else emulation
    Auto,
    /// KVM or nothing
    Kvm,
    /// Emulation
    Tcg,
}

#[cfg(all(feature = "aws", feature = "fetch"))]
impl Args {
    /// The arguments of a test boot of a bundle: without checks of its own it has to show the prompt of a login.
    pub(crate) fn of_bundle(image: PathBuf, machine: MachineArgs, mut showing: Showing) -> Self {
        if showing.expect.is_empty() && showing.get.is_empty() && showing.run.is_empty() {
            showing.expect.push("login:".to_owned());
        }
        Self {
            image,
            machine,
            signed_by: SignedByArgs::default(),
            own_build: true,
            arch: None,
            volume_size: None,
            volumes: Vec::new(),
            persist: false,
            log: None,
            showing,
            measured: MeasuredArgs::default(),
            instance: InstanceArgs {
                ssh_key: None,
                user_data: None,
                tags: Vec::new(),
                allow_imdsv1: false,
                instance_id: None,
                instance_type: INSTANCE_TYPE.to_owned(),
                hostname: None,
                forward: Vec::new(),
                network: NetworkArg::Closed,
                offline: false,
            },
            plan: crate::cmd::call_plan::DryRunArgs::default(),
            aws: crate::cmd::region::Args { region: None, profile: None, endpoint_url: None },
        }
    }
}

impl Args {
    /// Whether standard output is used for the output of checks.
    pub(super) fn has_output(&self) -> bool {
        !self.showing.get.is_empty() || !self.showing.run.is_empty()
    }

    /// Whether a launch that passes leaves no receipt: `--no-receipt`, or `--persist`, which changes the image.
    pub(super) fn leaves_no_receipt(&self) -> bool {
        self.showing.no_receipt || self.persist
    }

    /// The architecture, if it is given.
    pub(super) fn arch(&self) -> Option<Arch> {
        self.arch.as_deref().and_then(Arch::by_name)
    }

    /// Whether a check needs a login.
    pub(super) fn needs_login(&self) -> bool {
        !self.showing.run.is_empty()
    }
}

/// Parses a size with its unit: 1 MiB to 64 TiB.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let unit = match unit.trim() {
        "MiB" => 1 << 20,
        "GiB" => GIB,
        "TiB" => GIB << 10,
        _ => return Err("expected a size such as `512MiB` or `8GiB`".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "expected a size such as `512MiB` or `8GiB`".to_owned())?;
    number
        .checked_mul(unit)
        .filter(|len| (1..=64 << 40).contains(len))
        .ok_or_else(|| "a volume has 1 MiB to 64 TiB".to_owned())
}

fn forward(text: &str) -> Result<Forward, String> {
    let port = |text: &str| text.parse().ok().filter(|port| *port != 0);
    let pair = text
        .split_once(':')
        .and_then(|(host, guest)| Some(Forward { host: port(host)?, guest: port(guest)? }));
    pair.ok_or_else(|| "expected HOST:GUEST, as in 8080:80".to_owned())
}

fn instance_id(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("i-").filter(|digits| !digits.is_empty() && digits.len() <= 17);
    let good = digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if good { Ok(text.to_owned()) } else { Err("expected `i-` and at most 17 hexadecimal digits".to_owned()) }
}

fn user_name(text: &str) -> Result<String, String> {
    if is_user_name(text) {
        return Ok(text.to_owned());
    }
    Err("expected a user name: at most 32 letters, digits, `.`, `_` and `-`, no `-` first".to_owned())
}

fn label(text: &str) -> Result<String, String> {
    let good =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    if good { Ok(text.to_owned()) } else { Err("expected letters, digits, `-` and `.`".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_ports_and_ids_are_told_from_mistakes() {
        assert_eq!((size("8GiB"), size("512 MiB")), (Ok(8 << 30), Ok(512 << 20)));
        assert!(
            ["", "8", "GiB", "0GiB", "8 gib", "999999999999TiB", "é"].iter().all(|text| size(text).is_err())
        );
        assert_eq!(forward("8080:80"), Ok(Forward { host: 8080, guest: 80 }));
        assert!(["", "80", "0:80", "80:", "a:b", "1:70000"].iter().all(|text| forward(text).is_err()));
        assert!(
            user_name("ec2-user").is_ok()
                && user_name("-oProxyCommand=x").is_err()
                && user_name("a b").is_err()
        );
        assert!(instance_id("i-0123456789abcdef0").is_ok());
        assert!(["i-", "0123", "i-x", "i-0123456789abcdef01"].iter().all(|text| instance_id(text).is_err()));
    }
}
