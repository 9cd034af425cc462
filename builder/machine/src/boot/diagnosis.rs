//! Why a machine did not come up, in words, from what it said on its console and in its firmware's log. Knows the words
//! of OVMF, `SeaBIOS`, Linux, systemd, initramfs-tools, dracut and cloud-init; owns no judgement about success.

use serde::Serialize;

use super::crash_report;

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The firmware found nothing to boot.
    NothingToBoot,
    /// The firmware found a loader and could not start it.
    LoaderRefused,
    /// Secure Boot refused the loader.
    NotSigned,
    /// The boot loader of the image stopped.
    Loader,
    /// The kernel or its compressed data is damaged.
    KernelDamaged,
    /// The initrd is damaged.
    InitrdDamaged,
    /// There is no root device.
    NoRoot,
    /// The root hash or the data behind it is wrong.
    RootHash,
    /// There is no init.
    NoInit,
    /// Init ended.
    InitDied,
    /// Memory ran out.
    Memory,
    /// The kernel crashed.
    Crash,
    /// The kernel panicked for another reason.
    Panic,
    /// systemd gave up and asks for help.
    Emergency,
    /// cloud-init failed.
    CloudInit,
    /// Units failed.
    Units,
    /// The root waits for a device that does not come.
    Waiting,
    /// The kernel was started and is silent.
    SilentKernel,
    /// Nothing was said at all.
    Silent,
    /// A command over ssh had not ended.
    CommandRunning,
}

/// Whether a machine can still come up after it said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignWeight {
    /// It cannot.
    Fatal,
    /// Perhaps it can.
    Notable,
}

/// What went wrong, and the line that tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BootFailure {
    /// What.
    pub kind: FailureKind,
    /// In words.
    #[serde(rename = "words")]
    pub summary: &'static str,
    /// The line, where one told it.
    pub line: Option<String>,
}

/// A sign: a text on the console, and what it means. The first that is found in the order of this list decides.
struct Sign(&'static str, FailureKind, SignWeight);

use SignWeight::{Fatal, Notable};

/// What consoles say. Causes stand before their effects: a kernel that finds no root panics afterwards.
const SIGNS: &[Sign] = &[
    Sign("Access Denied", FailureKind::NotSigned, Fatal),
    Sign("Security Violation", FailureKind::NotSigned, Fatal),
    Sign("dm-verity device corrupted", FailureKind::RootHash, Fatal),
    Sign("verity: ", FailureKind::RootHash, Notable),
    Sign("root hash verification failed", FailureKind::RootHash, Fatal),
    Sign("No root hash", FailureKind::RootHash, Fatal),
    Sign("VFS: Cannot open root device", FailureKind::NoRoot, Fatal),
    Sign("VFS: Unable to mount root fs", FailureKind::NoRoot, Fatal),
    Sign("Gave up waiting for root", FailureKind::NoRoot, Fatal),
    Sign("amiforge-init: there is no device with the root", FailureKind::NoRoot, Fatal),
    Sign("amiforge-init: cannot mount the root", FailureKind::NoRoot, Fatal),
    Sign("amiforge-init: there is no init", FailureKind::NoInit, Fatal),
    Sign("does not exist.  Dropping to a shell", FailureKind::NoRoot, Fatal),
    Sign("dracut-initqueue timeout", FailureKind::NoRoot, Notable),
    Sign("No working init found", FailureKind::NoInit, Fatal),
    Sign("Requested init ", FailureKind::NoInit, Fatal),
    Sign("Target filesystem doesn't have requested", FailureKind::NoInit, Fatal),
    Sign("No init found. Try passing init=", FailureKind::NoInit, Fatal),
    Sign("Attempted to kill init!", FailureKind::InitDied, Fatal),
    Sign("System is deadlocked on memory", FailureKind::Memory, Fatal),
    Sign("Kernel panic - not syncing", FailureKind::Panic, Fatal),
    Sign("invalid compressed format", FailureKind::KernelDamaged, Fatal),
    Sign("compressed data is corrupt", FailureKind::KernelDamaged, Fatal),
    Sign("-- System halted", FailureKind::KernelDamaged, Fatal),
    Sign("Cannot open access to console, the root account is locked", FailureKind::Emergency, Fatal),
    Sign("You are in emergency mode", FailureKind::Emergency, Fatal),
    Sign("Entering emergency mode", FailureKind::Emergency, Fatal),
    Sign("Freezing execution", FailureKind::Emergency, Fatal),
    Sign("UEFI Interactive Shell", FailureKind::NothingToBoot, Fatal),
    Sign("BdsDxe: No bootable option or device was found", FailureKind::NothingToBoot, Fatal),
    Sign("BdsDxe: failed to start Boot", FailureKind::LoaderRefused, Notable),
    Sign("Initramfs unpacking failed", FailureKind::InitrdDamaged, Notable),
    Sign("Out of memory: Killed process", FailureKind::Memory, Notable),
    Sign("Failed to start cloud-init", FailureKind::CloudInit, Notable),
    Sign("Failed to start Cloud-init", FailureKind::CloudInit, Notable),
    Sign("Failed to start Initial cloud-init", FailureKind::CloudInit, Notable),
    Sign("cloud-init: error:", FailureKind::CloudInit, Notable),
    Sign("[FAILED] Failed to", FailureKind::Units, Notable),
];

/// What OVMF says of an option that it could not load; the status stands at the line's end.
const OVMF_LOAD_FAILED: &str = "BdsDxe: failed to load Boot";
/// What `SeaBIOS` says in its log.
const SEABIOS_NO_DISK: [&str; 2] = ["No bootable device.", "not a bootable disk"];
/// What the loader for BIOS in our images says when it stops.
const OWN_LOADER_STOPPED: &str = "amiforge: stopped:";
/// What Linux says when it waits for its root without end.
const ROOT_WAIT: &str = "Waiting for root device";
/// What Linux says first.
const KERNEL_STARTED: [&str; 3] = ["Linux version", "EFI stub:", "Booting Linux"];

/// What a machine cannot recover from, if it has said that.
pub fn fatal_failure(console: &str, log: &str) -> Option<BootFailure> {
    first_sign(console, Fatal).or_else(|| firmware_failure(console, log))
}

/// The best reason why a machine has not come up when time was over or it ended.
pub fn best_failure(console: &str, log: &str) -> BootFailure {
    let waiting = || find_line(console, ROOT_WAIT).map(|line| failure(FailureKind::Waiting, Some(line)));
    let fallback = || {
        let kernel = KERNEL_STARTED.iter().any(|sign| console.contains(sign));
        let silent = if kernel { FailureKind::SilentKernel } else { FailureKind::Silent };
        failure(silent, console.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned))
    };
    fatal_failure(console, log)
        .or_else(|| first_sign(console, Notable))
        .or_else(waiting)
        .unwrap_or_else(fallback)
}

