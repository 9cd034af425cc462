//! Shows a launch: the console while it runs, then the outcome.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Mutex, PoisonError};

#[cfg(all(feature = "aws", feature = "fetch"))]
use amiforge::update::BootResult;
use amiforge_formats::terminal::Allow;
#[cfg(all(feature = "aws", feature = "fetch"))]
use amiforge_machine::boot::LaunchOutcome;
use amiforge_machine::boot::check::Check;
use amiforge_machine::boot::crash_report;
use amiforge_machine::boot::diagnosis::BootFailure;
use amiforge_machine::boot::machine::Network;
use amiforge_machine::boot::{
    Arch, Bus, FailureSign, Firmware, GuestDisplay, Launch, LaunchEnd, WriteMode, accel::Accel,
};
use serde::Serialize;

use super::Ended;
use super::measured::{Measured, MeasuredJson};
use super::target::BootTarget;
use crate::outcome::Failure;
use crate::ui::{ConsoleStream, GuestConsole, Ui, written};

/// Lines of the screen that are shown after a failed launch.
const LINES: usize = 12;

/// Shows a launch while it runs.
pub(super) struct LaunchView<'a> {
    ui: &'a Ui,
    /// The guest's console; `None` with `-q`.
    console: Option<GuestConsole<'a>>,
    /// The output of checks.
    output: GuestConsole<'a>,
    /// Whether the last byte on the console was a newline.
    state: Mutex<LineState>,
    log: Option<Mutex<File>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LineState {
    Ended,
    Open,
}

impl<'a> LaunchView<'a> {
    /// The console goes to standard output, or to standard error if standard output is for JSON or the output of
    /// checks. If the keyboard goes to the guest, the guest may control the whole screen; else it may only add lines.
    pub(super) fn new(ui: &'a Ui, launch: &Launch, has_output: bool, log: Option<File>) -> Self {
        let stream = if ui.json() || has_output { ConsoleStream::Stderr } else { ConsoleStream::Stdout };
        let keyboard = launch.checks.is_empty() && std::io::stdin().is_terminal();
        let allow = if keyboard { Allow::Screen } else { Allow::Lines };
        let console = (!ui.quiet()).then(|| ui.console(stream, allow));
        let output =
            ui.console(if ui.json() { ConsoleStream::Stderr } else { ConsoleStream::Stdout }, Allow::Lines);
        Self { ui, console, output, state: Mutex::new(LineState::Ended), log: log.map(Mutex::new) }
    }

    /// Announces the launch.
    pub(super) fn begin(&self, target: &BootTarget, launch: &Launch) {
        let BootTarget { name, .. } = target;
        let machine = machine(launch.arch, launch.firmware, launch.bus);
        let leave = if launch.checks.is_empty() { "; Ctrl-C ends it" } else { "" };
        self.ui.status(format_args!("launching {name}: {machine}{leave}"));
        for forward in &launch.forwards {
            self.ui.status(format_args!(
                "127.0.0.1:{} leads to port {} of the guest",
                forward.host, forward.guest
            ));
        }
        if launch.network == Network::Open {
            self.ui.status(
                "the guest reaches the network of this host, and what listens on its loopback address",
            );
        }
        if launch.writes == WriteMode::Persist {
            self.ui.warn(format_args!("`{}` is written to, and will be changed", launch.disk.display()));
        }
    }

    /// Ends the console's last line and resets the modes of the terminal that the guest changed.
    pub(super) fn end(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(console) = &self.console {
            console.reset();
            if *state == LineState::Open {
                console.show(b"\n");
            }
        }
        *state = LineState::Ended;
    }
}

impl GuestDisplay for LaunchView<'_> {
    fn console(&self, bytes: &[u8]) {
        if let Some(console) = &self.console {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            console.show(bytes);
            *state = if bytes.ends_with(b"\n") { LineState::Ended } else { LineState::Open };
        }
        if let Some(log) = &self.log {
            // A full log must not end the guest.
            let _ = log.lock().unwrap_or_else(PoisonError::into_inner).write_all(bytes);
        }
    }

    fn output(&self, bytes: &[u8]) {
        self.end();
        self.output.show(bytes);
        self.output.reset();
    }

    fn message(&self, text: &str) {
        self.end();
        self.ui.status(text);
    }
}

/// What `--json` shows.
#[derive(Serialize)]
struct BootJson<'a> {
    image: &'a str,
    arch: &'static str,
    firmware: Firmware,
    bus: Bus,
    accelerator: Accel,
    outcome: &'static str,
    passed: &'a [Check],
    unmet: &'a [Check],
    how: Option<String>,
    reason: Option<&'a BootFailure>,
    screen: &'a [String],
    receipt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tpm: Option<MeasuredJson<'a>>,
    seconds: f64,
}

