//! Runs the commands one after the other, and watches them: the time, the memory and the number of processes of all
//! together, and whether the disk is full. What a command leaves running ends with it.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::MemfdFlags;
use rustix::process::{DumpableBehavior, Pid, PidfdFlags, WaitOptions, WaitStatus};
use rustix::thread::UnshareFlags;
use rustix::time::ClockId;

use super::super::message::{Message, StepEnd};
use super::super::wire::Channel;
use super::super::{OnFailure, SandboxClock, SandboxJob, SandboxLimits, SandboxStep, sys};
use super::kernel::UPTIME;
use super::mounts::Mounts;
#[cfg(target_arch = "x86_64")]
use super::tracer::Tracer;
use super::usage::measure;
use super::{During, InnerError, confine, say, seccomp, shell};

/// How often the commands are looked after.
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
    // Hash tables of these take their order from random numbers otherwise.
    ("PERL_HASH_SEED", "0"),
    ("PYTHONHASHSEED", "0"),
];

/// Whether all commands ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Well,
    Badly,
}

/// Runs the steps; the outer half is told of each.
pub(super) fn run(
    channel: &Channel,
    job: &SandboxJob,
    mounts: &Mounts,
    terminal: &[OwnedFd],
) -> Result<Outcome, InnerError> {
    set_uptime()?;
    let deadline = Instant::now().checked_add(job.limits.time);
    let mut watch = Supervisor { channel, limits: job.limits, mounts, deadline };
    for (number, step) in (0u32..).zip(&job.steps) {
        say(channel, &Message::StepStarted(number))?;
        let how = watch.one(job, step)?;
        finish_others()?;
        let well = how == StepEnd::Status(0);
        if !well && job.on_failure == OnFailure::Shell {
            watch.deadline = None;
            say(channel, &Message::ShellOpened { step: number, how: how.clone() })?;
            shell::open(&watch, job, step, terminal)?;
            finish_others()?;
        }
        say(channel, &Message::StepEnded { step: number, how })?;
        if !well {
            return Ok(Outcome::Badly);
        }
    }
    Ok(Outcome::Well)
}

/// Lets the clocks that count from the start of the machine begin anew for all that is started from now on
/// (`time_namespaces(7)`). Kernels before 5.6 have nothing for it.
fn set_uptime() -> Result<(), InnerError> {
    if sys::unshare(UnshareFlags::NEWTIME).is_err() {
        return Ok(());
    }
    let offset = |name: &str, clock| {
        let now = rustix::time::clock_gettime(clock);
        let seconds = (UPTIME as i64).saturating_sub(now.tv_sec).saturating_sub(1);
        format!("{name} {seconds} {}\n", 1_000_000_000_i64.saturating_sub(now.tv_nsec).min(999_999_999))
    };
    let offsets = offset("monotonic", ClockId::Monotonic) + &offset("boottime", ClockId::Boottime);
    // A process that hides its memory does not own its files in `/proc`. No command runs yet.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable);
    let _ = std::fs::write("/proc/self/timens_offsets", offsets);
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).entering("hiding memory")
}

