//! What makes an image boot: files for the EFI system partition, and the loader for a legacy BIOS. Kernel, initrd and
//! loaders are those of the tree; no installer of a boot loader runs, and nothing is read but heads and stubs.

use std::collections::BTreeMap;

use amiforge_formats::arch::FirmwareNames;
use amiforge_formats::guid::Guid;
use amiforge_formats::pe::{self, UkiSection};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Tree};
use amiforge_formats::volume::VolumeIds;
use amiforge_image::disk::{self, PartitionSize};
use amiforge_rootfs::boot::{self as parts, BootFilesError, KernelFiles};
use amiforge_rootfs::initrd::{InitrdError, Modules};
use amiforge_rootfs::steps::files::{self, FileAction, FileSpec};
use amiforge_rootfs::steps::kernel_hook::{self, InitrdOf, KernelHookSpec, Uefi, UefiLoader};
use amiforge_store::blobs::Blobs;

use super::BuildError;
use crate::recipe::{Arch, BootRecipe, InitrdChoice, Loader, Recipe, RecipePartition};

/// What reaches a root on every machine of EC2, and on those of QEMU.
const DRIVERS: [&str; 4] = ["nvme", "virtio", "xen", "ext4"];

/// The first stub that runs the kernel where it is loaded, which then takes the memory that its own headers ask for.
/// Older ones hand its bytes on to the firmware, which measures exactly those.
const STUB_IN_PLACE: u32 = 258;

/// What a stub says of itself before its version (its section `.sdmagic`).
const STUB_SAYS: &[u8] = b"LoaderInfo: systemd-stub ";

/// Where the package `systemd-boot-efi` puts its files.
const SYSTEMD: &str = "/usr/lib/systemd/boot/efi";

/// A file of a loader that is not there.
#[derive(Debug, thiserror::Error)]
#[error("the image has no `{path}`, which UEFI needs; the package `{package}` brings it")]
pub struct NoLoader {
    path: String,
    package: &'static str,
}

/// Puts what UEFI starts on the EFI system partition, and gives what the loader for a legacy BIOS is to start.
pub(super) fn prepare(
    recipe: &Recipe,
    tree: &mut Tree,
    blobs: &Blobs,
    time: Time,
    warnings: &mut Vec<String>,
) -> Result<Option<disk::Loader>, BuildError> {
    let Some(boot) = &recipe.boot else { return Ok(None) };
    let mut kernel = parts::kernel(tree, blobs, boot.kernel.as_deref())?;
    kernel.initrd = initrd(recipe.image.arch, boot, tree, blobs, &kernel)?;
    let cmdline = cmdline(recipe, boot);
    let mut esp = None;
    if boot.mode.uefi() {
        let firmware = recipe.image.arch.firmware();
        let specs = match boot.loader {
            Loader::Uki => {
                let path = format!("EFI/BOOT/{}", firmware.default);
                vec![(path, uki(tree, blobs, &kernel, &cmdline, firmware)?)]
            }
            Loader::SystemdBoot => systemd_boot(tree, blobs, &kernel, &cmdline, firmware)?,
            Loader::Grub => grub(recipe, tree, blobs, &kernel, &cmdline, firmware)?,
        };
        esp = specs.iter().map(|(_, content)| content.len()).max();
        put(recipe, tree, blobs, specs, time)?;
    }
    let hooked =
        boot.kernel_hook && kernel_hook::install(tree, &hook(recipe, boot, &kernel, &cmdline, time))?;
    let initrd = kernel.initrd.map(|(_, initrd)| initrd);
    let loader = disk::Loader { kernel: kernel.content, head: kernel.head, initrd, cmdline };
    let loader = boot.mode.bios().then_some(loader);
    if hooked {
        let bios = loader.as_ref().map(disk::Loader::len);
        warnings.extend(cramped(recipe, "esp", esp).into_iter().chain(cramped(recipe, "bios-boot", bios)));
    }
    Ok(loader)
}