/// Shows the outcome of a launch.
pub(super) fn outcome(ended: &Ended, ui: &Ui) -> Result<(), Failure> {
    let Ended { target, request: launch, launched, measured, receipt } = ended;
    let (outcome, unmet, how, reason) = match &launched.ended {
        LaunchEnd::Passed => ("passed", &[][..], None, None),
        LaunchEnd::PoweredOff => ("off", &[][..], None, None),
        LaunchEnd::Interrupted => ("stopped", &[][..], None, None),
        LaunchEnd::Failed { unmet, sign, failure } => {
            ("failed", unmet.as_slice(), Some(sign), failure.as_ref())
        }
    };
    let seconds = launched.seconds;
    if ui.json() {
        return ui.object(&BootJson {
            image: &target.name,
            arch: launch.arch.name(),
            firmware: launch.firmware,
            bus: launch.bus,
            accelerator: launched.accel,
            outcome,
            passed: &launched.passed,
            unmet,
            how: how.map(failure_text),
            reason,
            screen: if how.is_some() { &launched.screen } else { &[] },
            receipt: receipt.as_ref().map(|path| path.display().to_string()),
            tpm: measured.as_ref().map(Measured::json),
            seconds,
        });
    }
    let machine = machine(launch.arch, launch.firmware, launch.bus);
    let name = &target.name;
    let Some(how) = how else {
        let verb = match outcome {
            "passed" => "booted",
            "stopped" => "ended",
            _ => "was switched off from within",
        };
        ui.status(format_args!("{name}: {verb}, {machine}, {seconds:.1} s"));
        measurements(name, measured.as_ref(), ui)?;
        if let Some(path) = receipt {
            ui.status(format_args!("receipt: {}", path.display()));
        }
        return Ok(());
    };
    let mut out = ui.out();
    written(last_lines(&launched.screen, &mut out))?;
    let mut line = |text: String| written(writeln!(out, "{text}"));
    line(format!("{name}: did not boot as requested, {machine}, {seconds:.1} s: {}", failure_text(how)))?;
    for check in unmet {
        line(format!("  not shown: {check}"))?;
    }
    if let Some(reason) = reason {
        line(format!("  reason: {reason}"))?;
    }
    written(out.flush())?;
    drop(out);
    measurements(name, measured.as_ref(), ui)
}

/// Prints the end of the console of a machine that did not boot as requested: the report of a crash, or the last lines.
fn last_lines(screen: &[String], out: &mut impl Write) -> io::Result<()> {
    if screen.is_empty() {
        return Ok(());
    }
    writeln!(out, "--- the last lines of the console")?;
    let last = screen.len().saturating_sub(LINES);
    let report = crash_report::report_start(screen.iter().map(String::as_str));
    let skip = report.map_or(last, |report| report.min(last));
    screen.iter().skip(skip).try_for_each(|text| writeln!(out, "  | {text}"))?;
    writeln!(out, "---")
}

/// Shows what the TPM measured: differences as a result, agreement as a message.
fn measurements(name: &str, measured: Option<&Measured>, ui: &Ui) -> Result<(), Failure> {
    let Some(measured) = measured else { return Ok(()) };
    if measured.differences().is_empty() {
        measured.lines().iter().for_each(|line| ui.status(line));
        return Ok(());
    }
    ui.line(format_args!("{name}: measured something else than is predicted for the image"))?;
    measured.lines().iter().try_for_each(|line| ui.line(format_args!("  {line}")))
}

/// The result of a test boot; `None` if it was interrupted.
#[cfg(all(feature = "aws", feature = "fetch"))]
pub(super) fn result(launch: &Launch, launched: &LaunchOutcome) -> Option<BootResult> {
    let (unmet, reason) = match &launched.ended {
        LaunchEnd::Interrupted => return None,
        LaunchEnd::Passed => (Vec::new(), None),
        LaunchEnd::PoweredOff => (launch.checks.clone(), Some("it was switched off from within".to_owned())),
        LaunchEnd::Failed { unmet, sign, failure } => {
            let cause = failure.as_ref().map(|failure| format!(": {failure}")).unwrap_or_default();
            (unmet.clone(), Some(format!("{}{cause}", failure_text(sign))))
        }
    };
    let shown = |checks: &[Check]| checks.iter().map(ToString::to_string).collect();
    Some(BootResult {
        passed: reason.is_none(),
        machine: machine(launch.arch, launch.firmware, launch.bus),
        accelerator: launched.accel.name().to_owned(),
        checks: shown(&launched.passed),
        unmet: shown(&unmet),
        reason,
        seconds: launched.seconds,
    })
}

fn failure_text(how: &FailureSign) -> String {
    match how {
        FailureSign::TimedOut => "the time limit was reached".to_owned(),
        FailureSign::PoweredOff => "the machine switched itself off or was reset".to_owned(),
        FailureSign::FatalMessage => "it reported that it cannot continue".to_owned(),
        FailureSign::CheckFailed(why) => why.clone(),
    }
}

/// A machine as text, such as `x86_64 by UEFI from NVMe`.
pub(super) fn machine(arch: Arch, firmware: Firmware, bus: Bus) -> String {
    let firmware = match firmware {
        Firmware::Uefi => "UEFI",
        Firmware::Bios => "BIOS",
    };
    let bus = match bus {
        Bus::Nvme => "NVMe",
        Bus::Virtio => "virtio",
    };
    format!("{} by {firmware} from {bus}", arch.name())
}