/// A command over ssh that had not ended when time was over.
pub(super) fn command_running(command: &str) -> BootFailure {
    failure(FailureKind::CommandRunning, Some(format!("ssh: `{command}`")))
}

fn first_sign(console: &str, weight: SignWeight) -> Option<BootFailure> {
    let is_considered = |sign: &&Sign| weight == Notable || sign.2 == Fatal;
    SIGNS.iter().filter(is_considered).find_map(|Sign(text, kind, _)| {
        let line = find_line(console, text)?;
        // Services that a login never needed may fail; the verity target says so of itself when all is well.
        let is_harmless =
            *kind == FailureKind::RootHash && !line.contains("corrupted") && !line.contains("ailed");
        let crashed = || if *kind == FailureKind::Panic { crash_failure(console) } else { None };
        (!is_harmless).then(|| crashed().unwrap_or_else(|| failure(*kind, Some(line))))
    })
}

/// The reason of a panic that only ends the report of a crash.
fn crash_failure(console: &str) -> Option<BootFailure> {
    let first = crash_report::report_start(console.lines())?;
    console.lines().nth(first).map(|line| failure(FailureKind::Crash, Some(line.trim().to_owned())))
}

fn firmware_failure(console: &str, log: &str) -> Option<BootFailure> {
    if let Some(line) = find_line(console, OWN_LOADER_STOPPED) {
        return Some(failure(FailureKind::Loader, Some(line)));
    }
    if let Some(line) = SEABIOS_NO_DISK.iter().find_map(|sign| find_line(log, sign)) {
        return Some(failure(FailureKind::NothingToBoot, Some(line)));
    }
    // OVMF goes on to the next option after one that failed; only a disk's damaged loader is a reason.
    let line = console.lines().find(|line| {
        line.contains(OVMF_LOAD_FAILED) && (line.contains("Load Error") || line.contains("Unsupported"))
    })?;
    Some(failure(FailureKind::LoaderRefused, Some(line.trim().to_owned())))
}

fn find_line(text: &str, part: &str) -> Option<String> {
    text.lines().find(|line| line.contains(part)).map(|line| line.trim().to_owned())
}

fn failure(kind: FailureKind, line: Option<String>) -> BootFailure {
    BootFailure { kind, summary: kind.summary(), line }
}

