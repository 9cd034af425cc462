//! The arguments of `amiforge boot`, and the launch that they ask for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use amiforge_image::inspect::Medium;
use amiforge_machine::boot::check::Check;
use amiforge_machine::boot::imds::Sessions;
use amiforge_machine::boot::machine::{Forward, Network};
use amiforge_machine::boot::{
    Arch, BeforeBoot, Bus, Facts, Firmware, FurtherDisk, Launch, Writes, accel, is_user_name,
};
use anyhow::Context as _;
use clap::ValueEnum;

use super::subject::Subject;
use crate::cmd::Failure;

/// What volumes of EBS are whole multiples of.
const GIB: u64 = 1 << 30;
/// Seconds that checks have when nothing is said.
const PATIENCE: u64 = 300;
/// Users to log in as: what images commonly have. Images that send root elsewhere are followed.
const USERS: [&str; 6] = ["root", "admin", "debian", "ubuntu", "ec2-user", "fedora"];

/// Launch an image on this machine in QEMU, as EC2 would: firmware, NVMe, metadata, key pair, user data
///
/// The console is on the terminal; Ctrl-C ends the guest. The disk is never written: what the guest writes goes away
/// with it. With something to show (`--expect`, `--get`, `--run`) the guest is ended when it has shown that, and a
/// receipt is left beside the image; the exit code is 3 when it did not come so far, with the reason in words.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amiforge boot out/web\n  \
    amiforge boot out/web --expect 'login:' --timeout 120\n  \
    amiforge boot out/web --firmware bios --user-data setup.sh --run 'systemctl is-system-running --wait'\n  \
    amiforge boot ami-0123456789abcdef0 --region local --get 80/")]
pub(crate) struct Args {
    /// A bundle, a raw disk image, or an AMI (`ami-…`), which is downloaded first
    pub(super) image: PathBuf,

    /// What starts it [default: UEFI where there is an EFI system partition, else BIOS]
    #[arg(long, value_name = "WHICH", value_enum)]
    firmware: Option<FirmwareArg>,

    /// How its disks are attached
    #[arg(long, value_name = "BUS", value_enum, default_value_t = BusArg::Nvme)]
    bus: BusArg,

    /// Architecture [default: the bundle's; of a raw image this host's]
    #[arg(long, value_name = "ARCH", value_parser = Arch::ALL.map(Arch::name))]
    arch: Option<String>,

    /// How instructions are carried out; `auto`: KVM, if a trial of it works, else emulation
    #[arg(long, value_name = "HOW", value_enum, default_value_t = AccelArg::Auto)]
    accel: AccelArg,

    /// Processors
    #[arg(long, value_name = "N", default_value_t = 2)]
    cpus: u32,

    /// Memory
    #[arg(long, value_name = "SIZE", default_value = "1 GiB", value_parser = size)]
    memory: u64,

    /// Length of the root volume [default: the image's, in whole GiB]
    #[arg(long, value_name = "SIZE", value_parser = size, conflicts_with = "persist")]
    volume_size: Option<u64>,

    /// A further volume: an empty one of a size, or a bundle or raw image, which is not written either; may be given often
    #[arg(long = "volume", value_name = "SIZE|IMAGE")]
    volumes: Vec<PathBuf>,

    /// Write to the image itself, which then is another image
    #[arg(long)]
    persist: bool,

    /// Keep everything that the console says in a file too
    #[arg(long, value_name = "FILE")]
    pub(super) log: Option<PathBuf>,

    /// A further argument for QEMU, as it is; may be given often
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    qemu_arg: Vec<String>,

    #[command(flatten)]
    showing: Showing,

    #[command(flatten)]
    instance: InstanceArgs,

    #[cfg(feature = "aws")]
    #[command(flatten)]
    pub(super) aws: crate::cmd::aws::Args,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "To show")]
#[group(skip)]
struct Showing {
    /// A text that has to appear on the console; may be given often
    #[arg(long, value_name = "TEXT")]
    expect: Vec<String>,

