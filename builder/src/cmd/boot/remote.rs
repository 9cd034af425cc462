//! An AMI of a region, fetched to be booted: its root volume, as a machine would find it.

use amiforge_formats::read_at::ReadAt as _;
use amiforge_image::inspect::Medium;
use amiforge_machine::boot::imds::Sessions;
use amiforge_machine::boot::{Arch, Firmware};
use amiforge_progress::Interrupt;
use amiforge_publish::ami::AmiRegion;
use amiforge_publish::{flow, volume};
use anyhow::{Context as _, anyhow};

use super::Args;
use super::subject::{self, Subject};
use crate::cmd::Failure;
use crate::ui::{Bytes, Ui};

/// Fetches the AMI that the arguments name.
pub(super) fn fetch(args: &Args, id: &str, ui: &Ui, interrupt: &Interrupt) -> Result<Subject, Failure> {
    let cannot = || format!("cannot boot {id}");
    let connected = args.aws.connect(interrupt)?;
    let services = connected.services();
    let region = AmiRegion {
        name: &services.region,
        ec2: &*services.ec2,
        pace: &services.pace,
        progress: ui,
        interrupt,
    };
    let image = connected.block_on(region.image(id)).with_context(cannot)?;
    let root = image.root_snapshot().map(str::to_owned);
    let root = root.ok_or_else(|| anyhow!("it has no snapshot of a root volume").context(cannot()))?;
    let folder = tempfile::Builder::new().prefix("amiforge-ami-").tempdir();
    let folder = folder.context("making a folder for the volume").with_context(cannot)?;
    let disk = folder.path().join("volume.raw");
    let rate = if args.aws.is_local() { 0 } else { flow::RATE };
    let work = volume::volume(&services, &root, &disk, rate, ui, interrupt);
    let read = connected.block_on(work).with_context(cannot)?;
    ui.status(format_args!(
        "{id}: {root}, {} blocks of a volume of {}{}",
        read.held,
        Bytes(read.size),
        if read.garbage > 0 {
            format!(", {} of garbage as on every encrypted volume", read.garbage)
        } else {
            String::new()
        }
    ));
    let medium = Medium::open(&disk).with_context(cannot)?;
    let arch = args.arch().or_else(|| Arch::by_name(image.architecture.as_deref()?)).unwrap_or(Arch::X86_64);
    Ok(Subject {
        name: id.to_owned(),
        size: medium.size(),
        arch,
        firmware: match image.boot_mode.as_deref() {
            Some("legacy-bios") => Firmware::Bios,
            Some("uefi" | "uefi-preferred") => Firmware::Uefi,
            // What instance types do where an AMI says nothing.
            _ => subject::firmware(&medium, arch),
        },
        disk,
        vouched: None,
        expected: None,
        seed: id.as_bytes().to_vec(),
        ami: id.to_owned(),
        region: services.region.clone(),
        root_device: image.root_device.unwrap_or_else(|| "/dev/xvda".to_owned()),
        sessions: if image.imds.as_deref() == Some("v2.0") { Sessions::Required } else { Sessions::Optional },
        _folder: Some(folder),
    })
}
