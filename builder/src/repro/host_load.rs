//! What else the host does while a build runs, and what a build sees of it: other mounts, other work, fewer processors.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Mounts two file systems in memory, which take the numbers that those of the build would have, says so, and waits for
/// the end of its input.
const MOUNT: &str = "mount -t tmpfs none /tmp && mount -t tmpfs none /tmp && echo mounted && read end";

/// Other programs of the host. They end when this is dropped.
#[derive(Default)]
pub(super) struct HostLoad {
    mounts: Option<Child>,
    stop: Arc<AtomicBool>,
    work: Option<JoinHandle<()>>,
}

impl HostLoad {
    /// Mounts other file systems, in namespaces of their own. Gives why that cannot be.
    pub(super) fn mount(&mut self) -> Result<(), String> {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", MOUNT]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("`unshare` cannot be started: {error}"))?;
        let child = self.mounts.insert(child);
        let mut said = [0; 1];
        let read = child.stdout.as_mut().map(|stdout| stdout.read(&mut said));
        match read {
            Some(Ok(1)) => Ok(()),
            _ => Err("this user may not mount a file system in memory".to_owned()),
        }
    }

    /// Keeps a processor busy, with the lowest priority: a build on the same one goes on, in other slices of time.
    pub(super) fn work(&mut self) {
        let stop = Arc::clone(&self.stop);
        self.work = Some(std::thread::spawn(move || {
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
        if let Some(work) = self.work.take() {
            // It cannot fail: it does nothing.
            let _ = work.join();
        }
        if let Some(mut child) = self.mounts.take() {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

/// The calling thread on one processor, so that what it starts has no other; as it was when dropped.
pub(super) struct OneProcessor(CpuSet);

impl OneProcessor {
    /// Gives up all processors but the last one. Gives why that cannot be.
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
        // What was possible before is still.
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
        load.work();
        if load.mount().is_ok() {
            let child = load.mounts.as_ref().unwrap().id();
            let mounts = std::fs::read_to_string(format!("/proc/{child}/mounts")).unwrap();
            assert!(mounts.lines().filter(|line| line.contains(" /tmp tmpfs ")).count() >= 2, "{mounts}");
        }
        drop(load);
    }
}
