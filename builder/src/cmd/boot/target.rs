//! The boot target: a local bundle or raw image, or an AMI that is downloaded first.

use std::path::{Path, PathBuf};

use amiforge_formats::arch::BootMode;
use amiforge_formats::digest::Digest;
use amiforge_formats::gpt::{self, types};
use amiforge_formats::read_at::ReadAt as _;
use amiforge_image::inspect::Medium;
use amiforge_image::manifest::Manifest;
use amiforge_machine::boot::imds::Sessions;
use amiforge_machine::boot::receipt::ImageDigests;
use amiforge_machine::boot::{Arch, Firmware};
use anyhow::Context as _;

use super::args::Args;
use crate::outcome::Failure;

/// The image to boot.
pub(super) struct BootTarget {
    /// Its name in messages.
    pub(super) name: String,
    /// The raw disk.
    pub(super) disk: PathBuf,
    /// Its length in bytes.
    pub(super) size: u64,
    pub(super) arch: Arch,
    /// The firmware without `--firmware`.
    pub(super) firmware: Firmware,
    /// The boot mode, if partitions or manifest give one.
    pub(super) boot_mode: Option<BootMode>,
    /// The bundle or raw image that a receipt is written for.
    pub(super) receipt_image: Option<PathBuf>,
    /// Digests and length of the image in its manifest.
    pub(super) expected: Option<(ImageDigests, u64)>,
    /// The seed of ids.
    pub(super) seed: Vec<u8>,
    pub(super) ami: String,
    pub(super) region: String,
    pub(super) root_device: String,
    pub(super) sessions: Sessions,
    /// The folder of a downloaded disk, removed when dropped.
    pub(super) _folder: Option<tempfile::TempDir>,
}

impl BootTarget {
    /// Opens a bundle or raw image.
    pub(super) fn local(args: &Args) -> Result<Self, Failure> {
        let cannot = || format!("cannot boot `{}`", args.image.display());
        let medium = Medium::open(&args.image).with_context(cannot)?;
        if let Some(kind) = medium.container() {
            let error = anyhow::anyhow!("it is a {} file, and QEMU is given raw disks only", kind.name());
            return Err(Failure::from(error.context(cannot()))
                .hint("convert it: `qemu-img convert -O raw FILE disk.raw`"));
        }
        let manifest = medium.bundle().map(|folder| manifest(folder).with_context(cannot)).transpose()?;
        let own = manifest.as_ref().and_then(|manifest| Arch::by_name(&manifest.origin.arch));
        let named = manifest.as_ref().and_then(|manifest| manifest.origin.boot_mode.clone());
        let host = Arch::by_name(std::env::consts::ARCH).unwrap_or(Arch::X86_64);
        let arch = args.arch().or(own).unwrap_or(host);
        let seed = match &manifest {
            Some(manifest) => manifest.plain.to_string(),
            None => args.image.display().to_string(),
        };
        let ami = format!("ami-0{}", Digest::of(seed.as_bytes()).to_string().get(..16).unwrap_or_default());
        Ok(Self {
            name: args.image.display().to_string(),
            disk: medium.path().to_owned(),
            size: medium.size(),
            arch,
            firmware: firmware(&medium, arch),
            boot_mode: boot_mode(&medium, named.as_deref(), arch),
            receipt_image: Some(args.image.clone()),
            expected: manifest.map(|manifest| ((&manifest).into(), manifest.size)),
            seed: seed.into_bytes(),
            ami,
            region: "us-east-1".to_owned(),
            root_device: "/dev/xvda".to_owned(),
            sessions: Sessions::Required,
            _folder: None,
        })
    }
}

fn manifest(folder: &Path) -> anyhow::Result<Manifest> {
    let path = folder.join(amiforge_image::bundle::MANIFEST);
    let text =
        amiforge_progress::regular::read(&path).with_context(|| format!("reading `{}`", path.display()))?;
    Manifest::parse(&text).with_context(|| format!("reading `{}`", path.display()))
}

/// What the partitions are for.
pub(super) fn firmware(medium: &Medium, arch: Arch) -> Firmware {
    let esp = gpt::read::read(medium).is_ok_and(|reading| {
        reading.table.partitions.iter().any(|partition| partition.type_guid == types::ESP)
    });
    if esp || !arch.has_bios() { Firmware::Uefi } else { Firmware::Bios }
}

/// The boot mode of an image: that of its manifest, else what its partitions allow.
pub(super) fn boot_mode(
    medium: &Medium,
    named: Option<&str>,
    arch: amiforge_machine::boot::Arch,
) -> Option<BootMode> {
    let table = amiforge_formats::gpt::read::read(medium).ok().map(|reading| reading.table);
    let has = |type_guid| {
        table.iter().flat_map(|table| &table.partitions).any(|partition| partition.type_guid == type_guid)
    };
    let named = named.and_then(BootMode::by_ec2_name);
    named.or_else(|| BootMode::of_partitions(arch, has(types::ESP), has(types::BIOS_BOOT)))
}
