//! The outer half: starts the inner one, maps its ids, sends it the job and the contents of files, and receives its
//! messages until the job is done. Dropped early, it ends the sandbox.

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

use super::capture::Capture;
use super::changes::Changes;
use super::ids::{Ids, forbidden};
use super::log::Log;
use super::message::{Message, StepEnd};
use super::protocol::{SentNodes, encode_job, encode_tree};
use super::terminal::{self, RawTerminal};
use super::wire::{Channel, WireWriter, protocol_error};
use super::writer::FileWriters;
use super::{
    CapturedFiles, CommandEnd, Launcher, Limit, OnFailure, OutputTail, SandboxError, SandboxJob, SandboxStep,
};

/// How often cancellation is checked while no message arrives.
const TICK: Duration = Duration::from_millis(100);

/// How long the sandbox may take to end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// A running sandbox.
pub(super) struct Outer<'a> {
    child: Child,
    channel: Channel,
    log: Log,
    job: &'a SandboxJob,
    monitor: Monitor<'a>,
}

impl<'a> Outer<'a> {
    /// Starts the inner half, which enters its namespaces.
    pub(super) fn start(
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
        // Until it is dropped, the command keeps the other ends of the socket and the pipe open.
        drop(command);
        let log = Log::follow(reader).map_err(launch)?;
        let outer = Self { child, channel: Channel(ours), log, job, monitor };
        outer.map_ids(ids)?;
        Ok(outer)
    }

    fn map_ids(&self, ids: &Ids) -> Result<(), SandboxError> {
        if *ids == Ids::Unmapped {
            return self.send(b"plain");
        }
        self.send(b"mapped")?;
        match self.recv()? {
            Message::Unshared => {}
            _ => return Err(unexpected_message()),
        }
        ids.map(self.child.id())?;
        self.send(b"mapped")
    }

    /// Sends the job and the tree, and writes the contents of the files.
    pub(super) fn send_tree(&self, ids: &Ids, tree: &Tree, blobs: &Blobs) -> Result<SentNodes, SandboxError> {
        let mut request = WireWriter::default();
        request.u8(u8::from(*ids != Ids::Unmapped));
        encode_job(self.job, &mut request);
        let sent = encode_tree(tree, &mut request)?;
        match self.job.on_failure {
            OnFailure::Stop => self.send(&request.0)?,
            OnFailure::Shell => {
                let done = self.channel.send_with(&request.0, &terminal::standard_files()?);
                done.map_err(|error| self.disconnected(error))?;
            }
        }
        drop(request);
        let sending = Mutex::new(());
        let filled = || {
            let _one = sending.lock().unwrap_or_else(PoisonError::into_inner);
            self.channel.send(b"filled")
        };
        let content =
            |source| SandboxError::Content { what: "copying files into the sandbox".to_owned(), source };
        std::thread::scope(|scope| {
            let writers = FileWriters::start(scope, tree, blobs, self.monitor, &filled);
            let received = self.receive_files(&writers, &sent);
            let filled = writers.finish().map_err(content);
            // A file that cannot be written is the cause of the error that the inner half reports then.
            match received {
                _ if self.monitor.cancel.is_cancelled() => Err(SandboxError::Interrupted),
                received => filled.and(received),
            }
        })?;
        self.send(b"all filled")?;
        Ok(sent)
    }

    fn receive_files(&self, writers: &FileWriters<'_>, sent: &SentNodes) -> Result<(), SandboxError> {
        loop {
            match self.recv()? {
                Message::FilesToWrite(nodes) => {
                    let files = self.channel.receive_files().map_err(|error| self.disconnected(error))?;
                    let ids = nodes.iter().map(|node| sent.nodes.get(*node as usize).copied());
                    let batch: Option<Vec<_>> = ids.zip(files).map(|(id, file)| Some((id?, file))).collect();
                    let batch =
                        batch.filter(|batch| batch.len() == nodes.len()).ok_or_else(unexpected_message)?;
                    writers.push(batch).map_err(|error| self.disconnected(error))?;
                }
                Message::TreeWritten => return Ok(()),
                _ => return Err(unexpected_message()),
            }
        }
    }

    /// Reports the steps while they run. Returns the names of the tree afterwards.
    pub(super) fn run_steps(&mut self) -> Result<Changes, SandboxError> {
        let mut raw = None;
        loop {
            match self.recv()? {
                Message::StepStarted(step) => {
                    self.monitor.progress.begin(&format!("running {}", self.step(step)?.name), None);
                }
                Message::StepEnded { end: StepEnd::Status(0), .. } => {}
                Message::ShellOpened { step, end } if self.job.on_failure == OnFailure::Shell => {
                    let why = step_error(self.step(step)?, end, self.job, self.log.so_far());
                    self.monitor.progress.end();
                    self.monitor.progress.message(&format!(
                        "{why}\nthis is a shell in the state that it left; `exit` ends it, and the build"
                    ));
                    raw = RawTerminal::begin();
                    let term = raw.as_ref().map(|_| RawTerminal::term()).unwrap_or_default();
                    self.send(term.as_bytes())?;
                }
                Message::StepEnded { step, end } => {
                    drop(raw);
                    let log = self.finish();
                    return Err(step_error(self.step(step)?, end, self.job, log));
                }
                Message::Changes(bytes) => {
                    return super::changes::decode(&bytes).map_err(|error| self.disconnected(error));
                }
                _ => return Err(unexpected_message()),
            }
        }
    }

