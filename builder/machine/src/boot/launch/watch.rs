//! Watching a guest until it has shown everything, has ended, has said that it cannot go on, or time is over.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use amiforge_progress::CancelToken;

use super::prepare::Prepared;
use super::{FailureSign, Launch, LaunchEnd};
use crate::boot::BootError;
use crate::boot::check::{Check, CheckProgress};
use crate::boot::diagnosis::{self, BootFailure, FailureKind};
use crate::boot::guest::{ConsoleLog, Guest, GuestDisplay};
use crate::boot::host_packages::HostDependency;
use crate::boot::http;
use crate::boot::qemu;
use crate::boot::ssh::SshSession;

/// Time between two looks.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// What else a guest may say after it said that it cannot go on.
const FATAL_GRACE: Duration = Duration::from_millis(1500);
/// How long a guest that waits for its root may be silent.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(20);
/// A QEMU that ends sooner with a failure did not start.
const START_GRACE: Duration = Duration::from_secs(3);

/// Who looks at the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConsoleWatcher {
    /// A user at a terminal, who decides when it is over.
    User,
    /// Nobody but this program.
    Program,
}

/// A guest that is watched.
pub(super) struct GuestWatch<'a> {
    launch: &'a Launch,
    guest: Guest,
    console_log: &'a ConsoleLog,
    prepared: &'a Prepared,
    display: &'a dyn GuestDisplay,
    cancel: &'a CancelToken,
    watcher: ConsoleWatcher,
    started: Instant,
    session: Option<SshSession>,
    /// Length of the console's text at the last look, and when it was another.
    length: usize,
    changed: Instant,
    /// What it cannot recover from, and when that was seen.
    fatal: Option<(BootFailure, Instant)>,
    /// Checks that are met, by their place in the list.
    passed: Vec<bool>,
}

/// What a look at the guest saw.
enum GuestStatus {
    /// Nothing that ends the watch.
    Running,
    /// That somebody wants it to stop.
    Interrupted,
    /// That it is over.
    Ended(FailureSign, Option<BootFailure>),
}

impl<'a> GuestWatch<'a> {
    /// Begins to watch.
    pub(super) fn new(
        launch: &'a Launch,
        guest: Guest,
        console_log: &'a ConsoleLog,
        prepared: &'a Prepared,
        display: &'a dyn GuestDisplay,
        cancel: &'a CancelToken,
        watcher: ConsoleWatcher,
    ) -> Self {
        let (now, passed) = (Instant::now(), vec![false; launch.checks.len()]);
        let session = prepared.session(&launch.users);
        Self {
            launch,
            guest,
            console_log,
            prepared,
            display,
            cancel,
            watcher,
            session,
            passed,
            started: now,
            length: 0,
            changed: now,
            fatal: None,
        }
    }

    /// Watches to the end. Also gives what was shown.
    pub(super) fn run(&mut self) -> Result<(LaunchEnd, Vec<Check>), BootError> {
        let ended = self.watch()?;
        let mut checks = self.launch.checks.iter().zip(&self.passed);
        let passed = checks.by_ref().filter(|(_, passed)| **passed).map(|(check, _)| check.clone()).collect();
        Ok((ended, passed))
    }

    fn watch(&mut self) -> Result<LaunchEnd, BootError> {
        loop {
            let guest_status = self.poll()?;
            self.match_expected_texts();
            if let Some(why) = self.advance_checks()? {
                return Ok(self.failed(FailureSign::CheckFailed(why), None));
            }
            if !self.passed.is_empty() && self.passed.iter().all(|passed| *passed) {
                return Ok(LaunchEnd::Passed);
            }
            match guest_status {
                GuestStatus::Running => sleep(POLL_INTERVAL),
                GuestStatus::Interrupted => return Ok(LaunchEnd::Interrupted),
                GuestStatus::Ended(FailureSign::PoweredOff, None) => return Ok(LaunchEnd::PoweredOff),
                GuestStatus::Ended(sign, failure) => return Ok(self.failed(sign, failure)),
            }
        }
    }

    fn failed(&self, sign: FailureSign, failure: Option<BootFailure>) -> LaunchEnd {
        let checks = self.launch.checks.iter().zip(&self.passed);
        let unmet = checks.filter(|(_, passed)| !**passed).map(|(check, _)| check.clone()).collect();
        LaunchEnd::Failed { unmet, sign, failure }
    }

    /// Looks whether it is over.
    fn poll(&mut self) -> Result<GuestStatus, BootError> {
        if self.cancel.is_cancelled() {
            let stop = self.launch.checks.is_empty().then_some(GuestStatus::Interrupted);
            return stop.ok_or(BootError::Interrupted);
        }
        // Before the text is looked at: what ended has said everything but for what is still in the pipe.
        let ended = self.guest.try_status();
        if let Some(status) = ended {
            sleep(POLL_INTERVAL * 4);
            if !status.success()
                && self.started.elapsed() < START_GRACE
                && self.console_log.console().bytes().is_empty()
            {
                return Err(self.start_error());
            }
        }
        self.observe_console();
        if ended.is_some() {
            let failure = self.fatal_failure();
            let unmet = !self.launch.checks.is_empty();
            return Ok(GuestStatus::Ended(
                FailureSign::PoweredOff,
                failure.or_else(|| unmet.then(|| self.best_failure())),
            ));
        }
        if let Some((failure, since)) = &self.fatal
            && self.watcher == ConsoleWatcher::Program
            && since.elapsed() > FATAL_GRACE
        {
            return Ok(GuestStatus::Ended(FailureSign::FatalMessage, Some(failure.clone())));
        }
        if let Some(folder) = self.prepared.exhausted_folder() {
            return Err(BootError::NoSpace { folder: folder.to_owned() });
        }
        if self.launch.timeout.is_some_and(|timeout| self.started.elapsed() > timeout) {
            return Ok(GuestStatus::Ended(FailureSign::TimedOut, Some(self.timeout_failure())));
        }
        Ok(GuestStatus::Running)
    }