    /// A page that has to be served, with status 200; it goes to standard output; may be given often
    #[arg(long, value_name = "PORT/PATH", value_parser = Check::get)]
    get: Vec<Check>,

    /// A command that has to succeed, over ssh; its output goes to standard output; may be given often
    #[arg(long, value_name = "COMMAND")]
    run: Vec<String>,

    /// Whom to log in as [default: root, or whom the image says in its place, then usual names]
    #[arg(long, value_name = "NAME", value_parser = user_name)]
    user: Option<String>,

    /// Seconds that all of it may take from power on [default: 300, or no limit where nothing is to be shown]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,

    /// Leave no receipt
    #[arg(long)]
    no_receipt: bool,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Instance")]
#[group(skip)]
struct InstanceArgs {
    /// Key pair: a public key of ssh, or the private key beside it [default: for `--run` one of this launch]
    #[arg(long, value_name = "FILE")]
    ssh_key: Option<PathBuf>,

    /// User data, at most 16 KiB
    #[arg(long, value_name = "FILE")]
    user_data: Option<PathBuf>,

    /// A tag, which metadata tells; may be given often
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<String>,

    /// Answer requests without a token too (`IMDSv1`)
    #[arg(long)]
    allow_imdsv1: bool,

    /// Instance id [default: follows from the image]
    #[arg(long, value_name = "ID", value_parser = instance_id)]
    instance_id: Option<String>,

    /// Instance type that metadata tells
    #[arg(long, value_name = "TYPE", default_value = "t3.small", value_parser = word)]
    instance_type: String,

    /// Host name [default: from the address]
    #[arg(long, value_name = "NAME", value_parser = word)]
    hostname: Option<String>,

    /// A port of this host that leads into the guest, as in `8080:80`; may be given often
    #[arg(long, value_name = "HOST:GUEST", value_parser = forward)]
    forward: Vec<Forward>,

    /// What the guest reaches: nothing but its metadata, or what this host reaches, which includes servers that listen
    /// on this host's loopback address only
    #[arg(long, value_name = "WHICH", value_enum, default_value_t = NetworkArg::Closed)]
    network: NetworkArg,