    /// Reads the contents of changed files. Returns the end of the output.
    pub(super) fn capture_files(
        &mut self,
        capture: &mut Capture<'_>,
        blobs: &Blobs,
        files: &mut CapturedFiles,
    ) -> Result<OutputTail, SandboxError> {
        let content = |source| SandboxError::Content {
            what: "capturing the files that were written in the sandbox".to_owned(),
            source,
        };
        loop {
            match self.recv()? {
                Message::FilesToRead(names) => {
                    let opened = self.channel.receive_files().map_err(|error| self.disconnected(error))?;
                    if opened.len() != names.len() {
                        return Err(unexpected_message());
                    }
                    for (name, file) in names.into_iter().zip(opened) {
                        let read = capture.read(name, &File::from(file), blobs, files, self.monitor);
                        read.map_err(|error| match error {
                            _ if self.monitor.cancel.is_cancelled() => SandboxError::Interrupted,
                            error => content(error),
                        })?;
                    }
                    self.send(b"read")?;
                }
                Message::Done => return Ok(self.finish()),
                _ => return Err(unexpected_message()),
            }
        }
    }

    fn step(&self, number: u32) -> Result<&'a SandboxStep, SandboxError> {
        self.job.steps.get(number as usize).ok_or_else(unexpected_message)
    }

    fn send(&self, bytes: &[u8]) -> Result<(), SandboxError> {
        self.channel.send(bytes).map_err(|error| self.disconnected(error))
    }

    fn recv(&self) -> Result<Message, SandboxError> {
        // Messages may follow each other without a pause in which the socket would time out.
        if self.monitor.cancel.is_cancelled() {
            return Err(SandboxError::Interrupted);
        }
        let bytes = self
            .channel
            .receive(&|| !self.monitor.cancel.is_cancelled())
            .map_err(|error| self.disconnected(error))?;
        match Message::decode(&bytes).map_err(|error| self.disconnected(error))? {
            Message::Failed { entering: true, what, errno } => {
                Err(forbidden(&what, &io::Error::from_raw_os_error(errno)))
            }
            Message::Failed { entering: false, what, errno } if errno == libc::ENOSPC => {
                Err(SandboxError::Full { what, limit: self.job.limits.disk })
            }
            Message::Failed { entering: false, what, errno } => {
                Err(SandboxError::Inside { what, source: io::Error::from_raw_os_error(errno) })
            }
            message => Ok(message),
        }
    }

    /// The error for a failure of the socket.
    fn disconnected(&self, error: impl Into<io::Error>) -> SandboxError {
        if self.monitor.cancel.is_cancelled() {
            return SandboxError::Interrupted;
        }
        SandboxError::Died { how: error.into().to_string() }
    }

    /// Ends the sandbox if it still runs. Returns the end of the output.
    fn finish(&mut self) -> OutputTail {
        let _ = self.channel.0.shutdown(std::net::Shutdown::Both);
        let grace = if self.monitor.cancel.is_cancelled() { Duration::ZERO } else { GRACE };
        let deadline = Instant::now() + grace;
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() >= deadline {
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

fn unexpected_message() -> SandboxError {
    SandboxError::Died { how: protocol_error().to_string() }
}

fn step_error(step: &SandboxStep, end: StepEnd, job: &SandboxJob, tail: OutputTail) -> SandboxError {
    let (name, command) = (step.name.clone(), step.command());
    let limits = &job.limits;
    let (which, limit) = match end {
        StepEnd::Status(status) => {
            return SandboxError::Step { name, command, ended: CommandEnd::Status(status), tail };
        }
        StepEnd::Signal(signal) => {
            return SandboxError::Step { name, command, ended: CommandEnd::Signal(signal), tail };
        }
        StepEnd::NotStarted(reason) => return SandboxError::Start { name, command, reason },
        StepEnd::TimeLimit => (Limit::Time, limits.time.as_secs()),
        StepEnd::MemoryLimit => (Limit::Memory, limits.memory),
        StepEnd::DiskFull => (Limit::Disk, limits.disk),
        StepEnd::ProcessLimit => (Limit::Processes, limits.processes.into()),
    };
    SandboxError::Limit { name, command, which, limit, tail }
}
