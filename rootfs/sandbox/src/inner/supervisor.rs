//! Supervises a command: starts it confined, waits for its end, and kills all processes when a limit is reached or the
//! outer half ends. Knows nothing of the order of the steps.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::MemfdFlags;
use rustix::process::{Pid, PidfdFlags, WaitOptions, WaitStatus};

use super::super::message::StepEnd;
use super::super::wire::Channel;
use super::super::{SandboxClock, SandboxJob, SandboxLimits, SandboxStep, sys};
use super::error::{During, InnerError};
use super::mounts::Mounts;
#[cfg(target_arch = "x86_64")]
use super::tracer::Tracer;
use super::usage::measure;
use super::{confine, seccomp};

/// How often the limits are checked.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// Variables of every command: the same on every machine.
const FIXED: &[(&str, &str)] = &[
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/root"),
    ("USER", "root"),
    ("LOGNAME", "root"),
    ("SHELL", "/bin/sh"),
    ("TERM", "dumb"),
    ("TZ", "UTC"),
    ("SYSTEMD_OFFLINE", "1"),
    ("LANG", "C.UTF-8"),
    ("LC_ALL", "C.UTF-8"),
    // Otherwise the order of their hash tables is random.
    ("PERL_HASH_SEED", "0"),
    ("PYTHONHASHSEED", "0"),
];

