//! Installs what makes a kernel upgrade take effect: a script in the image that rewrites the boot files that firmware reads,
//! the hooks that run it after a kernel or an initrd has changed, and its configuration.
//!
//! The script (`image/update-boot`) writes the same bytes as the build, which a test verifies. Does not know partitions or
//! recipes: [`KernelHookSpec`] has the values of the configuration. Follows the *Debian Kernel Handbook* (chapter 8, kernel
//! hooks) and initramfs-tools(7).

use std::fmt::Write as _;

use amiforge_formats::arch::Arch;
use amiforge_formats::path::{self, PathError};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Tree};
use schemars::JsonSchema;
use serde::Deserialize;

use super::error::StepError;
use super::probe::has_entry;
use super::write::replace_file;

/// Path and text of the script.
const SCRIPT: (&str, &str) = ("/usr/lib/amiforge/update-boot", include_str!("image/update-boot"));

/// Text and paths of the hooks that run it after the installation of a kernel or an initrd.
const HOOK: &str = include_str!("image/zz-amiforge");
const HOOKS: [&str; 3] = [
    "/etc/initramfs/post-update.d/zz-amiforge",
    "/etc/kernel/postinst.d/zz-amiforge",
    "/etc/kernel/postrm.d/zz-amiforge",
];

/// Path of the init program of an initrd of amiforge.
const INITRD_INIT: &str = "/usr/lib/amiforge/initrd-init";

/// Path of the configuration of the script.
const CONFIGURATION: &str = "/etc/default/amiforge-boot";

/// Paths that a system has where dpkg installs kernels.
const REQUIRED_PATHS: [&[u8]; 2] = [b"/bin/sh", b"/var/lib/dpkg/status"];

/// The initrd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InitrdSource {
    /// That of the kernel in `/boot`, where there is one; else one of amiforge's own, where a driver is not built in.
    Auto,
    /// That of the kernel in `/boot`.
    Distribution,
    /// One of amiforge's own: a first program of a few KiB and the `drivers`.
    Own,
    /// None: the kernel finds the root by itself.
    None,
}

/// What UEFI starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UefiLoader {
    /// One file with kernel, initrd and arguments (a unified kernel image), with the stub of the package
    /// `systemd-boot-efi`.
    Uki,
    /// systemd-boot, which starts such a file without a menu; of the package `systemd-boot-efi`.
    SystemdBoot,
    /// GRUB as the package `grub-efi-amd64-bin` or `grub-efi-arm64-bin` brings it, without a menu.
    Grub,
}

/// UEFI and its system partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uefi {
    /// The boot loader that it starts.
    pub loader: UefiLoader,
    /// Mount point of its system partition; `None` where it is not mounted.
    pub mount: Option<String>,
    /// GUID of its system partition.
    pub partition: String,
    /// Mount point of the file system of the kernels, without a trailing `/`: paths for GRUB start there.
    pub kernels_on: String,
}

/// The values of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelHookSpec {
    /// Release of the kernel that the recipe chose; an upgrade starts the newest kernel of the same flavour. `None`: the
    /// newest of all.
    pub release: Option<String>,
    /// Command line of the kernel.
    pub cmdline: String,
    /// The initrd.
    pub initrd: InitrdSource,
    /// Drivers of an initrd of amiforge.
    pub drivers: Vec<String>,
    /// Architecture.
    pub machine: Arch,
    /// UEFI, where the image boots by it.
    pub uefi: Option<Uefi>,
    /// Whether the image also boots by a legacy BIOS.
    pub bios: bool,
    /// The modification time of all installed files.
    pub time: Time,
}

/// Installs script, hooks and configuration in a tree; returns `false` where no kernel can be installed later, because the
/// tree has no dpkg or no shell. An existing configuration is kept.
///
/// # Errors
/// [`StepError::KernelHook`] when a path of the tree cannot be resolved.
pub fn install(tree: &mut Tree, spec: &KernelHookSpec) -> Result<bool, StepError> {
    write_files(tree, spec).map_err(StepError::KernelHook)
}

fn write_files(tree: &mut Tree, spec: &KernelHookSpec) -> Result<bool, PathError> {
    for path in REQUIRED_PATHS {
        if path::find(tree, path)?.is_none() {
            return Ok(false);
        }
    }
    let mut put = |path: &str, bytes: &[u8], mode: u16| {
        replace_file(tree, path, Content::Inline(bytes.into()), mode, spec.time)
    };
    put(SCRIPT.0, SCRIPT.1.as_bytes(), 0o755)?;
    for path in HOOKS {
        put(path, HOOK.as_bytes(), 0o755)?;
    }
    if matches!(spec.initrd, InitrdSource::Auto | InitrdSource::Own) {
        put(INITRD_INIT, crate::initrd::init(spec.machine), 0o755)?;
    }
    if !has_entry(tree, CONFIGURATION)? {
        let text = configuration(spec);
        replace_file(tree, CONFIGURATION, Content::Inline(text.as_bytes().into()), 0o644, spec.time)?;
    }
    Ok(true)
}

/// The text of the configuration: assignments in shell syntax.
fn configuration(spec: &KernelHookSpec) -> String {
    let mut text = String::from(
        "# What the machine starts. After a change run /usr/lib/amiforge/update-boot, which also runs by itself when a\n\
         # kernel or an initrd changes.\n",
    );
    let mut assign = |comment: &str, name: &str, value: &str| {
        let quoted = value.replace('\'', r"'\''");
        let _ = write!(text, "\n# {comment}\n{name}='{quoted}'\n");
    };
    let kernel = spec.release.as_deref().map_or_else(|| "*".to_owned(), flavour_pattern);
    assign(
        "Releases of kernels that may be started, as a pattern; the newest of them is.",
        "KERNEL",
        &kernel,
    );
    assign("Arguments for the kernel.", "CMDLINE", &spec.cmdline);
    let initrd = match spec.initrd {
        InitrdSource::Auto => "auto",
        InitrdSource::Distribution => "distribution",
        InitrdSource::Own => "own",
        InitrdSource::None => "none",
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

/// The pattern for kernels of the same flavour as a release: `*-cloud-amd64` for `6.1.0-56-cloud-amd64`. The parts before the
/// flavour are the version; they start with digits.
fn flavour_pattern(release: &str) -> String {
    let parts: Vec<_> =
        release.split('-').skip_while(|part| part.starts_with(|c: char| c.is_ascii_digit())).collect();
    if parts.is_empty() { "*".to_owned() } else { format!("*-{}", parts.join("-")) }
}

#[cfg(test)]
mod tests {
    use amiforge_formats::plan::NoSources;
    use amiforge_formats::tree::Meta;

    use super::*;

    fn spec() -> KernelHookSpec {
        KernelHookSpec {
            release: Some("6.1.0-56-cloud-amd64".to_owned()),
            cmdline: "root=LABEL=it's ro".to_owned(),
            initrd: InitrdSource::Auto,
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
        assert!(without.lookup(b"usr").is_none(), "nothing is installed where no kernel is ever installed");
    }

    #[test]
    fn a_configuration_of_the_recipe_is_kept() {
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
            assert_eq!(flavour_pattern(release), pattern);
        }
    }
}
