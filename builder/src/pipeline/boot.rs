//! What an image boots with, found in its tree for [`amiforge_image::seal`]: kernel, initrd and programs of loaders. No
//! installer of a boot loader runs. Kernels and initrds stay references; of a kernel only the first bytes are read, loaders
//! are read whole. Also installs a hook in the tree, by which the machine starts kernels that are installed later.

use amiforge_formats::guid::Guid;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Tree};
use amiforge_formats::volume::format::VolumeFormat;
use amiforge_formats::volume::{FsKind, VolumeIds, VolumeOptions};
use amiforge_image::disk::{self, PartitionSize};
use amiforge_image::pcr_policy::PcrPolicy;
use amiforge_image::seal::{
    BootKernel, BootSpec, CommandLine, CommandRoot, GrubParts, Initrd, LateValues, LoaderPrograms, Sealed,
    UefiSpec, UkiParts, VerityArguments, Writable, WritableFolders,
};
use amiforge_rootfs::boot::{self as parts, BootFilesError, KernelFiles};
use amiforge_rootfs::initrd::{InitProgram, InitrdError, KernelModules};
use amiforge_rootfs::steps::kernel_hook::{self, InitrdSource, KernelHookSpec, Uefi, UefiLoader};
use amiforge_store::blobs::Blobs;

use super::error::NoLoader;
use super::{BuildError, esp_owner};
use crate::recipe::{BootRecipe, Recipe, RecipePartition, TrustProfile};

/// Drivers that reach a root on every machine of EC2, and on those of QEMU; that of its file system comes behind them.
const DRIVERS: [&str; 3] = ["nvme", "virtio", "xen"];

/// Folder of the files of the package `systemd-boot-efi`.
const SYSTEMD: &str = "/usr/lib/systemd/boot/efi";

/// That package, and its name in Fedora's kin.
const SYSTEMD_PACKAGE: &str = "systemd-boot-efi, or systemd-boot-unsigned,";

/// Bytes that a partition needs besides two versions of the files that firmware starts: tables of a file system, and growth
/// of the next version.
const SPARE: u64 = 4 << 20;

/// How an image boots.
#[derive(Debug)]
pub(super) struct Boot {
    pub(super) spec: BootSpec,
    /// Whether a hook in the machine writes the files that firmware starts again after a kernel upgrade.
    hooked: bool,
    /// A warning about a package that would put its own loader back.
    foreign_loader: Option<String>,
}

/// Finds kernel, initrd and loaders in the tree, and installs the hook for later kernels. None for a recipe without `[boot]`.
///
/// # Errors
/// [`BuildError`] when the tree lacks a kernel, an initrd or a loader that the recipe asks for.
pub(super) fn prepare(
    recipe: &Recipe,
    tree: &mut Tree,
    blobs: &Blobs,
    policy: Option<&PcrPolicy>,
    time: Time,
) -> Result<Option<Boot>, BuildError> {
    let Some(boot) = &recipe.boot else { return Ok(None) };
    let kernel = parts::find_kernel(tree, blobs, boot.kernel.as_deref())?;
    let initrd = match recipe.trust.profile {
        Some(_) => Some(verified_initrd(recipe, boot, tree, blobs, &kernel)?),
        None => initrd(recipe, boot, tree, blobs, &kernel)?,
    };
    let foreign_loader = if boot.mode.uefi() { esp_owner::warning(recipe, tree, blobs) } else { None };
    let uefi = boot.mode.uefi().then(|| uefi(recipe, boot.loader, tree, blobs, &kernel)).transpose()?;
    let cmdline = cmdline(recipe, boot);
    // The machine starts later kernels with the same line. Where the line vouches for the root, the root is not changed.
    let line = cmdline.text(&LateValues::default());
    let hooked = boot.kernel_hook
        && !root_format(recipe).is_read_only()
        && kernel_hook::install(tree, &hook(recipe, boot, &kernel, line, time))?;
    let KernelFiles { release, path, content, head, .. } = kernel;
    let kernel = BootKernel { release, path, content, head };
    let spec = BootSpec {
        kernel,
        initrd,
        cmdline,
        uefi,
        bios: boot.mode.bios(),
        secure_boot: recipe.trust.secure_boot.is_some(),
        policy_key: policy.map(|policy| policy.key.pem.clone()),
    };
    Ok(Some(Boot { spec, hooked, foreign_loader }))
}

impl Boot {
    /// Warnings about partitions that have no room for an upgraded kernel, and about a package that would put its own loader back.
    pub(super) fn warnings(&self, recipe: &Recipe, sealed: &Sealed) -> Vec<String> {
        let mut warnings: Vec<String> = self.foreign_loader.iter().cloned().collect();
        if self.hooked {
            let bios = sealed.bios.as_ref().map(disk::Loader::len);
            let parts = [("esp", sealed.longest_esp_file()), ("bios-boot", bios)];
            warnings.extend(parts.into_iter().filter_map(|(id, len)| no_room_warning(recipe, id, len)));
        }
        warnings
    }
}

