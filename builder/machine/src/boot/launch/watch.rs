//! Watching a guest until it has shown everything, has ended, has said that it cannot go on, or time is over.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use amiforge_progress::CancelToken;

use super::prepare::Prepared;
use super::{FailureSign, Launch, LaunchEnd};
use crate::boot::BootError;
use crate::boot::check::{Check, CheckProgress};
use crate::boot::guest::{Guest, GuestDisplay, Heard};
use crate::boot::machine::program;
use crate::boot::page;
use crate::boot::provider::Need;
use crate::boot::reason::{self, BootFailure, FailureKind};
use crate::boot::ssh::SshSession;

/// Time between two looks.
const GLANCE: Duration = Duration::from_millis(50);
/// What else a guest may say after it said that it cannot go on.
const LAST_WORDS: Duration = Duration::from_millis(1500);
/// How long a guest that waits for its root may be silent.
const SILENCE: Duration = Duration::from_secs(20);
/// A QEMU that ends sooner with a failure did not start.
const START: Duration = Duration::from_secs(3);

/// Who looks at the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConsoleWatcher {
    /// A user at a terminal, who decides when it is over.
    ByUser,
    /// Nobody but this program.
    Alone,
}

/// A guest that is watched.
pub(super) struct GuestWatch<'a> {
    launch: &'a Launch,
    guest: Guest,
    heard: &'a Heard,
    prepared: &'a Prepared,
    show: &'a dyn GuestDisplay,
    cancel: &'a CancelToken,
    watching: ConsoleWatcher,
    begun: Instant,
    session: Option<SshSession>,
    /// Length of the console's text at the last look, and when it was another.
    length: usize,
    changed: Instant,
    /// What it cannot recover from, and when that was seen.
    fatal: Option<(BootFailure, Instant)>,
    /// Checks that are met, by their place in the list.
    met: Vec<bool>,
}

/// What a look at the guest saw.
enum GuestLook {
    /// Nothing that ends the watch.
    On,
    /// That somebody wants it to stop.
    Stopped,
    /// That it is over.
    Over(FailureSign, Option<BootFailure>),
}

impl<'a> GuestWatch<'a> {
    /// Begins to watch.
    pub(super) fn new(
        launch: &'a Launch,
        guest: Guest,
        heard: &'a Heard,
        prepared: &'a Prepared,
        show: &'a dyn GuestDisplay,
        cancel: &'a CancelToken,
        watching: ConsoleWatcher,
    ) -> Self {
        let (now, met) = (Instant::now(), vec![false; launch.checks.len()]);
        let session = prepared.session(&launch.users);
        Self {
            launch,
            guest,
            heard,
            prepared,
            show,
            cancel,
            watching,
            session,
            met,
            begun: now,
            length: 0,
            changed: now,
            fatal: None,
        }
    }

    /// Watches to the end. Also gives what was shown.
    pub(super) fn run(&mut self) -> Result<(LaunchEnd, Vec<Check>), BootError> {
        let ended = self.watch()?;
        let mut checks = self.launch.checks.iter().zip(&self.met);
        let passed = checks.by_ref().filter(|(_, met)| **met).map(|(check, _)| check.clone()).collect();
        Ok((ended, passed))
    }

    fn watch(&mut self) -> Result<LaunchEnd, BootError> {
        loop {
            let look = self.look()?;
            self.expect();
            if let Some(why) = self.advance()? {
                return Ok(self.failed(FailureSign::Check(why), None));
            }
            if !self.met.is_empty() && self.met.iter().all(|met| *met) {
                return Ok(LaunchEnd::Passed);
            }
            match look {
                GuestLook::On => sleep(GLANCE),
                GuestLook::Stopped => return Ok(LaunchEnd::Stopped),
                GuestLook::Over(FailureSign::Off, None) => return Ok(LaunchEnd::Off),
                GuestLook::Over(how, reason) => return Ok(self.failed(how, reason)),
            }
        }
    }

    fn failed(&self, how: FailureSign, reason: Option<BootFailure>) -> LaunchEnd {
        let checks = self.launch.checks.iter().zip(&self.met);
        let unmet = checks.filter(|(_, met)| !**met).map(|(check, _)| check.clone()).collect();
        LaunchEnd::Failed { unmet, how, reason }
    }