fn start(job: &SandboxJob, step: &SandboxStep, mounts: &Mounts) -> std::io::Result<Pid> {
    let (program, arguments) = step.argv.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
    let input = if step.input.is_empty() { Stdio::null() } else { Stdio::from(input_file(&step.input)?) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(input);
    spawn(command, job, step, mounts, traced_clock(job), &CommandSession::Batch)
}

/// The clock that the tracer emulates; none where this machine cannot trace commands.
fn traced_clock(job: &SandboxJob) -> Option<SandboxClock> {
    cfg!(target_arch = "x86_64").then_some(job.clock)
}

/// Whether a command has a user.
pub(super) enum CommandSession {
    /// Without a user; the output is logged.
    Batch,
    /// With a user, on a terminal of this type, which is its standard input, if there is one.
    Interactive { term: Option<String> },
}

/// Starts a command, confined and with the environment of its step.
pub(super) fn spawn(
    mut command: Command,
    job: &SandboxJob,
    step: &SandboxStep,
    mounts: &Mounts,
    traced: Option<SandboxClock>,
    session: &CommandSession,
) -> std::io::Result<Pid> {
    let mut env: BTreeMap<&str, &str> = FIXED.iter().copied().collect();
    let epoch = job.epoch.secs.to_string();
    env.insert("SOURCE_DATE_EPOCH", &epoch);
    env.extend(job.env.iter().chain(&step.env).map(|(name, value)| (name.as_str(), value.as_str())));
    if let CommandSession::Interactive { term: Some(term) } = session {
        env.insert("TERM", term);
    }
    command.env_clear().envs(env);
    let (limits, filter) = (job.limits, seccomp::filter(traced));
    let on_terminal = matches!(session, CommandSession::Interactive { term: Some(_) });
    let folder = CString::new(step.folder.as_str())?;
    let command_root =
        mounts.command_root.as_ref().map(AsFd::as_fd).map(|root| root.try_clone_to_owned()).transpose()?;
    sys::before_exec(&mut command, move || {
        if let Some(root) = &command_root {
            rustix::process::fchdir(root)?;
            rustix::process::chroot(c".")?;
        }
        rustix::process::chdir(folder.as_c_str())?;
        if traced.is_some() {
            sys::request_trace()?;
        }
        confine::confine(&limits, &filter)?;
        if on_terminal {
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
        }
        Ok(())
    });
    let child = command.spawn()?;
    Pid::from_raw(child.id().cast_signed()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
}

/// A file in memory with these bytes, for reading from the first.
fn input_file(bytes: &[u8]) -> std::io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("input", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    std::io::Seek::rewind(&mut file)?;
    Ok(file)
}

/// Supervises the running command.
pub(super) struct Supervisor<'a> {
    pub(super) channel: &'a Channel,
    limits: SandboxLimits,
    pub(super) mounts: &'a Mounts,
    deadline: Option<Instant>,
}

impl<'a> Supervisor<'a> {
    /// Supervises commands until the deadline, if there is one.
    pub(super) fn new(
        channel: &'a Channel,
        limits: SandboxLimits,
        mounts: &'a Mounts,
        deadline: Option<Instant>,
    ) -> Self {
        Self { channel, limits, mounts, deadline }
    }

    /// Removes the deadline, before a user works in a shell.
    pub(super) fn remove_deadline(&mut self) {
        self.deadline = None;
    }

    /// Runs a step to its end.
    pub(super) fn run(&self, job: &SandboxJob, step: &SandboxStep) -> Result<StepEnd, InnerError> {
        #[cfg(target_arch = "x86_64")]
        if traced_clock(job).is_some() {
            let tracer = Tracer::start(job, self.mounts.origin, || start(job, step, self.mounts))?;
            let end = self.wait_for_end(tracer.pid)?;
            return Ok(tracer.error().map_or(end, StepEnd::NotStarted));
        }
        match start(job, step, self.mounts) {
            Err(error) => Ok(StepEnd::NotStarted(error.to_string())),
            Ok(child) => self.wait_for_end(child),
        }
    }

    /// Waits for a command; kills all processes when a limit is reached.
    fn wait_for_end(&self, child: Pid) -> Result<StepEnd, InnerError> {
        let ended = rustix::process::pidfd_open(child, PidfdFlags::empty());
        let ended = ended.during(|| "watching a command".to_owned())?;
        loop {
            self.wait(ended.as_fd())?;
            if let Some(status) = reap(child)? {
                // A full disk may be why it failed, or an error that it ignored.
                return Ok(if self.mounts.is_full() { StepEnd::DiskFull } else { step_end(status) });
            }
            if let Some(end) = self.exceeded_limit() {
                sys::kill_all();
                return Ok(end);
            }
        }
    }

    /// Sleeps until the command ends, or for [`TICK`]; fails when the outer half has ended.
    pub(super) fn wait(&self, ended: BorrowedFd<'_>) -> Result<(), InnerError> {
        let left = self.deadline.map_or(TICK, |deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = Timespec::try_from(left.min(TICK)).unwrap_or_default();
        let mut both = [
            PollFd::new(&ended, PollFlags::IN),
            PollFd::new(&self.channel.0, PollFlags::IN | PollFlags::RDHUP),
        ];
        match rustix::event::poll(&mut both, Some(&timeout)) {
            Err(error) if error != rustix::io::Errno::INTR => Err(error),
            // The outer half sends nothing while commands run: it has ended, or wants the sandbox to end.
            Ok(_) if !both[1].revents().is_empty() => Err(rustix::io::Errno::PIPE),
            _ => Ok(()),
        }
        .during(|| "watching a command".to_owned())
    }

    /// The limit that is reached, if any.
    fn exceeded_limit(&self) -> Option<StepEnd> {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Some(StepEnd::TimeLimit);
        }
        let usage = measure(self.mounts.segments.as_ref(), self.limits.memory);
        if usage.memory > self.limits.memory {
            return Some(StepEnd::MemoryLimit);
        }
        if usage.threads > u64::from(self.limits.processes) {
            return Some(StepEnd::ProcessLimit);
        }
        self.mounts.is_full().then_some(StepEnd::DiskFull)
    }
}

fn step_end(status: WaitStatus) -> StepEnd {
    status
        .terminating_signal()
        .map_or_else(|| StepEnd::Status(status.exit_status().unwrap_or(-1)), StepEnd::Signal)
}

/// Reaps all processes that have ended; returns the status of the command if it is one of them.
pub(super) fn reap(child: Pid) -> Result<Option<WaitStatus>, InnerError> {
    let mut ended = None;
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == child => ended = Some(status),
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) | Err(rustix::io::Errno::CHILD) => return Ok(ended),
            Err(error) => return Err(error).during(|| "waiting for a command".to_owned()),
        }
    }
}