/// The format of the root file system.
fn root_format(recipe: &Recipe) -> &'static dyn VolumeFormat {
    let root = recipe.partitions.iter().find(|partition| partition.id == "root");
    root.and_then(|root| root.holds.volume()).map_or(FsKind::Ext4, VolumeOptions::kind).format()
}

/// The initrd that the recipe asks for; one of our own is no file of the tree.
fn initrd(
    recipe: &Recipe,
    boot: &BootRecipe,
    tree: &Tree,
    blobs: &Blobs,
    kernel: &KernelFiles,
) -> Result<Option<Initrd>, BuildError> {
    match (boot.initrd, &kernel.initrd) {
        (InitrdSource::None, _) => return Ok(None),
        (InitrdSource::Auto | InitrdSource::Distribution, Some((path, content))) => {
            return Ok(Some(Initrd { path: Some(path.clone()), content: content.clone() }));
        }
        (InitrdSource::Distribution, None) => {
            return Err(BootFilesError::NoInitrd { release: kernel.release.clone() }.into());
        }
        (InitrdSource::Auto | InitrdSource::Own, _) => {}
    }
    let modules = KernelModules::read(tree, blobs, &kernel.release);
    // A kernel that has no modules needs none.
    if boot.initrd == InitrdSource::Auto && matches!(modules, Err(InitrdError::NoModuleList { .. })) {
        return Ok(None);
    }
    let modules = modules?;
    let needed = modules.load_order(&drivers(recipe, boot, &modules))?;
    if needed.is_empty() && boot.initrd == InitrdSource::Auto {
        return Ok(None);
    }
    let archive = modules.build_initrd(tree, blobs, &needed, (recipe.image.arch, InitProgram::Plain))?;
    Ok(Some(Initrd { path: None, content: Content::Inline(archive.into()) }))
}

/// What reaches the root, as words of the recipe.
fn usual_drivers(recipe: &Recipe) -> Vec<String> {
    DRIVERS.into_iter().chain([root_format(recipe).mount_type()]).map(str::to_owned).collect()
}

/// The drivers of the recipe, else the usual ones that the kernel has.
fn drivers(recipe: &Recipe, boot: &BootRecipe, modules: &KernelModules) -> Vec<String> {
    let there = |word: &String| modules.load_order(std::slice::from_ref(word)).is_ok();
    boot.drivers.clone().unwrap_or_else(|| usual_drivers(recipe).into_iter().filter(there).collect())
}

/// The initrd of a verified root: always one of our own, whose only program starts nothing that is not verified. The hash
/// tree, the file systems and the overlays are not for the recipe to leave out.
fn verified_initrd(
    recipe: &Recipe,
    boot: &BootRecipe,
    tree: &Tree,
    blobs: &Blobs,
    kernel: &KernelFiles,
) -> Result<Initrd, BuildError> {
    let modules = KernelModules::read(tree, blobs, &kernel.release)?;
    let mut drivers = drivers(recipe, boot, &modules);
    drivers.extend(["verity", root_format(recipe).mount_type()].map(str::to_owned));
    let writable = recipe.trust.writable;
    if writable != WritableFolders::default() {
        drivers.push("overlay".to_owned());
    }
    if writable.any(Writable::Data) {
        drivers.push("ext4".to_owned());
    }
    let needed = modules.load_order(&drivers)?;
    let archive = modules.build_initrd(tree, blobs, &needed, (recipe.image.arch, InitProgram::Verified))?;
    Ok(Initrd { path: None, content: Content::Inline(archive.into()) })
}

/// A warning where a partition has no room for another kernel beside one of `len` bytes.
fn no_room_warning(recipe: &Recipe, id: &str, len: Option<u64>) -> Option<String> {
    let partition = recipe.partitions.iter().find(|partition| partition.id == id)?;
    let needed = len?.saturating_mul(2).saturating_add(SPARE);
    let has = match partition.size {
        PartitionSize::Exact(has) => has,
        PartitionSize::Minimal { slack } => len?.saturating_add(slack),
        PartitionSize::Fill => return None,
    };
    (has < needed).then(|| {
        format!(
            "the partition `{id}` has no room for the next kernel beside this one, so an upgraded kernel will not be \
             started: make it `size = \"{} MiB\"`",
            needed.div_ceil(1 << 20)
        )
    })
}