    /// Looks whether it is over.
    fn look(&mut self) -> Result<GuestLook, BootError> {
        if self.cancel.is_cancelled() {
            let stop = self.launch.checks.is_empty().then_some(GuestLook::Stopped);
            return stop.ok_or(BootError::Interrupted);
        }
        // Before the text is looked at: what ended has said everything but for what is still in the pipe.
        let ended = self.guest.ended();
        if let Some(status) = ended {
            sleep(GLANCE * 4);
            if !status.success() && self.begun.elapsed() < START && self.heard.console().bytes().is_empty() {
                return Err(self.did_not_start());
            }
        }
        self.note();
        if ended.is_some() {
            let reason = self.fatal_reason();
            let unmet = !self.launch.checks.is_empty();
            return Ok(GuestLook::Over(
                FailureSign::Off,
                reason.or_else(|| unmet.then(|| self.best_reason())),
            ));
        }
        if let Some((reason, since)) = &self.fatal
            && self.watching == ConsoleWatcher::Alone
            && since.elapsed() > LAST_WORDS
        {
            return Ok(GuestLook::Over(FailureSign::Said, Some(reason.clone())));
        }
        if let Some(folder) = self.prepared.full() {
            return Err(BootError::NoSpace { folder: folder.to_owned() });
        }
        if self.launch.timeout.is_some_and(|timeout| self.begun.elapsed() > timeout) {
            return Ok(GuestLook::Over(FailureSign::TimedOut, Some(self.late_reason())));
        }
        Ok(GuestLook::On)
    }

    /// Takes note of what is new on the console.
    fn note(&mut self) {
        let log = log(&self.prepared.debug);
        let console = self.heard.console();
        let length = console.text().len() + log.len();
        if length != self.length {
            (self.length, self.changed) = (length, Instant::now());
            // A cause may come after its effect: a program's words take longer to the console than the kernel's.
            let since = self.fatal.as_ref().map_or_else(Instant::now, |(_, since)| *since);
            if let Some(reason) = reason::fatal(console.text(), &log) {
                self.fatal = Some((reason, since));
            }
        } else if self.fatal.is_none() && self.changed.elapsed() > SILENCE {
            let waits = reason::best(console.text(), &log);
            self.fatal = (waits.kind == FailureKind::Waiting).then_some((waits, self.changed));
        }
    }

    fn fatal_reason(&self) -> Option<BootFailure> {
        self.fatal.as_ref().map(|(reason, _)| reason.clone())
    }

    /// The reason when time is over: a command that runs is one, unless the console has a better.
    fn late_reason(&self) -> BootFailure {
        let best = self.best_reason();
        let running = self.session.as_ref().is_some_and(SshSession::is_running);
        match self.next_check() {
            Some((_, Check::Run(command)))
                if running && matches!(best.kind, FailureKind::SilentKernel | FailureKind::Silent) =>
            {
                reason::command_running(command)
            }
            _ => best,
        }
    }

    fn best_reason(&self) -> BootFailure {
        let mut best = reason::best(self.heard.console().text(), &log(&self.prepared.debug));
        let said = self.session.as_ref().map(SshSession::said).filter(|said| !said.is_empty());
        if let (FailureKind::SilentKernel | FailureKind::Silent, Some(said)) = (best.kind, said) {
            best.line = Some(format!("ssh: {said}"));
        }
        best
    }

    /// Looks for texts that are expected.
    fn expect(&mut self) {
        let console = self.heard.console();
        for (check, met) in self.launch.checks.iter().zip(&mut self.met) {
            if let Check::Expect(text) = check
                && !*met
                && console.text().contains(text)
            {
                *met = true;
                self.show.tell(&format!("after {:.1} s: {check}", self.begun.elapsed().as_secs_f64()));
            }
        }
    }

    /// The first page or command that is not met, once all texts are there.
    fn next_check(&self) -> Option<(usize, &'a Check)> {
        let mut texts = self.launch.checks.iter().zip(&self.met);
        if texts.any(|(check, met)| matches!(check, Check::Expect(_)) && !met) {
            return None;
        }
        let mut all = self.launch.checks.iter().enumerate().zip(&self.met);
        all.find_map(|(numbered, met)| (!*met).then_some(numbered))
    }

    /// Makes a step with the first page or command that is not met, once all texts are there. Gives why one failed.
    fn advance(&mut self) -> Result<Option<String>, BootError> {
        let Some((index, check)) = self.next_check() else { return Ok(None) };
        let tried = match check {
            Check::Expect(_) => CheckProgress::NotYet,
            Check::Get { port, path } => {
                self.prepared.port(*port).map_or(CheckProgress::NotYet, |port| page::fetch(port, path))
            }
            Check::Run(command) => match &mut self.session {
                Some(session) => session.step(command)?,
                None => CheckProgress::NotYet,
            },
        };
        match tried {
            CheckProgress::NotYet => Ok(None),
            CheckProgress::Passed(output) => {
                self.show.tell(&format!("after {:.1} s: {check}", self.begun.elapsed().as_secs_f64()));
                self.show.output(&output);
                self.met.iter_mut().skip(index).take(1).for_each(|met| *met = true);
                Ok(None)
            }
            CheckProgress::Failed(output, why) => {
                self.show.output(&output);
                Ok(Some(why))
            }
        }
    }

    fn did_not_start(&self) -> BootError {
        let said = self.heard.said();
        if said.contains("could not load PC BIOS") {
            return BootError::Missing { need: Need::Bios };
        }
        let said = if said.is_empty() { "it ended at once and said nothing".to_owned() } else { said };
        BootError::Program { program: program(self.launch.arch).to_owned(), said }
    }
}

/// The firmware's log; there is none on machines without one.
fn log(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
