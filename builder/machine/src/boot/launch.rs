//! A launch: prepares a machine and watches it until its checks have passed or cannot pass any more.

mod prepare;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use amiforge_formats::uefi_vars::Variable;
use amiforge_progress::CancelToken;

use super::accel::{self, Accel};
use super::check::Check;
use super::crash_report;
use super::diagnosis::BootFailure;
use super::firmware::SecureBoot;
use super::guest::{ConsoleLog, Guest, GuestDisplay};
use super::host_packages::{HostDependency, is_on_path};
use super::imds::Sessions;
use super::keyboard::Keyboard;
use super::machine::{Forward, Network};
use super::tpm::{Tpm, TpmReading};
use super::{Arch, BootError, Bus, Firmware, qemu};
use watch::GuestWatch;

/// Parameters of a launch.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The raw disk.
    pub disk: PathBuf,
    /// Architecture.
    pub arch: Arch,
    /// The firmware.
    pub firmware: Firmware,
    /// Whether the firmware is one with Secure Boot.
    pub secure_boot: SecureBoot,
    /// The variables of the firmware; none: those that come with it.
    pub variables: Vec<Variable>,
    /// The TPM of the machine.
    pub tpm: TpmChoice,
    /// The bus of the disks.
    pub bus: Bus,
    /// The requested accelerator.
    pub accel: accel::AccelChoice,
    /// Number of processors.
    pub cpus: u32,
    /// MiB of memory.
    pub memory: u32,
    /// Whether the guest's writes are kept.
    pub writes: WriteMode,
    /// Further volumes.
    pub volumes: Vec<FurtherDisk>,
    /// Settings of the metadata.
    pub instance: InstanceSettings,
    /// Whether the metadata service requires session tokens.
    pub sessions: Sessions,
    /// User data.
    pub user_data: Option<Vec<u8>>,
    /// Key pair of the instance: the path of either half.
    pub key: Option<PathBuf>,
    /// Users to log in as, the most likely first.
    pub users: Vec<String>,
    /// Forwarded ports.
    pub forwards: Vec<Forward>,
    /// Network access of the guest.
    pub network: Network,
    /// Checks to pass. Without checks the guest runs until it is powered off, and keys are sent to it.
    pub checks: Vec<Check>,
    /// Timeout of the launch.
    pub timeout: Option<Duration>,
    /// Additional arguments of QEMU.
    pub extra: Vec<String>,
}

/// The TPM of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TpmChoice {
    /// None.
    Absent,
    /// A new TPM 2.0, whose registers are read when the machine has ended.
    Emulated,
}

/// Whether the guest's writes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// They are discarded; the volume has this length in bytes.
    Discard(u64),
    /// They go to the disk.
    Persist,
}

/// A further volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FurtherDisk {
    /// An empty volume of this length in bytes.
    Empty(u64),
    /// A raw disk, whose file is not modified.
    Disk(PathBuf),
}

/// Settings of the metadata that do not follow from the machine.
#[derive(Debug, Clone)]
pub struct InstanceSettings {
    /// Seed of the ids: the same seed gives the same instance.
    pub seed: Vec<u8>,
    /// Instance id, instead of one that follows from the seed.
    pub id: Option<String>,
    /// Instance type.
    pub kind: String,
    /// The AMI.
    pub image: String,
    /// Region.
    pub region: String,
    /// Host name without the domain; by default derived from the address.
    pub hostname: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Name of the root device.
    pub root_device: String,
}

/// The outcome of a launch.
#[derive(Debug)]
pub struct LaunchOutcome {
    /// How it ended.
    pub ended: LaunchEnd,
    /// The accelerator.
    pub accel: Accel,
    /// The passed checks, in their order.
    pub passed: Vec<Check>,
    /// The console's bytes.
    pub console: Vec<u8>,
    /// The last lines of the screen.
    pub screen: Vec<String>,
    /// What the TPM had measured at the end.
    pub tpm: Option<TpmReading>,
    /// Seconds since power on.
    pub seconds: f64,
}

