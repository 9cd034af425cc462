//! A kernel upgrade that takes effect: a script in the image that writes what firmware reads anew, the hooks that run it
//! after a kernel or an initrd has changed, and its configuration.
//!
//! The script (`image/update-boot`) makes the same bytes as the build does, which a test holds. Does not know partitions
//! or recipes: what goes into the configuration is in [`KernelHookSpec`]. Follows the *Debian Kernel Handbook* (chapter
//! 8, kernel hooks) and initramfs-tools(7).

use std::fmt::Write as _;

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Node, NodeKind, Tree};

use super::{PathError, StepError};
use amiforge_formats::arch::Arch;
use amiforge_formats::path::{self, Last};

/// The script.
const SCRIPT: (&str, &str) = ("/usr/lib/amiforge/update-boot", include_str!("image/update-boot"));

/// What runs it, under each name where installers of kernels and makers of initrds look.
const HOOK: &str = include_str!("image/zz-amiforge");
const HOOKS: [&str; 3] = [
    "/etc/initramfs/post-update.d/zz-amiforge",
    "/etc/kernel/postinst.d/zz-amiforge",
    "/etc/kernel/postrm.d/zz-amiforge",
];

/// The first program of an initrd of our own.
const INIT: &str = "/usr/lib/amiforge/initrd-init";

/// The configuration of the script.
const CONFIGURATION: &str = "/etc/default/amiforge-boot";

/// What a system needs to have kernels installed by dpkg.
const NEEDS: [&[u8]; 2] = [b"/bin/sh", b"/var/lib/dpkg/status"];

/// Which initrd a kernel gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitrdOf {
    /// The distribution's where there is one, else our own where a driver is a module.
    Auto,
    /// The distribution's.
    Distribution,
    /// Our own.
    Own,
    /// None.
    None,
}

/// What UEFI starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UefiLoader {
    /// A unified kernel image.
    Uki,
    /// systemd-boot, which starts such an image.
    SystemdBoot,
    /// GRUB.
    Grub,
}

/// UEFI and its system partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uefi {
    /// What it starts.
    pub loader: UefiLoader,
    /// Where its partition is mounted; nothing where it is not.
    pub mount: Option<String>,
    /// GUID of its partition.
    pub partition: String,
    /// Mount point of the file system that holds the kernels, without `/` at its end: GRUB names files from there.
    pub kernels_on: String,
}

/// What the machine starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelHookSpec {
    /// The kernel that the build chose by its release; others of its flavour take its place later. Nothing: the newest.
    pub release: Option<String>,
    /// Arguments for the kernel.
    pub cmdline: String,
    /// The initrd.
    pub initrd: InitrdOf,
    /// Drivers for an initrd of our own.
    pub drivers: Vec<String>,
    /// Architecture.
    pub machine: Arch,
    /// UEFI, for machines that have it.
    pub uefi: Option<Uefi>,
    /// Whether a legacy BIOS starts it, too.
    pub bios: bool,
    /// The time of everything that is put into the tree.
    pub time: Time,
}

/// Puts script, hooks and configuration into a tree; false where no kernel can be installed in it, because it has no
/// dpkg or no shell. A configuration that is there already stays.
///
/// # Errors
/// [`StepError::KernelHook`] when a path of the tree cannot be followed.
pub fn install(tree: &mut Tree, spec: &KernelHookSpec) -> Result<bool, StepError> {
    place(tree, spec).map_err(StepError::KernelHook)
}

fn place(tree: &mut Tree, spec: &KernelHookSpec) -> Result<bool, PathError> {
    for path in NEEDS {
        if path::find(tree, path)?.is_none() {
            return Ok(false);
        }
    }
    put(tree, SCRIPT.0, SCRIPT.1.as_bytes(), 0o755, spec.time)?;
    for path in HOOKS {
        put(tree, path, HOOK.as_bytes(), 0o755, spec.time)?;
    }
    if matches!(spec.initrd, InitrdOf::Auto | InitrdOf::Own) {
        put(tree, INIT, crate::initrd::init(spec.machine), 0o755, spec.time)?;
    }
    if path::place(tree, CONFIGURATION.as_bytes(), Last::Keep)?.is_none_or(|place| place.node.is_none()) {
        put(tree, CONFIGURATION, configuration(spec).as_bytes(), 0o644, spec.time)?;
    }
    Ok(true)
}

fn put(tree: &mut Tree, path: &str, bytes: &[u8], mode: u16, time: Time) -> Result<(), PathError> {
    let place = path::place_made(tree, path.as_bytes(), Last::Keep, time)?;
    let kind = NodeKind::File(Content::Inline(bytes.into()));
    path::put(tree, &place, Node { meta: Meta::root_owned(mode, time), kind })?;
    Ok(())
}

