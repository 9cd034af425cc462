//! The outer half: starts the inner one, gives it ids, the job and the contents of files, and listens until all is
//! told. Dropped early, it ends the sandbox.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use amiforge_formats::tree::Tree;
use amiforge_progress::Monitor;
use amiforge_store::blobs::Blobs;

use super::fill::Fillers;
use super::found::CapturedNames;
use super::gather::Gathering;
use super::handover::{self, Raw};
use super::ids::{Ids, forbidden};
use super::log::Log;
use super::orders::{PlantedNodes, encode_job, encode_tree};
use super::wire::{Channel, Said, StepEnd, WireWriter, garbled};
use super::{
    CommandEnd, Launcher, Limit, OnFailure, OutputTail, Pack, SandboxError, SandboxJob, SandboxStep,
};

/// How often it is asked whether to go on while nothing is heard.
const TICK: Duration = Duration::from_millis(100);

/// How long the sandbox may take to end when it is told to.
const GRACE: Duration = Duration::from_secs(5);

/// A sandbox that is being used.
pub(super) struct Outer<'a> {
    child: Child,
    channel: Channel,
    log: Log,
    job: &'a SandboxJob,
    monitor: Monitor<'a>,
}

impl<'a> Outer<'a> {
    /// Starts the inner half and lets it enter its namespaces.
    pub(super) fn enter(
        launcher: &Launcher,
        ids: &Ids,
        job: &'a SandboxJob,
        monitor: Monitor<'a>,
    ) -> Result<Self, SandboxError> {
        let launch =
            |source| SandboxError::Launch { program: launcher.program.display().to_string(), source };
        let (ours, theirs) = UnixStream::pair().map_err(launch)?;
        ours.set_read_timeout(Some(TICK)).map_err(launch)?;
        let (reader, writer) = io::pipe().map_err(launch)?;
        let mut command = Command::new(&launcher.program);
        command.args(&launcher.args).env_clear();
        command.stdin(Stdio::from(OwnedFd::from(theirs)));
        command.stdout(writer.try_clone().map_err(launch)?).stderr(writer);
        let child = command.spawn().map_err(launch)?;
        // The command holds its ends of the socket and the pipe until it is dropped.
        drop(command);
        let log = Log::follow(reader).map_err(launch)?;
        let outer = Self { child, channel: Channel(ours), log, job, monitor };
        outer.identify(ids)?;
        Ok(outer)
    }

    fn identify(&self, ids: &Ids) -> Result<(), SandboxError> {
        if *ids == Ids::Plain {
            return self.send(b"plain");
        }
        self.send(b"mapped")?;
        match self.hear()? {
            Said::Unshared => {}
            _ => return Err(confused()),
        }
        ids.give(self.child.id())?;
        self.send(b"mapped")
    }

    /// Hands over the job and the tree, and fills the tree's files.
    pub(super) fn plant(&self, ids: &Ids, tree: &Tree, blobs: &Blobs) -> Result<PlantedNodes, SandboxError> {
        let mut orders = WireWriter::default();
        orders.u8(u8::from(*ids != Ids::Plain));
        encode_job(self.job, &mut orders);
        let planted = encode_tree(tree, &mut orders)?;
        match self.job.on_failure {
            OnFailure::Stop => self.send(&orders.0)?,
            OnFailure::Shell => {
                let sent = self.channel.send_with(&orders.0, &handover::files()?);
                sent.map_err(|error| self.lost(error))?;
            }
        }
        drop(orders);
        let sending = Mutex::new(());
        let filled = || {
            let _one = sending.lock().unwrap_or_else(PoisonError::into_inner);
            self.channel.send(b"filled")
        };
        let content =
            |source| SandboxError::Content { what: "copying files into the sandbox".to_owned(), source };
        std::thread::scope(|scope| {
            let fillers = Fillers::start(scope, tree, blobs, self.monitor, &filled);
            let heard = self.hand_out(&fillers, &planted);
            let filled = fillers.finish().map_err(content);
            // A file that cannot be filled is the reason for what the inner half says then, not the other way round.
            match heard {
                _ if self.monitor.cancel.is_cancelled() => Err(SandboxError::Interrupted),
                heard => filled.and(heard),
            }
        })?;
        self.send(b"all filled")?;
        Ok(planted)
    }

    fn hand_out(&self, fillers: &Fillers<'_>, planted: &PlantedNodes) -> Result<(), SandboxError> {
        loop {
            match self.hear()? {
                Said::Fill(nodes) => {
                    let files = self.channel.receive_files().map_err(|error| self.lost(error))?;
                    let ids = nodes.iter().map(|node| planted.nodes.get(*node as usize).copied());
                    let batch: Option<Vec<_>> = ids.zip(files).map(|(id, file)| Some((id?, file))).collect();
                    let batch = batch.filter(|batch| batch.len() == nodes.len()).ok_or_else(confused)?;
                    fillers.push(batch).map_err(|error| self.lost(error))?;
                }
                Said::Planted => return Ok(()),
                _ => return Err(confused()),
            }
        }
    }