impl FailureKind {
    /// In words, with what to look at.
    pub const fn summary(self) -> &'static str {
        match self {
            Self::NothingToBoot => {
                "the firmware found nothing to boot: no `EFI/BOOT/BOOTX64.EFI` (`BOOTAA64.EFI`) in an EFI system partition, or for BIOS no loader in the first sector"
            }
            Self::LoaderRefused => {
                "the firmware found a boot loader and could not start it: the file is damaged or for another architecture"
            }
            Self::NotSigned => {
                "Secure Boot refused the boot loader: it is not signed by a key that the firmware knows, or was changed after"
            }
            Self::Loader => "the BIOS loader of the image stopped",
            Self::KernelDamaged => "the kernel could not be unpacked: it is damaged",
            Self::InitrdDamaged => {
                "the kernel could not unpack the initrd: it is damaged or of an unknown compression"
            }
            Self::NoRoot => {
                "no root device: the kernel does not find what `root=` names. Either it names another partition, or the driver of the disk (NVMe, virtio) or file system is neither in the kernel nor in an initrd"
            }
            Self::RootHash => {
                "wrong root hash: the root file system is not the one that the hash in the kernel's command line stands for"
            }
            Self::CommandRunning => {
                "the command was still running over ssh when time was over; a longer `--timeout` lets it end"
            }
            Self::NoInit => {
                "no init: the root was mounted and holds none that can be run (`/sbin/init`, or what `init=` names)"
            }
            Self::InitDied => "init ended: the first program of the system could not run or crashed",
            Self::Memory => "memory ran out; `--memory` gives more",
            Self::Crash => {
                "the kernel crashed: a fault of it or of a module, or of the machine; its report is on the console"
            }
            Self::Panic => "kernel panic",
            Self::Emergency => {
                "systemd stopped in emergency mode: something that it needs, often a file system in fstab, failed"
            }
            Self::CloudInit => "cloud-init failed",
            Self::Units => "units failed, and what was waited for did not come",
            Self::Waiting => {
                "no root device: the kernel waits for what `root=` names. Either it names another partition, or the driver of the disk is not in the kernel"
            }
            Self::SilentKernel => "the system started, and what was waited for did not come",
            Self::Silent => {
                "the console stayed silent or with the firmware: is `console=ttyS0` (`ttyAMA0` on aarch64) in the kernel's command line?"
            }
        }
    }
}

impl std::fmt::Display for BootFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.summary)?;
        match &self.line {
            Some(line) => write!(f, "\n  console: {line}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(console: &str, log: &str) -> FailureKind {
        best_failure(console, log).kind
    }

    #[test]
    fn a_cause_is_told_and_not_its_effect() {
        let console = "[    1.0] VFS: Cannot open root device \"PARTUUID=1\" or unknown-block(0,0): error -6\n\
            [    1.1] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n";
        let reason = fatal_failure(console, "").unwrap();
        assert_eq!(reason.kind, FailureKind::NoRoot);
        assert!(reason.line.unwrap().contains("PARTUUID=1"));
        assert_eq!(kind("Kernel panic - not syncing: No working init found.", ""), FailureKind::NoInit);
        assert_eq!(
            kind("Kernel panic - not syncing: Attempted to kill init! exitcode=0x100", ""),
            FailureKind::InitDied
        );
        assert_eq!(
            kind("Kernel panic - not syncing: device-mapper: dm-verity device corrupted", ""),
            FailureKind::RootHash
        );
        assert_eq!(kind("Kernel panic - not syncing: IO-APIC", ""), FailureKind::Panic);
        let crash = "[ 3.5] int3: 0000 [#1] SMP\n[ 3.5] RIP: 0010:tick+0x1\n\
            [ 3.6] Kernel panic - not syncing: Fatal exception in interrupt\n";
        let reason = fatal_failure(crash, "").unwrap();
        assert_eq!(
            (reason.kind, reason.line.as_deref()),
            (FailureKind::Crash, Some("[ 3.5] int3: 0000 [#1] SMP"))
        );
    }

    #[test]
    fn firmware_that_finds_nothing_or_a_damaged_loader_says_so() {
        assert_eq!(
            kind("", "Booting from Hard Disk...\nBoot failed: not a bootable disk\n"),
            FailureKind::NothingToBoot
        );
        assert_eq!(kind("UEFI Interactive Shell v2.2\nShell>", ""), FailureKind::NothingToBoot);
        let refused = "BdsDxe: failed to load Boot0001 \"UEFI QEMU NVMe Ctrl\" from PciRoot(0x0): Load Error";
        assert_eq!(fatal_failure(refused, "").unwrap().kind, FailureKind::LoaderRefused);
        assert_eq!(fatal_failure(&refused.replace("Load Error", "Not Found"), ""), None);
        assert_eq!(kind("amiforge: stopped: the BIOS cannot read the disk", ""), FailureKind::Loader);
    }

    #[test]
    fn what_a_system_can_live_with_does_not_end_it() {
        let console = "Linux version 6.1\n[FAILED] Failed to start x.service - X.\n";
        assert_eq!(fatal_failure(console, ""), None);
        assert_eq!(kind(console, ""), FailureKind::Units);
        assert_eq!(
            kind("Linux version 6.1\nWaiting for root device PARTUUID=2...\n", ""),
            FailureKind::Waiting
        );
        assert_eq!(kind("Linux version 6.1\n", ""), FailureKind::SilentKernel);
        assert_eq!(kind("", ""), FailureKind::Silent);
        assert_eq!(
            fatal_failure("systemd[1]: Reached target remote-veritysetup.target - Remote verity: ok", ""),
            None
        );
    }
}
