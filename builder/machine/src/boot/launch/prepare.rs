//! Prepares a launch in its folder: overlays, firmware variables, metadata, ports, a key.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use amiforge_formats::uefi_vars::edk2;

use super::{FurtherDisk, Launch, WriteMode};
use crate::boot::accel::Accel;
use crate::boot::check::Check;
use crate::boot::firmware::Flash;
use crate::boot::host_packages::{HostDependency, is_on_path};
use crate::boot::imds::{BlockDevice, Instance, MetadataService};
use crate::boot::machine::{ADDRESS, Drive, FlashCopy, Forward, InstanceIdentity, Machine};
use crate::boot::ssh::{SshKey, SshSession};
use crate::boot::tpm::TpmDevice;
use crate::boot::{BootError, Firmware, firmware, overlay};

/// The account of all resources in the local region.
const ACCOUNT: &str = "123456789012";
/// Port of ssh.
const SSH_PORT: u16 = 22;

/// A prepared launch.
pub(super) struct Prepared {
    pub(super) machine: Machine,
    /// The log of the firmware.
    pub(super) debug: PathBuf,
    /// Port and key of the guest's ssh, if there are commands to run.
    session: Option<(u16, SshKey)>,
    folder: PathBuf,
}

impl Prepared {
    /// The folder of the guest's writes, if its file system is full.
    pub(super) fn exhausted_folder(&self) -> Option<&Path> {
        let free = rustix::fs::statvfs(&self.folder).map_or(u64::MAX, |stat| stat.f_bavail * stat.f_frsize);
        (free < overlay::CLUSTER).then_some(&*self.folder)
    }

    /// The port of this host that is forwarded to a port of the guest.
    pub(super) fn port(&self, guest: u16) -> Option<u16> {
        let forwards = &self.machine.forwards;
        forwards.iter().find(|forward| forward.guest == guest).map(|forward| forward.host)
    }

    /// A session of the guest's ssh, if there are commands to run.
    pub(super) fn session(&self, users: &[String]) -> Option<SshSession> {
        self.session.as_ref().map(|(port, key)| SshSession::new(*port, key.clone(), users, &self.folder))
    }
}

/// Prepares everything in a folder.
pub(super) fn prepare(
    launch: &Launch,
    accel: Accel,
    tpm: Option<TpmDevice>,
    folder: &Path,
) -> Result<Prepared, BootError> {
    let settings = &launch.instance;
    let identity = InstanceIdentity::from_seed(&settings.seed, settings.id.as_deref(), &settings.kind);
    let needs_ssh = launch.checks.iter().any(|check| matches!(check, Check::Run(_)));
    if needs_ssh && !is_on_path("ssh") {
        return Err(BootError::Missing { dependency: HostDependency::Ssh });
    }
    let key = match &launch.key {
        Some(path) => Some(SshKey::from_file(path)?),
        None if needs_ssh => Some(SshKey::generate(folder)?),
        None => None,
    };
    let forwards = all_forwards(launch, needs_ssh)?;
    let session = key.clone().filter(|_| needs_ssh);
    let session = session.and_then(|key| {
        let port = forwards.iter().find(|forward| forward.guest == SSH_PORT)?.host;
        Some((port, key))
    });
    let instance = metadata_instance(launch, &identity, key.as_ref());
    let service = MetadataService::new(&instance, launch.sessions, launch.user_data.clone())?;
    let debug = folder.join("firmware.log");
    let machine = Machine {
        arch: launch.arch,
        accel,
        flash: prepare_flash(launch, folder)?,
        secure_boot: launch.secure_boot,
        tpm,
        cpus: launch.cpus,
        memory: launch.memory,
        bus: launch.bus,
        drives: prepare_drives(launch, folder)?,
        identity,
        metadata: Some(service.command(&folder.join("metadata.json"))?),
        forwards,
        network: launch.network,
        debug: Some(debug.clone()),
        extra: launch.extra.clone(),
    };
    Ok(Prepared { machine, debug, session, folder: folder.to_owned() })
}