    /// The same as `--network closed`, which is the default
    #[arg(long, hide = true, conflicts_with = "network")]
    offline: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NetworkArg {
    /// Its metadata only
    Closed,
    /// What this host reaches
    Open,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FirmwareArg {
    /// UEFI
    Uefi,
    /// Legacy BIOS
    Bios,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BusArg {
    /// As on every current instance type
    Nvme,
    /// As on other clouds
    Virtio,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AccelArg {
    /// KVM, if a trial of it works, else emulation
    Auto,
    /// KVM or nothing
    Kvm,
    /// Emulation
    Tcg,
}

impl Args {
    /// Whether standard output is for what checks show.
    pub(super) fn has_output(&self) -> bool {
        !self.showing.get.is_empty() || !self.showing.run.is_empty()
    }

    /// Whether this launch leaves no receipt even if it passes: it was told so, or it changes the image.
    pub(super) fn leaves_no_receipt(&self) -> bool {
        self.showing.no_receipt || self.persist
    }

    /// Whether the architecture is given.
    pub(super) fn arch(&self) -> Option<Arch> {
        self.arch.as_deref().and_then(Arch::by_name)
    }

    /// The launch that is asked for.
    pub(super) fn launch(&self, subject: &Subject, before: Option<&BeforeBoot>) -> Result<Launch, Failure> {
        let cannot = || format!("cannot boot `{}`", self.image.display());
        let read = |path: &Path| {
            amiforge_progress::regular::read(path).with_context(|| format!("reading `{}`", path.display()))
        };
        let user_data = self.instance.user_data.as_deref().map(read).transpose().with_context(cannot)?;
        let checks = self.checks();
        let timeout = self.showing.timeout.or_else(|| (!checks.is_empty()).then_some(PATIENCE));
        let volumes = self.volumes.iter().map(|volume| further(volume));
        let volumes = volumes.collect::<Result<_, _>>().map_err(Failure::usage)?;
        let firmware = match self.firmware {
            Some(FirmwareArg::Uefi) => Firmware::Uefi,
            Some(FirmwareArg::Bios) => Firmware::Bios,
            None => subject.firmware,
        };
        Ok(Launch {
            disk: subject.disk.clone(),
            arch: subject.arch,
            firmware,
            bus: match self.bus {
                BusArg::Nvme => Bus::Nvme,
                BusArg::Virtio => Bus::Virtio,
            },
            accel: match self.accel {
                AccelArg::Auto => accel::AccelChoice::Any,
                AccelArg::Kvm => accel::AccelChoice::Kvm,
                AccelArg::Tcg => accel::AccelChoice::Tcg,
            },
            cpus: self.cpus.max(1),
            memory: u32::try_from(self.memory >> 20).unwrap_or(u32::MAX).max(1),
            writes: self.writes(subject),
            volumes,
            instance: self.facts(subject)?,
            sessions: if self.instance.allow_imdsv1 { Sessions::Optional } else { subject.sessions },
            user_data,
            key: self.instance.ssh_key.clone(),
            users: match &self.showing.user {
                Some(user) => vec![user.clone()],
                None => users(&before.map(BeforeBoot::homes).unwrap_or_default()),
            },
            forwards: self.instance.forward.clone(),
            network: match self.instance.network {
                NetworkArg::Open if !self.instance.offline => Network::Open,
                NetworkArg::Open | NetworkArg::Closed => Network::Closed,
            },
            checks,
            timeout: timeout.map(Duration::from_secs),
            extra: self.qemu_arg.clone(),
        })
    }

    fn checks(&self) -> Vec<Check> {
        let Showing { expect, get, run, .. } = &self.showing;
        let texts = expect.iter().cloned().map(Check::Expect);
        texts.chain(get.iter().cloned()).chain(run.iter().cloned().map(Check::Run)).collect()
    }

    fn writes(&self, subject: &Subject) -> Writes {
        if self.persist {
            return Writes::Persist;
        }
        Writes::Away(self.volume_size.unwrap_or(subject.size).next_multiple_of(GIB))
    }

    /// Whether something is asked for that needs a login.
    pub(super) fn needs_login(&self) -> bool {
        !self.showing.run.is_empty()
    }

    fn facts(&self, subject: &Subject) -> Result<Facts, Failure> {
        let mut tags = BTreeMap::new();
        for tag in &self.instance.tags {
            let (key, value) = tag
                .split_once('=')
                .filter(|(key, _)| !key.is_empty())
                .ok_or_else(|| Failure::usage(anyhow::anyhow!("`--tag {tag}` is not KEY=VALUE")))?;
            tags.insert(key.to_owned(), value.to_owned());
        }
        Ok(Facts {
            seed: subject.seed.clone(),
            id: self.instance.instance_id.clone(),
            kind: self.instance.instance_type.clone(),
            image: subject.ami.clone(),
            region: subject.region.clone(),
            hostname: self.instance.hostname.clone(),
            tags,
            root_device: subject.root_device.clone(),
        })
    }
}

/// Whom to log in as: root first, because images that want another say whom.
fn users(homes: &[String]) -> Vec<String> {
    let usual = USERS.iter().map(|user| (*user).to_owned()).filter(|user| !homes.contains(user));
    let mut users: Vec<_> = usual.collect();
    users.splice(1..1, homes.iter().cloned());
    users
}

/// A further volume: what is there is an image, anything else a size.
fn further(text: &Path) -> anyhow::Result<FurtherDisk> {
    if text.exists() {
        return Ok(FurtherDisk::Disk(Medium::open(text)?.path().to_owned()));
    }
    let words = text.to_string_lossy();
    let len = size(&words).map_err(|_| {
        anyhow::anyhow!("`--volume {words}`: there is no such image, and it is no size such as `10 GiB`")
    })?;
    Ok(FurtherDisk::Empty(len.next_multiple_of(512)))
}

/// A size with its unit.
fn size(text: &str) -> Result<u64, String> {
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

fn word(text: &str) -> Result<String, String> {
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
