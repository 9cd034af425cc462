//! The texts of the configuration of `update-boot` and of kernel-install(8).

use std::fmt::Write as _;

use super::spec::{InitrdSource, KernelHookSpec, UefiLoader};
use crate::boot::architecture_suffix;

/// The text of the configuration: assignments in shell syntax.
pub(super) fn configuration(spec: &KernelHookSpec) -> String {
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

/// The configuration of kernel-install(8) on systems with rpm: no entries for boot loaders that are not there, and no initrd
/// of the distribution where none is used.
pub(super) fn install_conf(spec: &KernelHookSpec) -> String {
    let generator = if spec.uses_distribution_initrd() { "" } else { "initrd_generator=none\n" };
    format!("# /usr/lib/amiforge/update-boot writes what the machine starts.\nlayout=other\n{generator}")
}

/// The pattern for kernels of the same flavour as a release: `*-cloud-amd64` for `6.1.0-56-cloud-amd64`, and
/// `*.x86_64+debug` for `6.12.4-200.fc41.x86_64+debug`. The parts before the flavour are the version; they start with
/// digits.
fn flavour_pattern(release: &str) -> String {
    if let Some(suffix) = architecture_suffix(release) {
        return format!("*{suffix}");
    }
    let parts: Vec<_> =
        release.split('-').skip_while(|part| part.starts_with(|c: char| c.is_ascii_digit())).collect();
    if parts.is_empty() { "*".to_owned() } else { format!("*-{}", parts.join("-")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_release_is_followed_by_its_flavour() {
        for (release, pattern) in [
            ("6.1.0-56-cloud-amd64", "*-cloud-amd64"),
            ("6.12.43+deb13-cloud-arm64", "*-cloud-arm64"),
            ("6.8.0-1029-aws", "*-aws"),
            ("5.10.0", "*"),
            ("6.1.119-129.201.amzn2023.x86_64", "*.x86_64"),
            ("6.12.4-200.fc41.aarch64", "*.aarch64"),
            ("6.12.4-200.fc41.x86_64+debug", "*.x86_64+debug"),
        ] {
            assert_eq!(flavour_pattern(release), pattern);
        }
    }
}
