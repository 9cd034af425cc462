//! What is booted: a bundle or a raw image of this machine, or an AMI that is fetched first.

use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_formats::gpt::{self, types};
use amiforge_formats::read_at::ReadAt as _;
use amiforge_image::inspect::Medium;
use amiforge_image::manifest::Manifest;
use amiforge_machine::boot::imds::Sessions;
use amiforge_machine::boot::receipt::ImageDigests;
use amiforge_machine::boot::{Arch, Firmware};
use amiforge_progress::Interrupt;
use anyhow::Context as _;

use super::Args;
use crate::cmd::Failure;
use crate::ui::Ui;

/// What is booted.
pub(super) struct Subject {
    /// Its name in words.
    pub(super) name: String,
    /// The raw disk.
    pub(super) disk: PathBuf,
    /// Its length.
    pub(super) size: u64,
    pub(super) arch: Arch,
    /// What starts it if nothing else is said.
    pub(super) firmware: Firmware,
    /// Bundle or raw image that a receipt may vouch for.
    pub(super) vouched: Option<PathBuf>,
    /// Digests and length of the image by its manifest.
    pub(super) expected: Option<(ImageDigests, u64)>,
    /// What ids follow from.
    pub(super) seed: Vec<u8>,
    pub(super) ami: String,
    pub(super) region: String,
    pub(super) root_device: String,
    pub(super) sessions: Sessions,
    /// Holds the disk where it was fetched, and goes with it.
    pub(super) _folder: Option<tempfile::TempDir>,
}

impl Subject {
    /// Finds what the arguments name.
    #[cfg_attr(not(feature = "aws"), expect(unused_variables, reason = "only fetching needs them"))]
    pub(super) fn find(args: &Args, ui: &Ui, interrupt: &Interrupt) -> Result<Self, Failure> {
        #[cfg(feature = "aws")]
        if let Some(id) = args.image.to_str().filter(|id| id.starts_with("ami-") && !args.image.exists()) {
            let id = crate::cmd::aws::remote(id)
                .map_err(|wrong| Failure::usage(anyhow::anyhow!("`{id}` is {wrong}")))?;
            return super::remote::fetch(args, &id, ui, interrupt);
        }
        Self::here(args)
    }

    /// A bundle or raw image.
    fn here(args: &Args) -> Result<Self, Failure> {
        let cannot = || format!("cannot boot `{}`", args.image.display());
        let medium = Medium::open(&args.image).with_context(cannot)?;
        let manifest = medium.bundle().map(|folder| manifest(folder).with_context(cannot)).transpose()?;
        let own = manifest.as_ref().and_then(|manifest| Arch::by_name(&manifest.origin.arch));
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
            vouched: Some(args.image.clone()),
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
