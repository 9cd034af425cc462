//! An AMI as a boot target: its root volume is downloaded as an instance would read it.

use amiforge_formats::read_at::ReadAt as _;
use amiforge_image::inspect::Medium;
use amiforge_machine::boot::imds::Sessions;
use amiforge_machine::boot::{Arch, Firmware};
use amiforge_progress::{CancelToken, Monitor};
use amiforge_publish::ami::AmiRegion;
use amiforge_publish::{rate_limiter, volume};
use anyhow::{Context as _, anyhow};

use super::args::Args;
use super::target::{self, BootTarget};
use crate::outcome::Failure;
use crate::ui::{HumanBytes, Ui};

/// Downloads the root volume of an AMI.
pub(super) fn fetch(args: &Args, id: &str, ui: &Ui, cancel: &CancelToken) -> Result<BootTarget, Failure> {
    let cannot = || format!("cannot boot {id}");
    let connected = args.aws.connect(cancel)?;
    let services = connected.services();
    let region = AmiRegion {
        name: &services.region,
        ec2: &*services.ec2,
        timer: &services.timer,
        monitor: Monitor::new(ui, cancel),
    };
    let image = connected.block_on(region.image(id)).with_context(cannot)?;
    let root = image.root_snapshot().map(str::to_owned);
    let root = root.ok_or_else(|| anyhow!("it has no snapshot of a root volume").context(cannot()))?;
    let folder = tempfile::Builder::new().prefix("amiforge-ami-").tempdir();
    let folder = folder.context("making a folder for the volume").with_context(cannot)?;
    let disk = folder.path().join("volume.raw");
    let rate = if args.aws.is_local() { 0 } else { rate_limiter::DEFAULT_RATE };
    let work = volume::write_volume(&services, &root, &disk, rate, Monitor::new(ui, cancel));
    let read = connected.block_on(work).with_context(cannot)?;
    ui.status(format_args!(
        "{id}: {root}, {} blocks of a volume of {}{}",
        read.held,
        HumanBytes(read.size),
        if read.garbage > 0 {
            format!(", {} of garbage as on every encrypted volume", read.garbage)
        } else {
            String::new()
        }
    ));
    let medium = Medium::open(&disk).with_context(cannot)?;
    let arch = args.arch().or_else(|| Arch::by_name(image.architecture.as_deref()?)).unwrap_or(Arch::X86_64);
    Ok(BootTarget {
        name: id.to_owned(),
        size: medium.size(),
        arch,
        firmware: match image.boot_mode.as_deref() {
            Some("legacy-bios") => Firmware::Bios,
            Some("uefi" | "uefi-preferred") => Firmware::Uefi,
            // The default of instance types for an AMI without a boot mode.
            _ => target::firmware(&medium, arch),
        },
        boot_mode: target::boot_mode(&medium, image.boot_mode.as_deref(), arch),
        disk,
        receipt_image: None,
        expected: None,
        seed: id.as_bytes().to_vec(),
        ami: id.to_owned(),
        region: services.region.clone(),
        root_device: image.root_device.unwrap_or_else(|| "/dev/xvda".to_owned()),
        sessions: if image.imds.as_deref() == Some("v2.0") { Sessions::Required } else { Sessions::Optional },
        _folder: Some(folder),
    })
}