/// How a launch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchEnd {
    /// All checks passed.
    Passed,
    /// There were no checks, and the guest powered off.
    PoweredOff,
    /// There were no checks, and the user interrupted the launch.
    Interrupted,
    /// A check did not pass, or the guest could not come up.
    Failed {
        /// The checks that did not pass.
        unmet: Vec<Check>,
        /// How the failure was detected.
        sign: FailureSign,
        /// The diagnosis of the console; `None` if the check gives the reason.
        failure: Option<BootFailure>,
    },
}

/// How a failure was detected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureSign {
    /// The timeout expired.
    TimedOut,
    /// The machine powered off or was reset.
    PoweredOff,
    /// The console shows a message that the guest cannot recover from.
    FatalMessage,
    /// A check failed.
    CheckFailed(String),
}

/// Number of lines of the screen that are kept.
const SCREEN_LINES: usize = 30;
/// Number of lines in which a crash report is searched.
const REPORT_LINES: usize = 150;

/// Launches a machine and watches it.
///
/// # Errors
/// [`BootError`] when it could not be launched. A failed boot is a [`LaunchOutcome`].
pub fn launch(
    launch: &Launch,
    display: &dyn GuestDisplay,
    cancel: &CancelToken,
) -> Result<LaunchOutcome, BootError> {
    if !is_on_path(qemu::program(launch.arch)) {
        return Err(BootError::Missing { dependency: HostDependency::Qemu(launch.arch) });
    }
    let folder = tempfile::Builder::new().prefix("amiforge-boot-").tempdir();
    let folder = folder.map_err(|source| BootError::File { path: std::env::temp_dir(), source })?;
    let (accel, unavailable) = accel::choose(launch.accel, launch.arch, folder.path())?;
    if let Some(unavailable) = unavailable {
        display.message(&format!("{unavailable}; emulating in software, which is slower"));
    }
    let mut tpm = start_tpm(launch, folder.path())?;
    let prepared = prepare::prepare(launch, accel, tpm.as_ref().map(Tpm::device), folder.path())?;
    let console_log = ConsoleLog::default();
    let started = Instant::now();
    let (ended, passed) = std::thread::scope(|scope| {
        let (guest, stdin) = Guest::start(scope, &prepared.machine, &console_log, display)?;
        let keyboard = if launch.checks.is_empty() { Keyboard::open() } else { None };
        let console_input = match (&keyboard, stdin) {
            (Some(keyboard), Some(stdin)) => {
                keyboard.forward_to(stdin);
                None
            }
            // The input stays open, because QEMU closes a console whose input has ended.
            (_, stdin) => stdin,
        };
        let watcher =
            if keyboard.is_some() { watch::ConsoleWatcher::User } else { watch::ConsoleWatcher::Program };
        let mut watch = GuestWatch::new(launch, guest, &console_log, &prepared, display, cancel, watcher);
        let outcome = watch.run();
        drop(watch);
        drop(console_input);
        outcome
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let reading = tpm.as_mut().map(Tpm::read).transpose()?;
    let console = console_log.console();
    let (bytes, screen) = (console.bytes().to_vec(), screen_tail(console.screen(REPORT_LINES)));
    Ok(LaunchOutcome { ended, accel, passed, console: bytes, screen, tpm: reading, seconds })
}

fn start_tpm(launch: &Launch, folder: &Path) -> Result<Option<Tpm>, BootError> {
    let uefi_only = [
        ("a TPM", launch.tpm == TpmChoice::Emulated),
        ("Secure Boot", launch.secure_boot == SecureBoot::On),
        ("a store of variables", !launch.variables.is_empty()),
    ];
    if launch.firmware == Firmware::Bios
        && let Some((feature, _)) = uefi_only.into_iter().find(|(_, requested)| *requested)
    {
        return Err(BootError::NeedsUefi { feature });
    }
    (launch.tpm == TpmChoice::Emulated).then(|| Tpm::start(folder, launch.memory)).transpose()
}

/// The last lines, extended by the whole crash report if there is one.
fn screen_tail(mut lines: Vec<String>) -> Vec<String> {
    let last = lines.len().saturating_sub(SCREEN_LINES);
    let report = crash_report::report_start(lines.iter().map(String::as_str));
    lines.split_off(report.map_or(last, |report| report.min(last)))
}
