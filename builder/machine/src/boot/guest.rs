//! A guest that runs: QEMU as a child, and the threads that take what it writes.

use std::io::Read;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{Scope, sleep};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::console::Console;
use super::machine::Machine;
use super::{BootError, die_with_parent};

/// Who is shown what happens.
pub trait GuestDisplay: Sync {
    /// Bytes that the guest wrote to its console.
    fn console(&self, bytes: &[u8]);
    /// What a check has to show: a page, the output of a command.
    fn output(&self, bytes: &[u8]);
    /// Where things stand.
    fn message(&self, text: &str);
}

/// How long QEMU may take to write what it holds when it is told to end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);
/// Most of what QEMU itself says that is kept.
const STDERR_MAX: u64 = 64 << 10;

/// What threads take from a guest.
#[derive(Debug, Default)]
pub(super) struct ConsoleLog {
    console: Mutex<Console>,
    stderr: Mutex<String>,
}

impl ConsoleLog {
    /// The console.
    pub(super) fn console(&self) -> MutexGuard<'_, Console> {
        self.console.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What QEMU itself said.
    pub(super) fn stderr(&self) -> String {
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner).trim().to_owned()
    }
}

/// A guest that runs until dropped.
#[derive(Debug)]
pub(super) struct Guest {
    child: Child,
    status: Option<ExitStatus>,
}

impl Guest {
    /// Starts a machine; threads of the scope take what it says. Also gives what leads to its console.
    pub(super) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        machine: &Machine,
        console_log: &'scope ConsoleLog,
        display: &'scope dyn GuestDisplay,
    ) -> Result<(Self, Option<ChildStdin>), BootError> {
        let program = machine.program();
        let failed = |source| BootError::Start { program: program.to_owned(), source };
        let mut command = die_with_parent::command(program).map_err(failed)?;
        command.args(machine.args()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C is for this program, which then ends the guest.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(failed)?;
        let stdin = child.stdin.take();
        if let Some(mut stdout) = child.stdout.take() {
            scope.spawn(move || {
                let mut bytes = vec![0; 16 << 10];
                while let Ok(count) = stdout.read(&mut bytes) {
                    let Some(received) = bytes.get(..count).filter(|received| !received.is_empty()) else {
                        return;
                    };
                    console_log.console().push(received);
                    display.console(received);
                }
            });
        }
        if let Some(stderr) = child.stderr.take() {
            scope.spawn(move || {
                let mut text = Vec::new();
                let mut stderr = stderr;
                let mut bytes = [0; 1024];
                while let Ok(count) = stderr.read(&mut bytes) {
                    if count == 0 {
                        return;
                    }
                    if (text.len() as u64) < STDERR_MAX {
                        text.extend_from_slice(bytes.get(..count).unwrap_or_default());
                    }
                    let mut stderr = console_log.stderr.lock().unwrap_or_else(PoisonError::into_inner);
                    *stderr = String::from_utf8_lossy(&text).into_owned();
                }
            });
        }
        Ok((Self { child, status: None }, stdin))
    }

    /// How it ended, if it has.
    pub(super) fn try_status(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            // What cannot be asked is not there any more.
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status
    }

    /// Switches it off; QEMU writes what it still holds.
    fn shut_down(&mut self) {
        let signalled =
            Pid::from_raw(self.child.id().cast_signed()).map(|pid| kill_process(pid, Signal::TERM));
        let deadline = Instant::now() + SHUTDOWN_TIMEOUT;
        while signalled == Some(Ok(())) && self.try_status().is_none() && Instant::now() < deadline {
            sleep(Duration::from_millis(10));
        }
        if self.try_status().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if self.try_status().is_none() {
            self.shut_down();
        }
    }
}
