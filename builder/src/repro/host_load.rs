//! Other activity on the host during a build: mounts, a busy processor, and a restriction to one processor.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Mounts two tmpfs file systems, which take the device numbers that those of the build would get, prints a line, and
/// waits for the end of its input.
const MOUNT: &str = "mount -t tmpfs none /tmp && mount -t tmpfs none /tmp && echo mounted && read end";

/// The other activity, which ends when this is dropped.
#[derive(Default)]
pub(super) struct HostLoad {
    mounts: Option<Child>,
    stop: Arc<AtomicBool>,
    busy: Option<JoinHandle<()>>,
}

impl HostLoad {
    /// Mounts other file systems in separate namespaces. The error is the reason why that is impossible.
    pub(super) fn mount(&mut self) -> Result<(), String> {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", MOUNT]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("`unshare` cannot be started: {error}"))?;
        let child = self.mounts.insert(child);
        let mut output = [0; 1];
        let read = child.stdout.as_mut().map(|stdout| stdout.read(&mut output));
        match read {
            Some(Ok(1)) => Ok(()),
            _ => Err("this user may not mount a file system in memory".to_owned()),
        }
    }

    /// Keeps a processor busy at the lowest priority: a build on the same processor gets other time slices.
    pub(super) fn keep_busy(&mut self) {
        let stop = Arc::clone(&self.stop);
        self.busy = Some(std::thread::spawn(move || {
            let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 19);
            while !stop.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        }));
    }
}

impl Drop for HostLoad {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(busy) = self.busy.take() {
            // The thread cannot panic.
            let _ = busy.join();
        }
        if let Some(mut child) = self.mounts.take() {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

/// Restricts the calling thread, and the processes that it starts, to one processor until dropped.
pub(super) struct OneProcessor(CpuSet);

impl OneProcessor {
    /// Restricts it to the last processor. The error is the reason why that is impossible.
    pub(super) fn take() -> Result<Self, String> {
        let before = sched_getaffinity(None).map_err(|error| error.to_string())?;
        let last = (0..CpuSet::MAX_CPU).rev().find(|at| before.is_set(*at));
        let Some(last) = last.filter(|_| before.count() > 1) else {
            return Err("there is one processor only".to_owned());
        };
        let mut one = CpuSet::new();
        one.set(last);
        sched_setaffinity(None, &one).map_err(|error| error.to_string())?;
        Ok(Self(before))
    }
}

impl Drop for OneProcessor {
    fn drop(&mut self) {
        // The former set is still valid.
        let _ = sched_setaffinity(None, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_processor_is_taken_and_given_back() {
        let count = || sched_getaffinity(None).unwrap().count();
        let before = count();
        let Ok(one) = OneProcessor::take() else {
            assert_eq!(before, 1);
            return;
        };
        assert_eq!(count(), 1);
        let seen = Command::new("nproc").env_clear().output().unwrap();
        assert_eq!(seen.stdout, b"1\n");
        drop(one);
        assert_eq!(count(), before);
    }

    #[test]
    fn programs_of_the_host_end_with_the_build() {
        let mut load = HostLoad::default();
        load.keep_busy();
        if load.mount().is_ok() {
            let child = load.mounts.as_ref().unwrap().id();
            let mounts = std::fs::read_to_string(format!("/proc/{child}/mounts")).unwrap();
            assert!(mounts.lines().filter(|line| line.contains(" /tmp tmpfs ")).count() >= 2, "{mounts}");
        }
        drop(load);
    }
}
