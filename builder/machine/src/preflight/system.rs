//! The facts of an image's system that the checks read, gathered once.

use amiforge_image::inspect::{DiskView, Medium};

use super::boot_chain::BootChain;
use super::files::{Mounted, SystemFiles};
use super::first_boot::{CloudConfig, FirstBoot};
use super::kernel::{Kernel, MissingModules};

/// An image's system, as it will run.
pub(super) struct System<'a> {
    pub(super) view: &'a DiskView,
    /// The partition with the root file system.
    pub(super) root: &'a Mounted,
    pub(super) chain: &'a BootChain,
    pub(super) files: SystemFiles<'a>,
    pub(super) kernel: Result<Kernel, MissingModules>,
    pub(super) first_boot: FirstBoot,
    /// Only if cloud-init sets up the instance.
    pub(super) cloud_config: Option<CloudConfig>,
}

impl<'a> System<'a> {
    /// Gathers the facts. `root` is an index of `volumes`.
    pub(super) fn new(
        medium: &'a Medium,
        view: &'a DiskView,
        volumes: &'a [Mounted],
        chain: &'a BootChain,
        root: usize,
    ) -> Option<Self> {
        let files = SystemFiles::new(medium, volumes, root);
        let kernel = Kernel::find(&files, chain);
        let first_boot = FirstBoot::find(&files);
        let cloud_config = (first_boot == FirstBoot::CloudInit).then(|| CloudConfig::read(&files));
        Some(Self { view, root: volumes.get(root)?, chain, files, kernel, first_boot, cloud_config })
    }
}
