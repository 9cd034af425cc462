//! Acceleration: KVM where it works, or else QEMU's own emulation (TCG).
//!
//! The existence of `/dev/kvm` is not enough: a host that is itself a guest may offer a KVM that cannot run firmware.
//! So a boot sector is run with it, which ends with the expected status only where KVM works.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::arch::qemu_arch;
use super::{Arch, BootError, qemu};

/// The accelerator of QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Accel {
    /// Hardware virtualization.
    Kvm,
    /// Emulation in software.
    Tcg,
}

impl Accel {
    /// Its name in reports and receipts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }

    /// The value of QEMU's `-accel`.
    pub const fn arg(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg,thread=multi,tb-size=512",
        }
    }
}

/// The requested accelerator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccelChoice {
    /// KVM if it works, or else TCG.
    Any,
    /// KVM only.
    Kvm,
    /// TCG.
    Tcg,
}

/// The device of KVM.
const KVM: &str = "/dev/kvm";
/// Timeout of the probe, which ends within a second where KVM works.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// I/O port of the probe's exit device (QEMU's `isa-debug-exit`).
const EXIT_PORT: u16 = 0x501;
/// The value that the probe writes to it, and QEMU's exit status for it.
const EXIT_VALUE: u8 = 0x2a;
const EXIT_STATUS: i32 = ((EXIT_VALUE as i32) << 1) | 1;

/// Chooses the accelerator. Also returns why KVM is not used, if it was not excluded.
///
/// # Errors
/// [`BootError::Kvm`] when KVM was requested and does not work.
pub fn choose(choice: AccelChoice, arch: Arch, folder: &Path) -> Result<(Accel, Option<String>), BootError> {
    if choice == AccelChoice::Tcg {
        return Ok((Accel::Tcg, None));
    }
    match check_kvm(arch, folder) {
        Ok(()) => Ok((Accel::Kvm, None)),
        Err(reason) if choice == AccelChoice::Kvm => Err(BootError::Kvm { reason }),
        Err(reason) => Ok((Accel::Tcg, Some(reason))),
    }
}

/// Checks whether KVM works for guests of an architecture; the error says why not.
fn check_kvm(arch: Arch, folder: &Path) -> Result<(), String> {
    if std::env::consts::ARCH != arch.name() {
        return Err(format!("this host is {}, the image is for {}", std::env::consts::ARCH, arch.name()));
    }
    OpenOptions::new().read(true).write(true).open(KVM).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("there is no {KVM}"),
        std::io::ErrorKind::PermissionDenied => {
            format!("{KVM} may not be opened by this user, who is perhaps not in the group kvm")
        }
        _ => format!("{KVM} cannot be opened: {error}"),
    })?;
    run_probe(Accel::Kvm, arch, folder)
}

/// Runs the probe.
fn run_probe(accel: Accel, arch: Arch, folder: &Path) -> Result<(), String> {
    let disk = folder.join("kvm-probe");
    std::fs::write(&disk, probe_disk())
        .map_err(|error| format!("the test program cannot be written: {error}"))?;
    let stderr_path = folder.join("kvm-probe.stderr");
    let failed = |error| format!("the test program cannot be run: {error}");
    let stderr = File::create(&stderr_path).map_err(failed)?;
    let mut command = Command::new(qemu::program(arch));
    command.args(probe_args(accel, arch, &disk)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
    let mut child = command.spawn().map_err(failed)?;
    let end = Instant::now() + PROBE_TIMEOUT;
    let status = loop {
        match child.try_wait().map_err(failed)? {
            Some(status) => break Some(status),
            // Without I/O ports the machine is only set up, not started: one that cannot be set up ends at once.
            None if !qemu_arch(arch).io_ports
                && Instant::now() + PROBE_TIMEOUT > end + Duration::from_secs(1) =>
            {
                break None;
            }
            None if Instant::now() > end => break None,
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    // Both fail only if the process has already ended.
    let _ = child.kill();
    let _ = child.wait();
    let text = std::fs::read_to_string(&stderr_path).unwrap_or_default();
    let line = text.lines().find(|line| !line.trim().is_empty()).map(|line| format!(": {}", line.trim()));
    match status {
        Some(status) if status.code() == Some(EXIT_STATUS) => Ok(()),
        None if !qemu_arch(arch).io_ports => Ok(()),
        None => Err(format!(
            "{KVM} exists and does not work: a test program did not end in {} s",
            PROBE_TIMEOUT.as_secs()
        )),
        Some(status) => Err(format!(
            "{KVM} exists and does not work: QEMU ended a test program with {status}{}",
            line.unwrap_or_default()
        )),
    }
}

fn probe_args(accel: Accel, arch: Arch, sector: &Path) -> Vec<String> {
    let row = qemu_arch(arch);
    let options = if row.io_ports {
        let (board, cpu) = if accel == Accel::Kvm { row.kvm } else { row.tcg };
        format!(
            "-machine {board} -cpu {cpu} -m 64 -device isa-debug-exit,iobase={EXIT_PORT:#x},iosize=1 -device \
             virtio-blk-pci,drive=d"
        )
    } else {
        let (board, cpu) = row.kvm;
        format!("-machine {board} -cpu {cpu} -m 64 -S")
    };
    let mut args: Vec<_> = options.split(' ').map(str::to_owned).collect();
    args.extend(["-accel", accel.arg(), "-nodefaults", "-display", "none", "-no-reboot"].map(str::to_owned));
    if row.io_ports {
        let file = sector.to_string_lossy().replace(',', ",,");
        args.extend(["-drive".to_owned(), format!("if=none,id=d,format=raw,readonly=on,file={file}")]);
    }
    args
}

/// Length of the probe's disk: the BIOS ignores disks that are much shorter.
const PROBE_DISK_LEN: usize = 1 << 20;

/// A disk with a boot sector: floating point instructions, with which firmware begins, then the write to the exit port.
fn probe_disk() -> Vec<u8> {
    let [low, high] = EXIT_PORT.to_le_bytes();
    let mut code = vec![
        0xfa, // cli
        0xdb, 0xe3, // fninit
        0x9b, // fwait
        0xba, low, high, // mov dx, PORT
        0xb0, EXIT_VALUE, // mov al, WORD
        0xee,       // out dx, al
        0xf4,       // hlt
        0xeb, 0xfd, // jmp to the hlt
    ];
    code.resize(510, 0);
    code.extend([0x55, 0xaa]);
    code.resize(PROBE_DISK_LEN, 0);
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trial_ends_well_where_instructions_are_carried_out() {
        if Command::new(qemu::program(Arch::X86_64)).arg("-version").output().is_err() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(run_probe(Accel::Tcg, Arch::X86_64, folder.path()), Ok(()));
    }

    #[test]
    fn kvm_is_not_for_another_architecture() {
        let folder = tempfile::tempdir().unwrap();
        let other = if std::env::consts::ARCH == "x86_64" { Arch::Aarch64 } else { Arch::X86_64 };
        assert!(matches!(choose(AccelChoice::Kvm, other, folder.path()), Err(BootError::Kvm { .. })));
        assert!(matches!(choose(AccelChoice::Any, other, folder.path()), Ok((Accel::Tcg, Some(_)))));
        assert!(matches!(choose(AccelChoice::Tcg, other, folder.path()), Ok((Accel::Tcg, None))));
    }
}
