//! The launch that the arguments of `amiforge boot` and the target give.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use amiforge_image::inspect::Medium;
use amiforge_machine::boot::check::Check;
use amiforge_machine::boot::imds::Sessions;
use amiforge_machine::boot::machine::Network;
use amiforge_machine::boot::{
    Bus, DiskState, Firmware, FurtherDisk, InstanceSettings, Launch, TpmChoice, WriteMode, accel,
};
use anyhow::Context as _;

use super::args::{AccelArg, Args, BusArg, FirmwareArg, GIB, NetworkArg, Showing, size};
use super::target::BootTarget;
use crate::cmd::machine_keys::MachineKeys;
use crate::outcome::Failure;

/// The limit of time for checks, in seconds, without `--timeout`.
const CHECK_TIMEOUT: u64 = 300;
/// The users to log in as without `--user`: those that images commonly have. A redirection from root to another user is
/// followed.
const USERS: [&str; 6] = ["root", "admin", "debian", "ubuntu", "ec2-user", "fedora"];

impl Args {
    /// The launch.
    pub(super) fn launch(
        &self,
        target: &BootTarget,
        keys: MachineKeys,
        before: Option<&DiskState>,
    ) -> Result<Launch, Failure> {
        let cannot = || format!("cannot boot `{}`", self.image.display());
        let read = |path: &Path| {
            amiforge_progress::regular::read(path).with_context(|| format!("reading `{}`", path.display()))
        };
        let user_data = self.instance.user_data.as_deref().map(read).transpose().with_context(cannot)?;
        let checks = self.checks();
        let timeout = self.showing.timeout.or_else(|| (!checks.is_empty()).then_some(CHECK_TIMEOUT));
        let volumes = self.volumes.iter().map(|volume| further(volume));
        let volumes = volumes.collect::<Result<_, _>>().map_err(Failure::usage)?;
        let firmware = self.firmware(target);
        Ok(Launch {
            disk: target.disk.clone(),
            arch: target.arch,
            firmware,
            secure_boot: keys.secure_boot(),
            variables: keys.variables,
            tpm: if self.measured.tpm { TpmChoice::Emulated } else { TpmChoice::Absent },
            bus: match self.machine.bus {
                BusArg::Nvme => Bus::Nvme,
                BusArg::Virtio => Bus::Virtio,
            },
            accel: match self.machine.accel {
                AccelArg::Auto => accel::AccelChoice::Any,
                AccelArg::Kvm => accel::AccelChoice::Kvm,
                AccelArg::Tcg => accel::AccelChoice::Tcg,
            },
            cpus: self.machine.cpus.max(1),
            memory: u32::try_from(self.machine.memory >> 20).unwrap_or(u32::MAX).max(1),
            writes: self.writes(target),
            volumes,
            instance: self.facts(target)?,
            sessions: if self.instance.allow_imdsv1 { Sessions::Optional } else { target.sessions },
            user_data,
            key: self.instance.ssh_key.clone(),
            users: match &self.showing.user {
                Some(user) => vec![user.clone()],
                None => users(&before.map(DiskState::home_users).unwrap_or_default()),
            },
            forwards: self.instance.forward.clone(),
            network: match self.instance.network {
                NetworkArg::Open if !self.instance.offline => Network::Open,
                NetworkArg::Open | NetworkArg::Closed => Network::Closed,
            },
            checks,
            timeout: timeout.map(Duration::from_secs),
            extra: self.machine.qemu_arg.clone(),
        })
    }

    /// The firmware of the launch.
    pub(super) fn firmware(&self, target: &BootTarget) -> Firmware {
        match self.machine.firmware {
            Some(FirmwareArg::Uefi) => Firmware::Uefi,
            Some(FirmwareArg::Bios) => Firmware::Bios,
            None => target.firmware,
        }
    }

    fn checks(&self) -> Vec<Check> {
        let Showing { expect, get, run, .. } = &self.showing;
        let texts = expect.iter().cloned().map(Check::Expect);
        texts.chain(get.iter().cloned()).chain(run.iter().cloned().map(Check::Run)).collect()
    }

    fn writes(&self, target: &BootTarget) -> WriteMode {
        if self.persist {
            return WriteMode::Persist;
        }
        WriteMode::Discard(self.volume_size.unwrap_or(target.size).next_multiple_of(GIB))
    }

    fn facts(&self, target: &BootTarget) -> Result<InstanceSettings, Failure> {
        let mut tags = BTreeMap::new();
        for tag in &self.instance.tags {
            let (key, value) = tag
                .split_once('=')
                .filter(|(key, _)| !key.is_empty())
                .ok_or_else(|| Failure::usage(anyhow::anyhow!("`--tag {tag}` is not KEY=VALUE")))?;
            tags.insert(key.to_owned(), value.to_owned());
        }
        Ok(InstanceSettings {
            seed: target.seed.clone(),
            id: self.instance.instance_id.clone(),
            kind: self.instance.instance_type.clone(),
            image: target.ami.clone(),
            region: target.region.clone(),
            hostname: self.instance.hostname.clone(),
            tags,
            root_device: target.root_device.clone(),
        })
    }
}

/// The users to log in as, root first: an image that forbids root names the other user.
fn users(homes: &[String]) -> Vec<String> {
    let usual = USERS.iter().map(|user| (*user).to_owned()).filter(|user| !homes.contains(user));
    let mut users: Vec<_> = usual.collect();
    users.splice(1..1, homes.iter().cloned());
    users
}

/// Parses a further volume: an existing path is an image, anything else a size.
fn further(text: &Path) -> anyhow::Result<FurtherDisk> {
    if text.exists() {
        let medium = Medium::open(text)?;
        if let Some(kind) = medium.container() {
            let (path, kind) = (text.display(), kind.name());
            anyhow::bail!(
                "`{path}` is a {kind} file, and QEMU is given raw disks only: `qemu-img convert -O raw` makes one"
            );
        }
        return Ok(FurtherDisk::Disk(medium.path().to_owned()));
    }
    let size_text = text.to_string_lossy();
    let len = size(&size_text).map_err(|_| {
        anyhow::anyhow!("`--volume {size_text}`: there is no such image, and it is no size such as `10 GiB`")
    })?;
    Ok(FurtherDisk::Empty(len.next_multiple_of(512)))
}