/// The configuration: assignments of the shell.
fn configuration(spec: &KernelHookSpec) -> String {
    let mut text = String::from(
        "# What the machine starts. After a change run /usr/lib/amiforge/update-boot, which also runs by itself when a\n\
         # kernel or an initrd changes.\n",
    );
    let mut assign = |comment: &str, name: &str, value: &str| {
        let quoted = value.replace('\'', r"'\''");
        let _ = write!(text, "\n# {comment}\n{name}='{quoted}'\n");
    };
    let kernel = spec.release.as_deref().map_or_else(|| "*".to_owned(), flavour);
    assign(
        "Releases of kernels that may be started, as a pattern; the newest of them is.",
        "KERNEL",
        &kernel,
    );
    assign("Arguments for the kernel.", "CMDLINE", &spec.cmdline);
    let initrd = match spec.initrd {
        InitrdOf::Auto => "auto",
        InitrdOf::Distribution => "distribution",
        InitrdOf::Own => "own",
        InitrdOf::None => "none",
    };
    assign(
        "The initrd: that of the distribution, of amiforge's own, the latter where the former is missing (auto), or none.",
        "INITRD",
        initrd,
    );
    assign("Drivers in an initrd of amiforge's own.", "DRIVERS", &spec.drivers.join(" "));
    let loader = match spec.uefi.as_ref().map(|uefi| uefi.loader) {
        None => "none",
        Some(UefiLoader::Uki) => "uki",
        Some(UefiLoader::SystemdBoot) => "systemd-boot",
        Some(UefiLoader::Grub) => "grub",
    };
    assign("What UEFI starts: uki, systemd-boot, grub or none.", "LOADER", loader);
    if let Some(uefi) = &spec.uefi {
        assign("The architecture as UEFI names it.", "EFI", spec.machine.firmware().suffix);
        let mount = uefi.mount.as_deref().unwrap_or_default();
        assign("Where the EFI system partition is mounted, and its GUID.", "ESP", mount);
        assign("Used where it is not mounted.", "ESP_PARTUUID", &uefi.partition);
        if uefi.loader == UefiLoader::Grub {
            assign("Where the file system with the kernels is mounted.", "GRUB_TOP", &uefi.kernels_on);
        }
    }
    assign(
        "Whether a legacy BIOS starts the machine, by amiforge's loader.",
        "BIOS",
        if spec.bios { "yes" } else { "no" },
    );
    text
}

/// The pattern for kernels of the flavour of a release: `*-cloud-amd64` for `6.1.0-56-cloud-amd64`. What comes before is
/// the version, whose parts begin with digits.
fn flavour(release: &str) -> String {
    let parts: Vec<_> =
        release.split('-').skip_while(|part| part.starts_with(|c: char| c.is_ascii_digit())).collect();
    if parts.is_empty() { "*".to_owned() } else { format!("*-{}", parts.join("-")) }
}

#[cfg(test)]
mod tests {
    use amiforge_formats::plan::NoSources;

    use super::*;

    fn spec() -> KernelHookSpec {
        KernelHookSpec {
            release: Some("6.1.0-56-cloud-amd64".to_owned()),
            cmdline: "root=LABEL=it's ro".to_owned(),
            initrd: InitrdOf::Auto,
            drivers: vec!["nvme".to_owned(), "ext4".to_owned()],
            machine: Arch::X86_64,
            uefi: Some(Uefi {
                loader: UefiLoader::Uki,
                mount: Some("/boot/efi".to_owned()),
                partition: "0f".to_owned(),
                kernels_on: String::new(),
            }),
            bios: true,
            time: Time::EPOCH,
        }
    }

    fn tree(files: &[&str]) -> Tree {
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        for path in files {
            path::write(&mut tree, path.as_bytes(), b"mine", 0o644, Time::EPOCH).unwrap();
        }
        tree
    }

    fn text(tree: &Tree, path: &str) -> String {
        String::from_utf8(path::read(tree, &NoSources, path.as_bytes()).unwrap().unwrap()).unwrap()
    }

    #[test]
    fn a_system_with_dpkg_gets_script_hooks_and_configuration() {
        let mut system = tree(&["bin/sh", "var/lib/dpkg/status"]);
        assert!(install(&mut system, &spec()).unwrap());
        let configuration = text(&system, CONFIGURATION);
        for line in
            ["KERNEL='*-cloud-amd64'", r"CMDLINE='root=LABEL=it'\''s ro'", "LOADER='uki'", "BIOS='yes'"]
        {
            assert!(configuration.lines().any(|own| own == line), "{line} in {configuration}");
        }
        for path in HOOKS {
            let id = system.lookup(path.trim_start_matches('/').as_bytes()).unwrap();
            assert_eq!(system.node(id).meta.mode & 0o7777, 0o755, "{path}");
        }
        let mut without = tree(&["bin/sh"]);
        assert!(!install(&mut without, &spec()).unwrap());
        assert!(without.lookup(b"usr").is_none(), "nothing is put where no kernel is ever installed");
    }

    #[test]
    fn a_configuration_of_the_recipe_stays() {
        let mut system = tree(&["bin/sh", "var/lib/dpkg/status", "etc/default/amiforge-boot"]);
        assert!(install(&mut system, &spec()).unwrap());
        assert_eq!(text(&system, CONFIGURATION), "mine");
    }

    #[test]
    fn a_chosen_release_is_followed_by_its_flavour() {
        for (release, pattern) in [
            ("6.1.0-56-cloud-amd64", "*-cloud-amd64"),
            ("6.12.43+deb13-cloud-arm64", "*-cloud-arm64"),
            ("6.8.0-1029-aws", "*-aws"),
            ("5.10.0", "*"),
        ] {
            assert_eq!(flavour(release), pattern);
        }
    }
}
