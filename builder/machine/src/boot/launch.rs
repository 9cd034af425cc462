//! A launch: what is asked for becomes a machine, which is watched until it has shown what it should, or cannot any more.

mod prepare;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use amiforge_progress::CancelToken;

use super::accel::{self, Accel};
use super::check::Check;
use super::crash_report;
use super::diagnosis::BootFailure;
use super::guest::{ConsoleLog, Guest, GuestDisplay};
use super::host_packages::{HostDependency, is_on_path};
use super::imds::Sessions;
use super::keyboard::Keyboard;
use super::machine::{Forward, Network};
use super::{Arch, BootError, Bus, Firmware, qemu};
use watch::GuestWatch;

/// What to launch, and how.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The raw disk.
    pub disk: PathBuf,
    /// Architecture.
    pub arch: Arch,
    /// What starts the disk.
    pub firmware: Firmware,
    /// How the disks are attached.
    pub bus: Bus,
    /// How instructions are carried out.
    pub accel: accel::AccelChoice,
    /// Processors.
    pub cpus: u32,
    /// MiB of memory.
    pub memory: u32,
    /// Where the guest's writes go.
    pub writes: WriteMode,
    /// Further volumes.
    pub volumes: Vec<FurtherDisk>,
    /// What metadata tells.
    pub instance: InstanceSettings,
    /// What the metadata service wants to be shown.
    pub sessions: Sessions,
    /// User data.
    pub user_data: Option<Vec<u8>>,
    /// Key pair of the instance: either half.
    pub key: Option<PathBuf>,
    /// Users to log in as, the likeliest first.
    pub users: Vec<String>,
    /// Ports of this host that lead into the guest.
    pub forwards: Vec<Forward>,
    /// What the guest reaches.
    pub network: Network,
    /// What it has to show. With nothing to show it runs until it is switched off, and keys go to it.
    pub checks: Vec<Check>,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// Further arguments of QEMU.
    pub extra: Vec<String>,
}

/// Where the guest's writes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// Away with the guest; the volume is so many bytes long.
    Discard(u64),
    /// To the disk.
    Persist,
}

/// A further volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FurtherDisk {
    /// Zeros, so many bytes.
    Empty(u64),
    /// A raw disk, which is not written.
    Disk(PathBuf),
}

/// What metadata tells that is not of the machine.
#[derive(Debug, Clone)]
pub struct InstanceSettings {
    /// What ids follow from: the same seed is the same instance.
    pub seed: Vec<u8>,
    /// Instance id in place of one that follows from the seed.
    pub id: Option<String>,
    /// Instance type.
    pub kind: String,
    /// The AMI.
    pub image: String,
    /// Region.
    pub region: String,
    /// Host name without the domain.
    pub hostname: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Name of the root device.
    pub root_device: String,
}

/// How a launch went.
#[derive(Debug)]
pub struct LaunchOutcome {
    /// How it ended.
    pub ended: LaunchEnd,
    /// How instructions were carried out.
    pub accel: Accel,
    /// What was shown, in the order in which it was asked for.
    pub passed: Vec<Check>,
    /// The console's bytes.
    pub console: Vec<u8>,
    /// What stood on the screen at the end.
    pub screen: Vec<String>,
    /// Seconds from power on.
    pub seconds: f64,
}

/// How a launch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchEnd {
    /// Everything was shown.
    Passed,
    /// There was nothing to show, and it was switched off from within.
    PoweredOff,
    /// There was nothing to show, and somebody asked to stop.
    Interrupted,
    /// Something was not shown, or it could not come up.
    Failed {
        /// What was not shown.
        unmet: Vec<Check>,
        /// How that was seen.
        sign: FailureSign,
        /// Why, as far as the console tells; nothing where the check itself tells.
        failure: Option<BootFailure>,
    },
}

/// How a failure was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureSign {
    /// Time was over.
    TimedOut,
    /// The machine switched itself off, or was reset.
    PoweredOff,
    /// It said something that it cannot recover from.
    FatalMessage,
    /// A check failed.
    CheckFailed(String),
}

/// Lines of the screen that are kept.
const SCREEN_LINES: usize = 30;
/// Lines in which the report of a kernel that crashed is looked for.
const REPORT_LINES: usize = 150;

/// Launches a machine and watches it.
///
/// # Errors
/// [`BootError`] when it could not be launched. That it did not come up is an [`LaunchOutcome`].
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
    let prepared = prepare::prepare(launch, accel, folder.path())?;
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
            // Kept open: a console whose input ended is another console.
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
    let console = console_log.console();
    let (bytes, screen) = (console.bytes().to_vec(), screen_tail(console.screen(REPORT_LINES)));
    Ok(LaunchOutcome {
        ended,
        accel,
        passed,
        console: bytes,
        screen,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// The last lines, and all of the report if the kernel crashed.
fn screen_tail(mut lines: Vec<String>) -> Vec<String> {
    let last = lines.len().saturating_sub(SCREEN_LINES);
    let report = crash_report::report_start(lines.iter().map(String::as_str));
    lines.split_off(report.map_or(last, |report| report.min(last)))
}
