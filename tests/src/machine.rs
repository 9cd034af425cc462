//! A QEMU machine that boots a disk by its firmware, as an EC2 instance does: UEFI or legacy BIOS, the disk on NVMe or
//! virtio, and the output of its serial port. Must not know the content of the disk.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{oracle, scratch};

/// The firmware of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// OVMF without Secure Boot, with fresh variables at each start.
    Uefi,
    /// `SeaBIOS`, which comes with QEMU.
    Bios,
}

/// The bus of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// As on Nitro instances.
    Nvme,
    /// The usual bus of QEMU machines.
    Virtio,
}

/// Why the run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The awaited text appeared on the serial port.
    Matched,
    /// The machine powered off or rebooted.
    PoweredOff,
    /// The timeout expired.
    TimedOut,
}

/// The result of a run.
#[derive(Debug)]
pub struct MachineRun {
    /// The output of the serial port; bytes that are not UTF-8 are replaced.
    pub console: String,
    /// Why the run ended.
    pub end: End,
    /// How long it ran.
    pub time: Duration,
}

/// A machine to run.
#[derive(Debug, Clone)]
pub struct Machine<'a> {
    /// Its firmware.
    pub firmware: Firmware,
    /// The bus of its disk.
    pub disk: Disk,
    /// The raw disk; writes of the guest go to a temporary snapshot.
    pub image: &'a Path,
    /// Its memory in MiB.
    pub memory: u32,
    /// The text on the serial port that ends the run.
    pub wait_for: &'a str,
    /// Longest run.
    pub timeout: Duration,
    /// Further arguments for QEMU.
    pub extra_args: &'a [&'a str],
}

/// Paths of OVMF's code and variables in the packages of distributions.
const OVMF: [(&str, &str); 3] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
];

/// Whether QEMU and the firmware are installed; skips otherwise.
pub fn ready(firmware: Firmware) -> bool {
    if !oracle::ready(&["qemu-system-x86_64"], false) {
        return false;
    }
    let there = firmware == Firmware::Bios || ovmf().is_some();
    if !there {
        oracle::skip("not installed: OVMF (package ovmf)");
    }
    there
}

fn ovmf() -> Option<(&'static str, &'static str)> {
    OVMF.into_iter().find(|(code, variables)| Path::new(code).is_file() && Path::new(variables).is_file())
}

/// Kills QEMU when dropped, also when a test panics.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl<'a> Machine<'a> {
    /// A machine with 512 MiB of memory and the disk on NVMe, which runs until it powers off.
    pub fn new(firmware: Firmware, image: &'a Path) -> Self {
        Self {
            firmware,
            disk: Disk::Nvme,
            image,
            memory: 512,
            wait_for: "\0",
            timeout: Duration::from_mins(2),
            extra_args: &[],
        }
    }

    /// Runs the machine until the awaited text appears, it powers off, or the timeout expires.
    ///
    /// # Panics
    /// When QEMU cannot be started.
    pub fn run(&self) -> MachineRun {
        let folder = scratch::folder();
        let console = folder.path().join("console");
        let start = Instant::now();
        let child = self.command(folder.path(), &console).spawn().expect("QEMU starts");
        let mut running = Running(child);
        let end = loop {
            // Checked before the console is read, so that output of the last moment is not missed.
            let off = running.0.try_wait().expect("QEMU's state").is_some();
            let text = std::fs::read(&console).unwrap_or_default();
            if contains(&text, self.wait_for.as_bytes()) {
                break End::Matched;
            }
            if off {
                break End::PoweredOff;
            }
            if start.elapsed() > self.timeout {
                break End::TimedOut;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let time = start.elapsed();
        drop(running);
        let text = std::fs::read(&console).unwrap_or_default();
        MachineRun { console: String::from_utf8_lossy(&text).into_owned(), end, time }
    }

    /// The command line of QEMU.
    fn command(&self, folder: &Path, console: &Path) -> Command {
        let program = oracle::find("qemu-system-x86_64").expect("QEMU");
        let (disk, memory) = (self.disk_arguments(), self.memory.to_string());
        let mut command = Command::new(program);
        command
            // Software emulation, because CI machines do not reliably have KVM.
            .args([
                "-machine",
                "q35",
                "-accel",
                "tcg,thread=multi",
                "-cpu",
                "max",
                "-smp",
                "2",
                "-m",
                &memory,
            ])
            .args(["-nodefaults", "-display", "none", "-no-reboot"])
            .args(["-serial", &format!("file:{}", console.display())])
            .args(disk)
            .args(self.extra_args)
            .stdin(Stdio::null());
        if self.firmware == Firmware::Uefi {
            let (code, variables) = ovmf().expect("OVMF");
            let own: PathBuf = folder.join("variables");
            std::fs::copy(variables, &own).expect("OVMF's variables");
            let flash = |unit: u32, rest: String| format!("if=pflash,format=raw,unit={unit},{rest}");
            command.args(["-drive", &flash(0, format!("readonly=on,file={code}"))]);
            command.args(["-drive", &flash(1, format!("file={}", own.display()))]);
        }
        command
    }

    fn disk_arguments(&self) -> [String; 4] {
        let drive =
            format!("if=none,id=d0,format=raw,file={},snapshot=on,cache=unsafe", self.image.display());
        let device = match self.disk {
            Disk::Nvme => "nvme,drive=d0,serial=vol0,bootindex=1",
            Disk::Virtio => "virtio-blk-pci,drive=d0,bootindex=1",
        };
        ["-drive".to_owned(), drive, "-device".to_owned(), device.to_owned()]
    }
}

impl MachineRun {
    /// The lines of the console that contain a text, each from that text on.
    pub fn lines(&self, word: &str) -> Vec<&str> {
        let lines = self.console.lines().map(str::trim_end);
        lines.filter_map(|line| line.find(word).map(|at| &line[at..])).collect()
    }

    /// Checks why the run ended; a failure prints the last lines of the console.
    ///
    /// # Panics
    /// When it ended for another reason.
    pub fn assert_ended(&self, end: End) -> &Self {
        let lines: Vec<_> = self.console.lines().collect();
        let tail = lines[lines.len().saturating_sub(40)..].join("\n");
        assert_eq!(self.end, end, "after {:?}:\n{tail}", self.time);
        self
    }
}

/// Whether `part` occurs in `bytes`.
fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len().max(1)).any(|window| window == part)
}