/// The initrd that the recipe asks for; one of our own stands nowhere in the tree.
fn initrd(
    arch: Arch,
    boot: &BootRecipe,
    tree: &Tree,
    blobs: &Blobs,
    kernel: &KernelFiles,
) -> Result<Option<(String, Content)>, BuildError> {
    match (boot.initrd, &kernel.initrd) {
        (InitrdChoice::None, _) => return Ok(None),
        (InitrdChoice::Auto | InitrdChoice::Distribution, Some(there)) => return Ok(Some(there.clone())),
        (InitrdChoice::Distribution, None) => {
            return Err(BootFilesError::NoInitrd { release: kernel.release.clone() }.into());
        }
        (InitrdChoice::Auto | InitrdChoice::Own, _) => {}
    }
    let modules = Modules::read(tree, blobs, &kernel.release);
    // A kernel that has no modules needs none.
    if boot.initrd == InitrdChoice::Auto && matches!(modules, Err(InitrdError::NoList { .. })) {
        return Ok(None);
    }
    let modules = modules?;
    let usual = || DRIVERS.map(str::to_owned).into_iter();
    let there = |word: &String| modules.needed(std::slice::from_ref(word)).is_ok();
    let drivers = boot.drivers.clone().unwrap_or_else(|| usual().filter(there).collect());
    let needed = modules.needed(&drivers)?;
    if needed.is_empty() && boot.initrd == InitrdChoice::Auto {
        return Ok(None);
    }
    let archive = modules.initrd(tree, blobs, &needed, arch)?;
    Ok(Some((String::new(), inline(archive))))
}

/// Space that a partition has besides what is started: tables of a file system, and room for the next version to grow.
const SPARE: u64 = 4 << 20;