/// The settings with which the machine starts a later kernel as the build starts this one.
fn hook(
    recipe: &Recipe,
    boot: &BootRecipe,
    kernel: &KernelFiles,
    cmdline: String,
    time: Time,
) -> KernelHookSpec {
    let esp = recipe.partitions.iter().find(|partition| partition.id == "esp").filter(|_| boot.mode.uefi());
    let uefi = esp.map(|esp| Uefi {
        loader: boot.loader,
        mount: esp.mount.clone(),
        partition: guid(recipe, esp).to_string(),
        kernels_on: holder(recipe, kernel).map_or(String::new(), |(_, top)| top.to_owned()),
    });
    KernelHookSpec {
        // Where a debug kernel has the same name as the plain one but for its end, only kernels like this one are started.
        release: boot
            .kernel
            .clone()
            .or_else(|| parts::architecture_suffix(&kernel.release).map(|_| kernel.release.clone())),
        cmdline,
        initrd: boot.initrd,
        has_initrd: kernel.initrd.is_some(),
        drivers: boot.drivers.clone().unwrap_or_else(|| usual_drivers(recipe)),
        machine: recipe.image.arch,
        uefi,
        bios: boot.mode.bios(),
        time,
    }
}

/// The GUID of a partition.
fn guid(recipe: &Recipe, partition: &RecipePartition) -> Guid {
    partition.guid.unwrap_or_else(|| disk::partition_guid(&recipe.image.name, &partition.id))
}

/// The kernel's command line. EC2 has a serial console on every machine. A verified root is named by its root hash alone:
/// a partition's GUID would name what nothing verifies.
fn cmdline(recipe: &Recipe, boot: &BootRecipe) -> CommandLine {
    let root = recipe.partitions.iter().find(|partition| partition.id == "root");
    let format = root_format(recipe).mount_type();
    let (root, arguments) = if let Some(profile) = recipe.trust.profile {
        let writable = recipe.trust.writable;
        let verity = VerityArguments { writable, gpt_auto: profile != TrustProfile::Attestable };
        (Some(CommandRoot::Verity(verity)), boot.cmdline.clone())
    } else {
        let root = root.map(|root| CommandRoot::Partition(guid(recipe, root)));
        // An initrd of our own takes ext4 for granted.
        let other = if format == "ext4" { String::new() } else { format!("rootfstype={format} ") };
        (root, other + &boot.cmdline)
    };
    CommandLine { root, consoles: recipe.image.arch.consoles(), arguments }
}

/// What UEFI starts, with the programs of the tree.
fn uefi(
    recipe: &Recipe,
    loader: UefiLoader,
    tree: &Tree,
    blobs: &Blobs,
    kernel: &KernelFiles,
) -> Result<UefiSpec, BuildError> {
    let firmware = recipe.image.arch.firmware();
    let program = |path: String, package| program(tree, blobs, path, package);
    let uki = || -> Result<UkiParts, BuildError> {
        Ok(UkiParts {
            stub: program(format!("{SYSTEMD}/linux{}.efi.stub", firmware.suffix), SYSTEMD_PACKAGE)?,
            os_release: parts::read_os_release(tree, blobs)?,
        })
    };
    let loader = match loader {
        UefiLoader::Uki => LoaderPrograms::Uki(uki()?),
        UefiLoader::SystemdBoot => LoaderPrograms::SystemdBoot {
            program: program(format!("{SYSTEMD}/systemd-boot{}.efi", firmware.suffix), SYSTEMD_PACKAGE)?,
            uki: uki()?,
        },
        UefiLoader::Grub => {
            let holder = holder(recipe, kernel);
            LoaderPrograms::Grub(GrubParts {
                program: program(firmware.grub.to_owned(), firmware.grub_package)?,
                file_system: holder.map_or(String::new(), |(partition, _)| uuid(recipe, partition)),
                mount: holder.map_or(String::new(), |(_, mount)| mount.to_owned()),
            })
        }
    };
    Ok(UefiSpec { default_name: firmware.default, loader })
}

/// A program of a loader.
fn program(tree: &Tree, blobs: &Blobs, path: String, package: &'static str) -> Result<Vec<u8>, BuildError> {
    let program = parts::read_loader(tree, blobs, &path)?;
    program.ok_or_else(|| BuildError::NoLoader(NoLoader { path, package }))
}

/// The partition that holds the kernel, and where it is mounted: `/boot` may be a file system of its own, and the kernel's
/// path is then relative to its root.
fn holder<'a>(recipe: &'a Recipe, kernel: &KernelFiles) -> Option<(&'a RecipePartition, &'a str)> {
    recipe
        .partitions
        .iter()
        .filter(|partition| partition.holds.holds_files())
        .filter_map(|partition| Some((partition, partition.tree.as_deref()?.trim_end_matches('/'))))
        .filter(|(_, top)| kernel.path.strip_prefix(top).is_some_and(|rest| rest.starts_with('/')))
        .max_by_key(|(_, top)| top.len())
}

/// The id of a partition's file system, as GRUB looks for it.
fn uuid(recipe: &Recipe, partition: &RecipePartition) -> String {
    let ids = VolumeIds::derive(&recipe.image.name, &partition.id);
    partition.holds.volume().map_or_else(String::new, |options| options.id(&ids))
}