fn start(job: &SandboxJob, step: &SandboxStep, mounts: &Mounts) -> std::io::Result<Pid> {
    let (program, arguments) = step.argv.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
    let input = if step.input.is_empty() { Stdio::null() } else { Stdio::from(given(&step.input)?) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(input);
    spawn(command, job, step, mounts, traced(job), &CommandSession::Silent)
}

/// The clock that the tracer of a job's commands keeps, where this machine can trace them.
fn traced(job: &SandboxJob) -> Option<SandboxClock> {
    cfg!(target_arch = "x86_64").then_some(job.clock)
}

/// Whom a command talks to.
pub(super) enum CommandSession {
    /// Nobody: what it writes is kept.
    Silent,
    /// The user; on a terminal of this kind, which is its standard input, if there is one.
    Interactive { term: Option<String> },
}

/// Starts a command with the variables of its step, confined.
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
    let cell = mounts.cell.as_ref().map(AsFd::as_fd).map(|cell| cell.try_clone_to_owned()).transpose()?;
    sys::before_exec(&mut command, move || {
        if let Some(cell) = &cell {
            rustix::process::fchdir(cell)?;
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

/// A file that gives these bytes.
fn given(bytes: &[u8]) -> std::io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("input", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    std::io::Seek::rewind(&mut file)?;
    Ok(file)
}

/// What is looked at while a command runs.
pub(super) struct Supervisor<'a> {
    pub(super) channel: &'a Channel,
    limits: SandboxLimits,
    pub(super) mounts: &'a Mounts,
    deadline: Option<Instant>,
}

impl Supervisor<'_> {
    /// Runs a command to its end.
    fn one(&self, job: &SandboxJob, step: &SandboxStep) -> Result<StepEnd, InnerError> {
        #[cfg(target_arch = "x86_64")]
        if traced(job).is_some() {
            let tracer = Tracer::start(job, self.mounts.origin, || start(job, step, self.mounts))?;
            let how = self.until_end(tracer.pid)?;
            return Ok(tracer.fault().map_or(how, StepEnd::NotStarted));
        }
        match start(job, step, self.mounts) {
            Err(error) => Ok(StepEnd::NotStarted(error.to_string())),
            Ok(child) => self.until_end(child),
        }
    }

    /// Waits for a command, or ends all when a limit is reached.
    fn until_end(&self, child: Pid) -> Result<StepEnd, InnerError> {
        let ended = rustix::process::pidfd_open(child, PidfdFlags::empty());
        let ended = ended.during(|| "watching a command".to_owned())?;
        loop {
            self.wait(ended.as_fd())?;
            if let Some(status) = reap(child)? {
                // What is full now may be why it failed, or what it did not notice.
                return Ok(if self.mounts.is_full() { StepEnd::DiskFull } else { how(status) });
            }
            if let Some(how) = self.over() {
                sys::kill_all();
                return Ok(how);
            }
        }
    }

    /// Sleeps until the command ends or the time for a look has come; ends with the outer half.
    pub(super) fn wait(&self, ended: BorrowedFd<'_>) -> Result<(), InnerError> {
        let left = self.deadline.map_or(TICK, |deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = Timespec::try_from(left.min(TICK)).unwrap_or_default();
        let mut both = [
            PollFd::new(&ended, PollFlags::IN),
            PollFd::new(&self.channel.0, PollFlags::IN | PollFlags::RDHUP),
        ];
        match rustix::event::poll(&mut both, Some(&timeout)) {
            Err(error) if error != rustix::io::Errno::INTR => Err(error),
            // The outer half says nothing while commands run: it is gone, or wants an end.
            Ok(_) if !both[1].revents().is_empty() => Err(rustix::io::Errno::PIPE),
            _ => Ok(()),
        }
        .during(|| "watching a command".to_owned())
    }

    /// The limit that is reached.
    fn over(&self) -> Option<StepEnd> {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Some(StepEnd::TooLong);
        }
        let usage = measure(self.mounts.segments.as_ref(), self.limits.memory);
        if usage.memory > self.limits.memory {
            return Some(StepEnd::TooMuchMemory);
        }
        if usage.threads > u64::from(self.limits.processes) {
            return Some(StepEnd::TooMany);
        }
        self.mounts.is_full().then_some(StepEnd::DiskFull)
    }
}

fn how(status: WaitStatus) -> StepEnd {
    status
        .terminating_signal()
        .map_or_else(|| StepEnd::Status(status.exit_status().unwrap_or(-1)), StepEnd::Signal)
}

/// Takes what has ended; gives the status of the command if that has.
pub(super) fn reap(child: Pid) -> Result<Option<WaitStatus>, InnerError> {
    let mut found = None;
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == child => found = Some(status),
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) | Err(rustix::io::Errno::CHILD) => return Ok(found),
            Err(error) => return Err(error).during(|| "waiting for a command".to_owned()),
        }
    }
}

/// Ends what a command left running.
fn finish_others() -> Result<(), InnerError> {
    loop {
        sys::kill_all();
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::CHILD) => return Ok(()),
            Err(error) => return Err(error).during(|| "ending what commands left running".to_owned()),
        }
    }
}