    /// Follows the commands; the names that the tree has afterwards.
    pub(super) fn follow(&mut self) -> Result<CapturedNames, SandboxError> {
        let mut raw = None;
        loop {
            match self.hear()? {
                Said::Begins(step) => {
                    self.monitor.progress.begin(&format!("running {}", self.step(step)?.name), None);
                }
                Said::Ended { how: StepEnd::Status(0), .. } => {}
                Said::Shell { step, how } if self.job.on_failure == OnFailure::Shell => {
                    let why = failed(self.step(step)?, how, self.job, self.log.so_far());
                    self.monitor.progress.end();
                    self.monitor.progress.message(&format!(
                        "{why}\nthis is a shell in the state that it left; `exit` ends it, and the build"
                    ));
                    raw = Raw::begin();
                    let term = raw.as_ref().map(|_| Raw::kind()).unwrap_or_default();
                    self.send(term.as_bytes())?;
                }
                Said::Ended { step, how } => {
                    drop(raw);
                    let log = self.finish();
                    return Err(failed(self.step(step)?, how, self.job, log));
                }
                Said::Found(bytes) => return super::found::decode(&bytes).map_err(|error| self.lost(error)),
                _ => return Err(confused()),
            }
        }
    }

    /// Reads the contents of what changed.
    pub(super) fn gather(
        &mut self,
        gathering: &mut Gathering<'_>,
        blobs: &Blobs,
        pack: &mut Pack,
    ) -> Result<OutputTail, SandboxError> {
        let content = |source| SandboxError::Content {
            what: "taking over what was written in the sandbox".to_owned(),
            source,
        };
        loop {
            match self.hear()? {
                Said::Read(names) => {
                    let files = self.channel.receive_files().map_err(|error| self.lost(error))?;
                    if files.len() != names.len() {
                        return Err(confused());
                    }
                    for (name, file) in names.into_iter().zip(files) {
                        let read = gathering.read(name, &File::from(file), blobs, pack, self.monitor);
                        read.map_err(|error| match error {
                            _ if self.monitor.cancel.is_cancelled() => SandboxError::Interrupted,
                            error => content(error),
                        })?;
                    }
                    self.send(b"read")?;
                }
                Said::Done => return Ok(self.finish()),
                _ => return Err(confused()),
            }
        }
    }

    fn step(&self, number: u32) -> Result<&'a SandboxStep, SandboxError> {
        self.job.steps.get(number as usize).ok_or_else(confused)
    }

    fn send(&self, bytes: &[u8]) -> Result<(), SandboxError> {
        self.channel.send(bytes).map_err(|error| self.lost(error))
    }

    fn hear(&self) -> Result<Said, SandboxError> {
        // Messages may follow each other without a pause in which the socket would ask.
        if self.monitor.cancel.is_cancelled() {
            return Err(SandboxError::Interrupted);
        }
        let bytes = self
            .channel
            .receive(&|| !self.monitor.cancel.is_cancelled())
            .map_err(|error| self.lost(error))?;
        match Said::decode(&bytes).map_err(|error| self.lost(error))? {
            Said::Failed { entering: true, what, errno } => {
                Err(forbidden(&what, &io::Error::from_raw_os_error(errno)))
            }
            Said::Failed { entering: false, what, errno } if errno == libc::ENOSPC => {
                Err(SandboxError::Full { what, limit: self.job.limits.disk })
            }
            Said::Failed { entering: false, what, errno } => {
                Err(SandboxError::Inside { what, source: io::Error::from_raw_os_error(errno) })
            }
            said => Ok(said),
        }
    }

    /// Why the socket gave an error.
    fn lost(&self, error: impl Into<io::Error>) -> SandboxError {
        if self.monitor.cancel.is_cancelled() {
            return SandboxError::Interrupted;
        }
        SandboxError::Died { how: error.into().to_string() }
    }

    /// Ends the sandbox if it still runs; gives the last of what was written in it.
    fn finish(&mut self) -> OutputTail {
        let _ = self.channel.0.shutdown(std::net::Shutdown::Both);
        let grace = if self.monitor.cancel.is_cancelled() { Duration::ZERO } else { GRACE };
        let end = Instant::now() + grace;
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() >= end {
                let _ = self.child.kill();
                let _ = self.child.wait();
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.log.finish()
    }
}

impl Drop for Outer<'_> {
    fn drop(&mut self) {
        self.finish();
    }
}

fn confused() -> SandboxError {
    SandboxError::Died { how: garbled().to_string() }
}

fn failed(step: &SandboxStep, how: StepEnd, job: &SandboxJob, tail: OutputTail) -> SandboxError {
    let (name, command) = (step.name.clone(), step.command());
    let limits = &job.limits;
    let (which, limit) = match how {
        StepEnd::Status(status) => {
            return SandboxError::Step { name, command, ended: CommandEnd::Status(status), tail };
        }
        StepEnd::Signal(signal) => {
            return SandboxError::Step { name, command, ended: CommandEnd::Signal(signal), tail };
        }
        StepEnd::NotStarted(reason) => return SandboxError::Start { name, command, reason },
        StepEnd::TooLong => (Limit::Time, limits.time.as_secs()),
        StepEnd::TooMuchMemory => (Limit::Memory, limits.memory),
        StepEnd::DiskFull => (Limit::Disk, limits.disk),
        StepEnd::TooMany => (Limit::Processes, limits.processes.into()),
    };
    SandboxError::Limit { name, command, which, limit, tail }
}