/// A warning where a partition has no room for the next kernel beside the one of so many bytes.
fn cramped(recipe: &Recipe, id: &str, len: Option<u64>) -> Option<String> {
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

/// What the machine has to know to start a later kernel as the build starts this one.
fn hook(
    recipe: &Recipe,
    boot: &BootRecipe,
    kernel: &KernelFiles,
    cmdline: &str,
    time: Time,
) -> KernelHookSpec {
    let esp = recipe.partitions.iter().find(|partition| partition.id == "esp").filter(|_| boot.mode.uefi());
    let uefi = esp.map(|esp| Uefi {
        loader: match boot.loader {
            Loader::Uki => UefiLoader::Uki,
            Loader::SystemdBoot => UefiLoader::SystemdBoot,
            Loader::Grub => UefiLoader::Grub,
        },
        mount: esp.mount.clone(),
        partition: guid(recipe, esp).to_string(),
        kernels_on: holder(recipe, kernel).map_or(String::new(), |(_, top)| top.to_owned()),
    });
    KernelHookSpec {
        release: boot.kernel.clone(),
        cmdline: cmdline.to_owned(),
        initrd: match boot.initrd {
            InitrdChoice::Auto => InitrdOf::Auto,
            InitrdChoice::Distribution => InitrdOf::Distribution,
            InitrdChoice::Own => InitrdOf::Own,
            InitrdChoice::None => InitrdOf::None,
        },
        drivers: boot.drivers.clone().unwrap_or_else(|| DRIVERS.map(str::to_owned).to_vec()),
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

/// What the kernel is told: where the root is, and where to speak. EC2 has a serial console on every machine, and advises
/// to wait for its volumes for as long as it takes (EC2 User Guide, "I/O operation timeout for Amazon EBS volumes").
fn cmdline(recipe: &Recipe, boot: &BootRecipe) -> String {
    let root = recipe.partitions.iter().find(|partition| partition.id == "root");
    let root =
        root.map(|root| guid(recipe, root)).map(|guid| format!("root=PARTUUID={guid} ")).unwrap_or_default();
    let consoles = recipe.image.arch.consoles();
    let all = format!("{root}rootwait ro {consoles} nvme_core.io_timeout=4294967295 {}", boot.cmdline);
    all.trim_end().to_owned()
}

/// Files for the EFI system partition, by path in it.
type EspFiles = Vec<(String, Content)>;

fn inline(bytes: impl Into<Vec<u8>>) -> Content {
    Content::Inline(bytes.into().into())
}

/// A file of a loader.
fn loader(tree: &Tree, blobs: &Blobs, path: String, package: &'static str) -> Result<Vec<u8>, BuildError> {
    let found = parts::loader(tree, blobs, &path)?;
    found.ok_or_else(|| BuildError::NoLoader(NoLoader { path, package }))
}

/// A unified kernel image (Unified Kernel Image Specification).
fn uki(
    tree: &Tree,
    blobs: &Blobs,
    kernel: &KernelFiles,
    cmdline: &str,
    firmware: FirmwareNames,
) -> Result<Content, BuildError> {
    let path = format!("{SYSTEMD}/linux{}.efi.stub", firmware.suffix);
    let stub = loader(tree, blobs, path, "systemd-boot-efi")?;
    let mut sections = Vec::new();
    if let Some(text) = parts::os_release(tree, blobs)? {
        sections.push(UkiSection::new(".osrel", inline(text)));
    }
    sections.push(UkiSection::new(".cmdline", inline(cmdline)));
    sections.push(UkiSection::new(".uname", inline(kernel.release.as_str())));
    if let Some((_, initrd)) = &kernel.initrd {
        sections.push(UkiSection::new(".initrd", initrd.clone()));
    }
    let in_place = stub_version(&stub).is_some_and(|version| version >= STUB_IN_PLACE);
    let memory = if in_place { pe::size_of_image(&kernel.head).unwrap_or(0) } else { 0 };
    sections.push(UkiSection { memory: memory.into(), ..UkiSection::new(".linux", kernel.content.clone()) });
    Ok(pe::uki(&stub, &sections)?)
}

/// The version that a stub says it is of.
fn stub_version(stub: &[u8]) -> Option<u32> {
    let at = stub.windows(STUB_SAYS.len()).position(|window| window == STUB_SAYS)?;
    let rest = stub.get(at + STUB_SAYS.len()..)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
    digits.map(|digit| char::from(*digit)).collect::<String>().parse().ok()
}

/// systemd-boot and the one thing that it starts (systemd-boot(7), loader.conf(5)).
fn systemd_boot(
    tree: &Tree,
    blobs: &Blobs,
    kernel: &KernelFiles,
    cmdline: &str,
    firmware: FirmwareNames,
) -> Result<EspFiles, BuildError> {
    let path = format!("{SYSTEMD}/systemd-boot{}.efi", firmware.suffix);
    Ok(vec![
        (format!("EFI/BOOT/{}", firmware.default), inline(loader(tree, blobs, path, "systemd-boot-efi")?)),
        (format!("EFI/Linux/{}.efi", kernel.release), uki(tree, blobs, kernel, cmdline, firmware)?),
        ("loader/loader.conf".to_owned(), inline("timeout 0\neditor no\n")),
    ])
}

/// GRUB as one file, which reads its configuration where Debian's build looks for it, and the kernel from the root.
fn grub(
    recipe: &Recipe,
    tree: &Tree,
    blobs: &Blobs,
    kernel: &KernelFiles,
    cmdline: &str,
    firmware: FirmwareNames,
) -> Result<EspFiles, BuildError> {
    let (uuid, top) =
        holder(recipe, kernel).map_or((String::new(), ""), |(partition, top)| (uuid(recipe, partition), top));
    let below = |path: &str| path.strip_prefix(top).unwrap_or(path).to_owned();
    let mut found = vec![(
        format!("EFI/BOOT/{}", firmware.default),
        inline(loader(tree, blobs, firmware.grub.to_owned(), firmware.grub_package)?),
    )];
    let initrd = kernel.initrd.as_ref().map(|(path, content)| {
        if path.is_empty() {
            found.push(("EFI/debian/initrd.img".to_owned(), content.clone()));
            return "initrd ($esp)/EFI/debian/initrd.img\n".to_owned();
        }
        format!("initrd {}\n", below(path))
    });
    let configuration = format!(
        "serial --unit=0 --speed=115200\nterminal_input console serial\nterminal_output console serial\n\
         set esp=$root\nsearch --no-floppy --fs-uuid --set=root {uuid}\nlinux {} {cmdline}\n{}boot\n",
        below(&kernel.path),
        initrd.unwrap_or_default(),
    );
    found.push(("EFI/debian/grub.cfg".to_owned(), inline(configuration)));
    Ok(found)
}

/// The partition that holds the kernel, and where it is mounted: `/boot` may be a file system of its own, and the kernel's
/// path is then told from its top.
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

/// Puts files where the EFI system partition is in the tree.
fn put(
    recipe: &Recipe,
    tree: &mut Tree,
    blobs: &Blobs,
    found: EspFiles,
    time: Time,
) -> Result<(), BuildError> {
    let esp = recipe.partitions.iter().find(|partition| partition.id == "esp");
    let top = esp.and_then(|esp| esp.tree.as_deref()).unwrap_or("/boot/efi").trim_end_matches('/');
    let spec = |(path, content): (String, Content)| FileSpec {
        path: format!("{top}/{path}"),
        action: FileAction::Write(content),
        mode: None,
        user: None,
        group: None,
        xattrs: BTreeMap::new(),
    };
    let specs: Vec<_> = found.into_iter().map(spec).collect();
    Ok(files::apply(tree, blobs, &specs, time)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stub_says_its_version() {
        assert_eq!(stub_version(b"MZ#### LoaderInfo: systemd-stub 252.39-1~deb12u2 ####\0"), Some(252));
        assert_eq!(stub_version(b"#### LoaderInfo: systemd-stub 258~rc1 ####"), Some(258));
        assert_eq!(stub_version(b"#### LoaderInfo: systemd-boot 252 ####"), None);
    }
}
