//! Finds UEFI firmware on the host: by the firmware descriptors of its packages (QEMU's `docs/interop/firmware.json`),
//! or else at the usual paths of distributions.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::arch::qemu_arch;
use super::host_packages::HostDependency;
use super::{Arch, BootError};

/// Firmware in flash: read-only code, and the template of its variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flash {
    /// The code.
    pub code: PathBuf,
    /// Its format, `raw` or `qcow2`.
    pub code_format: String,
    /// The template of the variables.
    pub vars: PathBuf,
    /// Its format.
    pub vars_format: String,
}

/// The format of flash that this program can write variables into.
const RAW: &str = "raw";
/// Folders of descriptors, in order of precedence.
const DESCRIPTORS: [&str; 2] = ["/etc/qemu/firmware", "/usr/share/qemu/firmware"];

/// Whether firmware verifies what it starts, by the keys in its variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecureBoot {
    /// It starts everything.
    Off,
    /// It starts what an entry of `db` verifies.
    On,
}

impl SecureBoot {
    /// The value in receipts and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
        }
    }
}

/// Finds firmware for an architecture: without Secure Boot, or with it and without keys of its own.
///
/// # Errors
/// [`BootError::Missing`].
pub fn find(arch: Arch, secure_boot: SecureBoot) -> Result<Flash, BootError> {
    let described =
        DESCRIPTORS.iter().find_map(|folder| find_described(Path::new(folder), arch, secure_boot));
    let (files, dependency) = match secure_boot {
        SecureBoot::Off => (qemu_arch(arch).firmware_files, HostDependency::Uefi(arch)),
        SecureBoot::On => (qemu_arch(arch).secure_firmware_files, HostDependency::SecureBoot(arch)),
    };
    let installed = || {
        let mut candidates = files.iter();
        let (code, vars) = candidates.find(|(code, vars)| is_file(code) && is_file(vars))?;
        let raw = || RAW.to_owned();
        Some(Flash { code: code.into(), code_format: raw(), vars: vars.into(), vars_format: raw() })
    };
    described.or_else(installed).ok_or(BootError::Missing { dependency })
}

fn is_file(path: &str) -> bool {
    Path::new(path).is_file()
}

/// The fields of a descriptor that are read.
#[derive(Deserialize)]
struct FirmwareDescriptor {
    #[serde(rename = "interface-types")]
    interfaces: Vec<String>,
    mapping: FirmwareMapping,
    targets: Vec<FirmwareTarget>,
    features: Vec<String>,
}

#[derive(Deserialize)]
struct FirmwareMapping {
    device: String,
    executable: Option<FirmwareImage>,
    #[serde(rename = "nvram-template")]
    template: Option<FirmwareImage>,
}

#[derive(Deserialize)]
struct FirmwareImage {
    filename: PathBuf,
    format: String,
}

#[derive(Deserialize)]
struct FirmwareTarget {
    architecture: String,
    machines: Vec<String>,
}

/// The first suitable firmware of a folder's descriptors, in the order of their names.
fn find_described(folder: &Path, arch: Arch, secure_boot: SecureBoot) -> Option<Flash> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    // An unreadable descriptor is an error of another package.
    let descriptors = paths.iter().filter_map(|path| serde_json::from_slice(&std::fs::read(path).ok()?).ok());
    descriptors
        .filter_map(|descriptor| matching(descriptor, arch, secure_boot))
        .find(|flash| flash.code.is_file() && flash.vars.is_file())
}

fn matching(descriptor: FirmwareDescriptor, arch: Arch, secure_boot: SecureBoot) -> Option<Flash> {
    let machine = qemu_arch(arch).firmware_board;
    let target = descriptor.targets.iter().any(|target| {
        target.architecture == arch.name() && target.machines.iter().any(|name| name.starts_with(machine))
    });
    let uefi = descriptor.interfaces.iter().any(|interface| interface == "uefi");
    let has = |name: &str| descriptor.features.iter().any(|feature| feature == name);
    let suitable = match secure_boot {
        // Firmware with enrolled keys refuses unsigned loaders, and firmware for SMM needs another machine type.
        SecureBoot::Off => !["requires-smm", "secure-boot", "enrolled-keys"].iter().any(|name| has(name)),
        // On x86 only firmware for SMM protects its keys from the system that it starts.
        SecureBoot::On => {
            has("secure-boot") && !has("enrolled-keys") && (has("requires-smm") || !qemu_arch(arch).has_smm)
        }
    };
    let suitable = suitable && !has("amd-sev-es-only");
    let flash = descriptor.mapping.device == "flash";
    let (code, vars) = (descriptor.mapping.executable?, descriptor.mapping.template?);
    // The keys are written into a copy of the template.
    let writable = secure_boot == SecureBoot::Off || vars.format == RAW;
    (target && uefi && suitable && flash && writable).then_some(Flash {
        code: code.filename,
        code_format: code.format,
        vars: vars.filename,
        vars_format: vars.format,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn firmware_with_secure_boot_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("code"), "").unwrap();
        std::fs::write(at("vars"), "").unwrap();
        let text = |features: &str, machine: &str| {
            format!(
                r#"{{"interface-types": ["uefi"], "mapping": {{"device": "flash",
                "executable": {{"filename": {:?}, "format": "raw"}}, "nvram-template": {{"filename": {:?}, "format": "raw"}}}},
                "targets": [{{"architecture": "x86_64", "machines": ["{machine}"]}}], "features": [{features}]}}"#,
                at("code"),
                at("vars")
            )
        };
        std::fs::write(at("10.json"), text(r#""requires-smm""#, "pc-q35-*")).unwrap();
        std::fs::write(at("20.json"), "{").unwrap();
        std::fs::write(at("30.json"), text("", "pc-i440fx-*")).unwrap();
        assert_eq!(find_described(folder.path(), Arch::X86_64, SecureBoot::Off), None);
        std::fs::write(at("40.json"), text("", "pc-q35-*")).unwrap();
        assert_eq!(find_described(folder.path(), Arch::X86_64, SecureBoot::Off).unwrap().code, at("code"));
        assert_eq!(find_described(folder.path(), Arch::Aarch64, SecureBoot::Off), None);
    }
}