    /// Takes note of what is new on the console.
    fn observe_console(&mut self) {
        let firmware_log = firmware_log(&self.prepared.debug);
        let console = self.console_log.console();
        let length = console.text().len() + firmware_log.len();
        if length != self.length {
            (self.length, self.changed) = (length, Instant::now());
            // A cause may come after its effect: a program's words take longer to the console than the kernel's.
            let since = self.fatal.as_ref().map_or_else(Instant::now, |(_, since)| *since);
            if let Some(failure) = diagnosis::fatal_failure(console.text(), &firmware_log) {
                self.fatal = Some((failure, since));
            }
        } else if self.fatal.is_none() && self.changed.elapsed() > SILENCE_TIMEOUT {
            let waiting = diagnosis::best_failure(console.text(), &firmware_log);
            self.fatal = (waiting.kind == FailureKind::Waiting).then_some((waiting, self.changed));
        }
    }

    fn fatal_failure(&self) -> Option<BootFailure> {
        self.fatal.as_ref().map(|(failure, _)| failure.clone())
    }

    /// The reason when time is over: a command that runs is one, unless the console has a better.
    fn timeout_failure(&self) -> BootFailure {
        let best = self.best_failure();
        let running = self.session.as_ref().is_some_and(SshSession::is_running);
        match self.next_check() {
            Some((_, Check::Run(command)))
                if running && matches!(best.kind, FailureKind::SilentKernel | FailureKind::Silent) =>
            {
                diagnosis::command_running(command)
            }
            _ => best,
        }
    }

    fn best_failure(&self) -> BootFailure {
        let mut best =
            diagnosis::best_failure(self.console_log.console().text(), &firmware_log(&self.prepared.debug));
        let stderr = self.session.as_ref().map(SshSession::last_error).filter(|stderr| !stderr.is_empty());
        if let (FailureKind::SilentKernel | FailureKind::Silent, Some(stderr)) = (best.kind, stderr) {
            best.line = Some(format!("ssh: {stderr}"));
        }
        best
    }

    /// Looks for texts that are expected.
    fn match_expected_texts(&mut self) {
        let console = self.console_log.console();
        for (check, passed) in self.launch.checks.iter().zip(&mut self.passed) {
            if let Check::Expect(text) = check
                && !*passed
                && console.text().contains(text)
            {
                *passed = true;
                self.display
                    .message(&format!("after {:.1} s: {check}", self.started.elapsed().as_secs_f64()));
            }
        }
    }

    /// The first page or command that is not met, once all texts are there.
    fn next_check(&self) -> Option<(usize, &'a Check)> {
        let mut texts = self.launch.checks.iter().zip(&self.passed);
        if texts.any(|(check, passed)| matches!(check, Check::Expect(_)) && !passed) {
            return None;
        }
        let mut all = self.launch.checks.iter().enumerate().zip(&self.passed);
        all.find_map(|(numbered, passed)| (!*passed).then_some(numbered))
    }

    /// Makes a step with the first page or command that is not met, once all texts are there. Gives why one failed.
    fn advance_checks(&mut self) -> Result<Option<String>, BootError> {
        let Some((index, check)) = self.next_check() else { return Ok(None) };
        let progress = match check {
            Check::Expect(_) => CheckProgress::Pending,
            Check::Get { port, path } => {
                self.prepared.port(*port).map_or(CheckProgress::Pending, |port| http::fetch(port, path))
            }
            Check::Run(command) => match &mut self.session {
                Some(session) => session.step(command)?,
                None => CheckProgress::Pending,
            },
        };
        match progress {
            CheckProgress::Pending => Ok(None),
            CheckProgress::Passed(output) => {
                self.display
                    .message(&format!("after {:.1} s: {check}", self.started.elapsed().as_secs_f64()));
                self.display.output(&output);
                self.passed.iter_mut().skip(index).take(1).for_each(|passed| *passed = true);
                Ok(None)
            }
            CheckProgress::Failed(output, why) => {
                self.display.output(&output);
                Ok(Some(why))
            }
        }
    }

    fn start_error(&self) -> BootError {
        let stderr = self.console_log.stderr();
        if stderr.contains("could not load PC BIOS") {
            return BootError::Missing { dependency: HostDependency::Bios };
        }
        let stderr = if stderr.is_empty() { "it ended at once and said nothing".to_owned() } else { stderr };
        BootError::Program { program: qemu::program(self.launch.arch).to_owned(), output: stderr }
    }
}

/// The firmware's log; there is none on machines without one.
fn firmware_log(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
