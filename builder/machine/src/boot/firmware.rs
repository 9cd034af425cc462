//! Finding UEFI firmware on the host: by the descriptors that its packages leave for programs like this one (QEMU's
//! `docs/interop/firmware.json`), else by the places where distributions keep it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::arch::qemu_arch;
use super::host_packages::HostDependency;
use super::{Arch, BootError};

/// Firmware in flash: code that is only read, and the template of its variables.
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

/// Folders of descriptors, in the order in which they count.
const DESCRIPTORS: [&str; 2] = ["/etc/qemu/firmware", "/usr/share/qemu/firmware"];

/// Finds firmware without Secure Boot for an architecture.
///
/// # Errors
/// [`BootError::Missing`].
pub fn find(arch: Arch) -> Result<Flash, BootError> {
    let described = DESCRIPTORS.iter().find_map(|folder| find_described(Path::new(folder), arch));
    let installed = || {
        let mut candidates = qemu_arch(arch).firmware_files.iter();
        let (code, vars) = candidates.find(|(code, vars)| is_file(code) && is_file(vars))?;
        let raw = || "raw".to_owned();
        Some(Flash { code: code.into(), code_format: raw(), vars: vars.into(), vars_format: raw() })
    };
    described.or_else(installed).ok_or(BootError::Missing { dependency: HostDependency::Uefi(arch) })
}

fn is_file(path: &str) -> bool {
    Path::new(path).is_file()
}

/// What a descriptor says, as far as it matters here.
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

/// The first firmware that the descriptors of a folder, by name, tell of and that fits.
fn find_described(folder: &Path, arch: Arch) -> Option<Flash> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    // A descriptor that cannot be read is another package's mistake.
    let descriptors = paths.iter().filter_map(|path| serde_json::from_slice(&std::fs::read(path).ok()?).ok());
    descriptors
        .filter_map(|descriptor| matching(descriptor, arch))
        .find(|flash| flash.code.is_file() && flash.vars.is_file())
}

fn matching(descriptor: FirmwareDescriptor, arch: Arch) -> Option<Flash> {
    let machine = qemu_arch(arch).firmware_board;
    let target = descriptor.targets.iter().any(|target| {
        target.architecture == arch.name() && target.machines.iter().any(|name| name.starts_with(machine))
    });
    let uefi = descriptor.interfaces.iter().any(|interface| interface == "uefi");
    // Firmware with keys in it refuses what nobody has signed, and that for SMM needs another machine.
    let unsigned = !descriptor.features.iter().any(|feature| {
        matches!(feature.as_str(), "requires-smm" | "secure-boot" | "enrolled-keys" | "amd-sev-es-only")
    });
    let flash = descriptor.mapping.device == "flash";
    let (code, vars) = (descriptor.mapping.executable?, descriptor.mapping.template?);
    (target && uefi && unsigned && flash).then_some(Flash {
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
    fn firmware_that_wants_signatures_is_passed_over() {
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
        assert_eq!(find_described(folder.path(), Arch::X86_64), None);
        std::fs::write(at("40.json"), text("", "pc-q35-*")).unwrap();
        assert_eq!(find_described(folder.path(), Arch::X86_64).unwrap().code, at("code"));
        assert_eq!(find_described(folder.path(), Arch::Aarch64), None);
    }
}
