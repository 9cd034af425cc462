//! How a launch is shown: the console as it comes, and how it went.

use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use amiforge_formats::terminal::Allow;
use amiforge_machine::boot::check::Check;
use amiforge_machine::boot::crash;
use amiforge_machine::boot::machine::Network;
use amiforge_machine::boot::reason::BootFailure;
use amiforge_machine::boot::{
    Arch, Bus, FailureSign, Firmware, GuestDisplay, Launch, LaunchEnd, LaunchOutcome, Writes, accel::Accel,
};
use serde::Serialize;

use super::subject::Subject;
use crate::cmd::Failure;
use crate::ui::{ConsoleStream, GuestConsole, Ui, written};

/// Lines of the screen that are shown when a launch failed.
const LINES: usize = 12;

/// Shows a launch while it runs.
pub(super) struct LaunchView<'a> {
    ui: &'a Ui,
    /// The guest's console; nothing with `-q`.
    console: Option<GuestConsole<'a>>,
    /// What checks have to show.
    output: GuestConsole<'a>,
    /// Whether what the console wrote last ended a line.
    state: Mutex<LineState>,
    log: Option<Mutex<File>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LineState {
    Ended,
    Open,
}

impl<'a> LaunchView<'a> {
    /// The console is on standard output, or aside where that is for something else. Where keys go to the guest, the
    /// screen is its own; else it only adds lines to what is there.
    pub(super) fn new(ui: &'a Ui, wanted: &Launch, has_output: bool, log: Option<File>) -> Self {
        let stream = if ui.json() || has_output { ConsoleStream::Aside } else { ConsoleStream::Output };
        let keyboard = wanted.checks.is_empty() && std::io::stdin().is_terminal();
        let allow = if keyboard { Allow::Screen } else { Allow::Lines };
        let console = (!ui.quiet()).then(|| ui.console(stream, allow));
        let output =
            ui.console(if ui.json() { ConsoleStream::Aside } else { ConsoleStream::Output }, Allow::Lines);
        Self { ui, console, output, state: Mutex::new(LineState::Ended), log: log.map(Mutex::new) }
    }

    /// Says what is launched.
    pub(super) fn begin(&self, subject: &Subject, wanted: &Launch) {
        let Subject { name, .. } = subject;
        let machine = machine(wanted.arch, wanted.firmware, wanted.bus);
        let leave = if wanted.checks.is_empty() { "; Ctrl-C ends it" } else { "" };
        self.ui.status(format_args!("launching {name}: {machine}{leave}"));
        for forward in &wanted.forwards {
            self.ui.status(format_args!(
                "127.0.0.1:{} leads to port {} of the guest",
                forward.host, forward.guest
            ));
        }
        if wanted.network == Network::Open {
            self.ui.status(
                "the guest reaches the network of this host, and what listens on its loopback address",
            );
        }
        if wanted.writes == Writes::Persist {
            self.ui
                .warn(format_args!("`{}` is written to, and will be another image", wanted.disk.display()));
        }
    }

    /// Ends the console's last line, and sets back what the guest changed of the terminal.
    pub(super) fn end(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(console) = &self.console {
            console.set_back();
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
            // A log that is full must not end the guest.
            let _ = log.lock().unwrap_or_else(PoisonError::into_inner).write_all(bytes);
        }
    }

    fn output(&self, bytes: &[u8]) {
        self.end();
        self.output.show(bytes);
        self.output.set_back();
    }

    fn tell(&self, words: &str) {
        self.end();
        self.ui.status(words);
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
    seconds: f64,
}

/// Shows how a launch went.
pub(super) fn outcome(
    subject: &Subject,
    wanted: &Launch,
    launched: &LaunchOutcome,
    receipt: Option<&Path>,
    ui: &Ui,
) -> Result<(), Failure> {
    let (outcome, unmet, how, reason) = match &launched.ended {
        LaunchEnd::Passed => ("passed", &[][..], None, None),
        LaunchEnd::Off => ("off", &[][..], None, None),
        LaunchEnd::Stopped => ("stopped", &[][..], None, None),
        LaunchEnd::Failed { unmet, how, reason } => ("failed", unmet.as_slice(), Some(how), reason.as_ref()),
    };
    let seconds = launched.seconds;
    if ui.json() {
        return ui.object(&BootJson {
            image: &subject.name,
            arch: wanted.arch.name(),
            firmware: wanted.firmware,
            bus: wanted.bus,
            accelerator: launched.accel,
            outcome,
            passed: &launched.passed,
            unmet,
            how: how.map(words),
            reason,
            screen: if how.is_some() { &launched.screen } else { &[] },
            receipt: receipt.map(|path| path.display().to_string()),
            seconds,
        });
    }
    let machine = machine(wanted.arch, wanted.firmware, wanted.bus);
    let name = &subject.name;
    let Some(how) = how else {
        let verb = match outcome {
            "passed" => "booted",
            "stopped" => "ended",
            _ => "was switched off from within",
        };
        ui.status(format_args!("{name}: {verb}, {machine}, {seconds:.1} s"));
        if let Some(path) = receipt {
            ui.status(format_args!("receipt: {}", path.display()));
        }
        return Ok(());
    };
    let mut out = ui.out();
    let mut line = |text: String| written(writeln!(out, "{text}"));
    if !launched.screen.is_empty() {
        line("--- the last lines of the console".to_owned())?;
        let last = launched.screen.len().saturating_sub(LINES);
        let report = crash::begins(launched.screen.iter().map(String::as_str));
        let skip = report.map_or(last, |report| report.min(last));
        launched.screen.iter().skip(skip).try_for_each(|text| line(format!("  | {text}")))?;
        line("---".to_owned())?;
    }
    line(format!("{name}: did not boot as asked, {machine}, {seconds:.1} s: {}", words(how)))?;
    for check in unmet {
        line(format!("  not shown: {check}"))?;
    }
    if let Some(reason) = reason {
        line(format!("  reason: {reason}"))?;
    }
    written(out.flush())
}

fn words(how: &FailureSign) -> String {
    match how {
        FailureSign::TimedOut => "time was over".to_owned(),
        FailureSign::Off => "the machine switched itself off or was reset".to_owned(),
        FailureSign::Said => "it said that it cannot go on".to_owned(),
        FailureSign::Check(why) => why.clone(),
    }
}

fn machine(arch: Arch, firmware: Firmware, bus: Bus) -> String {
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
