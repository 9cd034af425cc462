//! Runs the commands in order and reports them. Processes that a command leaves running end with it.

use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::process::{DumpableBehavior, WaitOptions};
use rustix::thread::UnshareFlags;
use rustix::time::ClockId;

use super::super::message::{Message, StepEnd};
use super::super::wire::Channel;
use super::super::{OnFailure, SandboxJob, sys};
use super::error::{During, InnerError};
use super::kernel::UPTIME;
use super::mounts::Mounts;
use super::shell;
use super::step_changes::StepRecorder;
use super::supervisor::Supervisor;
use super::transfer::send;

/// Whether all commands succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Succeeded,
    Failed,
}

/// Runs the steps and reports each to the outer half; the recorder looks at the tree after each.
pub(super) fn run(
    channel: &Channel,
    job: &SandboxJob,
    mounts: &Mounts,
    terminal: &[OwnedFd],
    recorder: &mut Option<StepRecorder>,
) -> Result<Outcome, InnerError> {
    set_uptime()?;
    let deadline = Instant::now().checked_add(job.limits.time);
    let mut supervisor = Supervisor::new(channel, job.limits, mounts, deadline);
    for (number, step) in (0u32..).zip(&job.steps) {
        send(channel, &Message::StepStarted(number))?;
        let end = supervisor.run(job, step)?;
        kill_remaining()?;
        let succeeded = end == StepEnd::Status(0);
        if !succeeded && job.on_failure == OnFailure::Shell {
            supervisor.remove_deadline();
            send(channel, &Message::ShellOpened { step: number, end: end.clone() })?;
            shell::open(&supervisor, job, step, terminal)?;
            kill_remaining()?;
        }
        send(channel, &Message::StepEnded { step: number, end })?;
        if !succeeded {
            return Ok(Outcome::Failed);
        }
        if let Some(recorder) = recorder {
            recorder.observe(number, mounts)?;
        }
    }
    Ok(Outcome::Succeeded)
}

/// Sets the clocks that count from boot to [`UPTIME`], for all processes that are started from now on
/// (`time_namespaces(7)`). Kernels before 5.6 cannot.
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
    // A process that is not dumpable does not own its files in `/proc`. No command runs yet.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable);
    let _ = std::fs::write("/proc/self/timens_offsets", offsets);
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).entering("hiding memory")
}

/// Kills and reaps the processes that a command left running.
fn kill_remaining() -> Result<(), InnerError> {
    loop {
        sys::kill_all();
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::CHILD) => return Ok(()),
            Err(error) => return Err(error).during(|| "ending what commands left running".to_owned()),
        }
    }
}