fn metadata_instance(launch: &Launch, identity: &InstanceIdentity, key: Option<&SshKey>) -> Instance {
    let settings = &launch.instance;
    let device = |index: usize| format!("sd{}", char::from(b'b' + (index % 25) as u8));
    Instance {
        id: identity.instance.clone(),
        image: settings.image.clone(),
        kind: settings.kind.clone(),
        architecture: launch.arch.ec2_name(),
        region: settings.region.clone(),
        account: ACCOUNT.to_owned(),
        mac: identity.mac.clone(),
        address: ADDRESS.to_owned(),
        hostname: settings.hostname.clone(),
        keys: key.iter().map(|key| key.public.clone()).collect(),
        tags: settings.tags.clone(),
        root_device: settings.root_device.clone(),
        volumes: (0..launch.volumes.len()).map(|index| BlockDevice { device: device(index) }).collect(),
    }
}

fn prepare_flash(launch: &Launch, folder: &Path) -> Result<Option<FlashCopy>, BootError> {
    match (launch.firmware, launch.arch) {
        (Firmware::Bios, arch) if arch.has_bios() => Ok(None),
        (Firmware::Bios, _) => Err(BootError::NoBios),
        (Firmware::Uefi, arch) => {
            let Flash { code, code_format, vars: template, vars_format } =
                firmware::find(arch, launch.secure_boot)?;
            let vars = folder.join("vars");
            let failed = |source| BootError::File { path: template.clone(), source };
            let mut bytes = fs::read(&template).map_err(failed)?;
            if !launch.variables.is_empty() {
                let written = edk2::write(&bytes, &launch.variables);
                bytes =
                    written.map_err(|source| BootError::Variables { template: template.clone(), source })?;
            }
            fs::write(&vars, bytes).map_err(failed)?;
            Ok(Some(FlashCopy { code, code_format, vars, vars_format }))
        }
    }
}

fn prepare_drives(launch: &Launch, folder: &Path) -> Result<Vec<Drive>, BootError> {
    let serial = |index: usize| format!("vol{index:017x}");
    let root = match launch.writes {
        WriteMode::Persist => Drive { file: launch.disk.clone(), format: "raw", serial: serial(1) },
        WriteMode::Discard(len) => {
            let disk = length(&launch.disk)?;
            if len < disk {
                return Err(BootError::VolumeTooSmall { volume: len, disk, path: launch.disk.clone() });
            }
            let file = folder.join("root.qcow2");
            overlay::create(&file, len, Some(&launch.disk))?;
            Drive { file, format: "qcow2", serial: serial(1) }
        }
    };
    let mut drives = vec![root];
    for (index, volume) in (2..).zip(&launch.volumes) {
        let file = folder.join(format!("volume{index}.qcow2"));
        match volume {
            FurtherDisk::Empty(len) => overlay::create(&file, *len, None)?,
            FurtherDisk::Disk(disk) => {
                overlay::create(&file, length(disk)?.next_multiple_of(512), Some(disk))?;
            }
        }
        drives.push(Drive { file, format: "qcow2", serial: serial(index) });
    }
    Ok(drives)
}

fn length(disk: &Path) -> Result<u64, BootError> {
    let failed = |source| BootError::File { path: disk.to_owned(), source };
    fs::metadata(disk).map(|metadata| metadata.len()).map_err(failed)
}

/// The requested forwards, and those that the checks need.
fn all_forwards(launch: &Launch, needs_ssh: bool) -> Result<Vec<Forward>, BootError> {
    let mut all = launch.forwards.clone();
    let http_ports = launch.checks.iter().filter_map(|check| match check {
        Check::Get { port, .. } => Some(*port),
        Check::Expect(_) | Check::Run(_) => None,
    });
    for guest in http_ports.chain(needs_ssh.then_some(SSH_PORT)) {
        if all.iter().all(|forward| forward.guest != guest) {
            all.push(Forward { host: free_port()?, guest });
        }
    }
    Ok(all)
}

/// A port that is free at the moment.
fn free_port() -> Result<u16, BootError> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    port.map(|address| address.port())
        .map_err(|source| BootError::Start { program: "a listener on 127.0.0.1".to_owned(), source })
}
