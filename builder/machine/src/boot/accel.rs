//! How instructions are carried out: by KVM where it works, else by QEMU's own emulation (TCG).
//!
//! That `/dev/kvm` is there says little: a host that is itself a guest may offer one that cannot run firmware. So a
//! sector of machine code is started with it, which comes to its end only where KVM works.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::arch::qemu_arch;
use super::{Arch, BootError, qemu};

/// How instructions are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Accel {
    /// By the processor.
    Kvm,
    /// In software.
    Tcg,
}

impl Accel {
    /// QEMU's argument for it.
    pub const fn arg(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg,thread=multi,tb-size=512",
        }
    }
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccelChoice {
    /// KVM where it works.
    Any,
    /// KVM or nothing.
    Kvm,
    /// Emulation.
    Tcg,
}

/// The device.
const KVM: &str = "/dev/kvm";
/// How long the trial may take; it is over in a second where KVM works.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// Port of the trial's exit device.
const EXIT_PORT: u16 = 0x501;
/// What the trial writes to it, and the exit code that QEMU makes of it.
const EXIT_VALUE: u8 = 0x2a;
const EXIT_STATUS: i32 = ((EXIT_VALUE as i32) << 1) | 1;

/// Chooses; also gives why KVM is not used where that could have been.
///
/// # Errors
/// [`BootError::Kvm`] when KVM was demanded and does not work.
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

/// Whether KVM works for guests of an architecture, else why not.
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

/// Runs the trial.
fn run_probe(accel: Accel, arch: Arch, folder: &Path) -> Result<(), String> {
    let sector = folder.join("trial");
    std::fs::write(&sector, probe_disk())
        .map_err(|error| format!("the trial could not be written: {error}"))?;
    let stderr_path = folder.join("trial.said");
    let failed = |error| format!("the trial could not be run: {error}");
    let stderr = File::create(&stderr_path).map_err(failed)?;
    let mut command = Command::new(qemu::program(arch));
    command.args(probe_args(accel, arch, &sector)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
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
    // Both fail only when it has ended already.
    let _ = child.kill();
    let _ = child.wait();
    let text = std::fs::read_to_string(&stderr_path).unwrap_or_default();
    let line = text.lines().find(|line| !line.trim().is_empty()).map(|line| format!(": {}", line.trim()));
    match status {
        Some(status) if status.code() == Some(EXIT_STATUS) => Ok(()),
        None if !qemu_arch(arch).io_ports => Ok(()),
        None => Err(format!(
            "{KVM} is there and broken: a trial program did not end in {} s",
            PROBE_TIMEOUT.as_secs()
        )),
        Some(status) => Err(format!(
            "{KVM} is there and broken: QEMU ended a trial program with {status}{}",
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

/// Length of the trial's disk: the BIOS passes over disks that are much shorter.
const PROBE_DISK_LEN: usize = 1 << 20;

/// A disk with a boot sector: instructions of the floating point unit, which firmware begins with, then the word to the port.
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
