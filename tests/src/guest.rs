//! A QEMU machine that boots a disk with a separate kernel (`-kernel`), and the output of its serial console.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A machine to run.
#[derive(Debug)]
pub struct Guest<'a> {
    /// The kernel, with NVMe and ext4 built in.
    pub kernel: &'a Path,
    /// Its initrd, if it has one.
    pub initrd: Option<&'a Path>,
    /// The raw disk, its first NVMe namespace; the guest writes to it.
    pub disk: &'a Path,
    /// Another disk, if it has one.
    pub other_disk: Option<&'a Path>,
    /// Kernel command line, in addition to the console's options.
    pub cmdline: &'a str,
    /// Longest time until it powers off.
    pub timeout: Duration,
}

/// Kills QEMU when dropped, also when a test panics.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Guest<'_> {
    /// Boots the machine, waits until it powers off, and returns the output of its serial console.
    ///
    /// # Panics
    /// When QEMU cannot be started, or the guest does not power off in time; the message has the last lines of the
    /// console.
    pub fn run(&self, console: &Path) -> String {
        let program = crate::oracle::find("qemu-system-x86_64").expect("QEMU");
        let drive = |number: u32, disk: &Path| {
            let drive = format!(
                "if=none,id=d{number},format=raw,file={},cache=unsafe,discard=unmap,detect-zeroes=unmap",
                disk.display()
            );
            let device = format!("nvme,drive=d{number},serial=vol{number}");
            ["-drive".to_owned(), drive, "-device".to_owned(), device]
        };
        let other = self.other_disk.map(|disk| drive(1, disk));
        let initrd = self.initrd.map(|path| ["-initrd".to_owned(), path.display().to_string()]);
        let serial = format!("file:{}", console.display());
        let cmdline = format!("console=ttyS0,115200n8 panic=-1 {}", self.cmdline);
        let child = Command::new(program)
            // Software emulation, because CI machines do not reliably have KVM.
            .args(["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024"])
            .args(["-nodefaults", "-display", "none", "-no-reboot", "-serial", &serial])
            .args(drive(0, self.disk))
            .args(other.into_iter().flatten())
            .args(initrd.into_iter().flatten())
            .args(["-append", &cmdline])
            .arg("-kernel")
            .arg(self.kernel)
            .stdin(Stdio::null())
            .spawn()
            .expect("QEMU starts");
        let mut running = Running(child);
        let end = Instant::now() + self.timeout;
        while running.0.try_wait().expect("QEMU's state").is_none() {
            assert!(Instant::now() < end, "the guest did not power off:\n{}", tail(console));
            std::thread::sleep(Duration::from_millis(100));
        }
        String::from_utf8_lossy(&std::fs::read(console).unwrap_or_default()).into_owned()
    }
}

/// The last lines of a console.
fn tail(console: &Path) -> String {
    let text = std::fs::read(console).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
