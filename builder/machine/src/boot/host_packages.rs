//! The packages of distributions that provide missing dependencies, with their names of 2026.

use std::fmt;

use super::Arch;
use super::arch::qemu_arch;

/// A dependency of a launch on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostDependency {
    /// QEMU.
    Qemu(Arch),
    /// UEFI firmware.
    Uefi(Arch),
    /// `SeaBIOS`.
    Bios,
    /// The ssh client.
    Ssh,
    /// The emulator of a TPM.
    Swtpm,
    /// UEFI firmware that has Secure Boot.
    SecureBoot(Arch),
}

/// A family of distributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DistroFamily {
    Debian,
    Fedora,
    Arch,
    Suse,
    Alpine,
}

impl DistroFamily {
    const ALL: [Self; 5] = [Self::Debian, Self::Fedora, Self::Arch, Self::Suse, Self::Alpine];

    /// Parses `os-release`: its `ID`, then `ID_LIKE`.
    fn from_os_release(release: &str) -> Option<Self> {
        let value = |key: &str| {
            let line = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_default().trim_matches('"').to_owned()
        };
        let ids = format!("{} {}", value("ID"), value("ID_LIKE"));
        ids.split_whitespace().find_map(|id| match id {
            "debian" | "ubuntu" => Some(Self::Debian),
            "fedora" | "rhel" | "centos" | "amzn" => Some(Self::Fedora),
            "arch" => Some(Self::Arch),
            "suse" | "opensuse" => Some(Self::Suse),
            "alpine" => Some(Self::Alpine),
            _ => None,
        })
    }

    const fn install_command(self) -> &'static str {
        match self {
            Self::Debian => "apt-get install",
            Self::Fedora => "dnf install",
            Self::Arch => "pacman -S",
            Self::Suse => "zypper install",
            Self::Alpine => "apk add",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Debian => "Debian, Ubuntu",
            Self::Fedora => "Fedora",
            Self::Arch => "Arch",
            Self::Suse => "openSUSE",
            Self::Alpine => "Alpine",
        }
    }
}

impl HostDependency {
    /// The install command for this host, or the package names for all known distributions.
    pub fn hint(self) -> String {
        let read = |path| std::fs::read_to_string(path).ok();
        let release = read("/etc/os-release").or_else(|| read("/usr/lib/os-release"));
        self.hint_for(&release.unwrap_or_default())
    }

    fn hint_for(self, release: &str) -> String {
        if let Some(family) = DistroFamily::from_os_release(release) {
            return format!("`{} {}`", family.install_command(), self.package(family));
        }
        let all = DistroFamily::ALL.map(|family| format!("{} ({})", self.package(family), family.name()));
        format!("it is in the package {}", all.join(", "))
    }

    const fn package(self, family: DistroFamily) -> &'static str {
        match (self, family) {
            (Self::Qemu(arch), family) => qemu_arch(arch).qemu_packages[family as usize],
            (Self::Uefi(arch) | Self::SecureBoot(arch), family) => {
                qemu_arch(arch).firmware_packages[family as usize]
            }
            (Self::Bios, DistroFamily::Fedora) => "seabios-bin",
            (Self::Bios, DistroFamily::Suse) => "qemu-seabios",
            (Self::Bios, _) => "seabios",
            (Self::Ssh, DistroFamily::Debian | DistroFamily::Alpine) => "openssh-client",
            (Self::Ssh, DistroFamily::Fedora | DistroFamily::Suse) => "openssh-clients",
            (Self::Ssh, DistroFamily::Arch) => "openssh",
            (Self::Swtpm, _) => "swtpm",
        }
    }
}

/// Whether a program is in a folder of `PATH`.
pub fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

impl fmt::Display for HostDependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Qemu(arch) => write!(f, "QEMU for {0} (`qemu-system-{0}`)", arch.name()),
            Self::Uefi(arch) => {
                write!(f, "UEFI firmware for {} ({})", arch.name(), qemu_arch(*arch).firmware)
            }
            Self::Bios => f.write_str("the BIOS of QEMU (SeaBIOS)"),
            Self::Ssh => f.write_str("the ssh client (`ssh`, `ssh-keygen`)"),
            Self::Swtpm => f.write_str("the TPM emulator (`swtpm`)"),
            Self::SecureBoot(arch) => {
                write!(
                    f,
                    "UEFI firmware with Secure Boot for {} ({})",
                    arch.name(),
                    qemu_arch(*arch).firmware
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_says_what_it_is_is_told_one_command() {
        let dependency = HostDependency::Uefi(Arch::X86_64);
        assert_eq!(dependency.hint_for("ID=debian\n"), "`apt-get install ovmf`");
        assert_eq!(
            dependency.hint_for("NAME=x\nID=\"mint\"\nID_LIKE=\"ubuntu debian\"\n"),
            "`apt-get install ovmf`"
        );
        assert_eq!(dependency.hint_for("ID=fedora\n"), "`dnf install edk2-ovmf`");
        let all = dependency.hint_for("");
        assert!(all.contains("ovmf (Debian, Ubuntu)") && all.contains("edk2-ovmf (Arch)"), "{all}");
    }
}
