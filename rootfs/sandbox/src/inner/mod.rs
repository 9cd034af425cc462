//! The inside of the sandbox. Our own program, started again, with one thread: it goes into new namespaces, becomes
//! the first process of a PID namespace, writes the tree into memory, runs the commands one by one and tells what
//! the tree is then. When it ends, for whatever reason, the kernel ends all that runs beside it and drops the files.
//!
//! Two things end it with the outer half: the signal of a parent's death, and the end of the socket, which it looks
//! at while commands run.

#[cfg(target_arch = "x86_64")]
mod attributes;
#[cfg(target_arch = "x86_64")]
mod clock_emulator;
mod confine;
mod kernel;
mod mounts;
mod populate;
mod proc;
mod scan;
mod seccomp;
mod shell;
mod steps;
#[cfg(target_arch = "x86_64")]
mod tracer;
mod usage;
#[cfg(target_arch = "x86_64")]
mod waits;

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use rustix::process::{DumpableBehavior, Signal, WaitOptions};
use rustix::thread::UnshareFlags;

use super::message::Message;
use super::protocol::decode_job;
use super::sys::{self, ForkSide};
use super::wire::{Channel, WireReader, protocol_error};

/// Why the inner half cannot go on.
#[derive(Debug)]
struct InnerError {
    /// Whether the sandbox was still being made.
    entering: bool,
    what: String,
    errno: i32,
}

/// Names what was being done when an error came.
trait During<T> {
    /// While the sandbox was made: the system may not allow it.
    fn entering(self, what: &str) -> Result<T, InnerError>;
    /// Later.
    fn during(self, what: impl FnOnce() -> String) -> Result<T, InnerError>;
}

impl<T, E: Into<io::Error>> During<T> for Result<T, E> {
    fn entering(self, what: &str) -> Result<T, InnerError> {
        self.map_err(|error| InnerError { entering: true, what: what.to_owned(), errno: number(error) })
    }

    fn during(self, what: impl FnOnce() -> String) -> Result<T, InnerError> {
        self.map_err(|error| InnerError { entering: false, what: what(), errno: number(error) })
    }
}

fn number(error: impl Into<io::Error>) -> i32 {
    error.into().raw_os_error().unwrap_or(libc::EPROTO)
}

/// What the hidden subcommand [`super::SUBCOMMAND`] does: the inside of a sandbox. To be called first of all, while
/// the program has one thread only; the job comes over standard input, which is a socket.
pub fn enter() -> ExitCode {
    let Ok(socket) = rustix::io::fcntl_dupfd_cloexec(std::io::stdin().as_fd(), 3) else {
        return ExitCode::FAILURE;
    };
    // The socket must end when the first process of the sandbox does, so only that may hold it.
    if rustix::stdio::dup2_stdin(std::io::stdout()).is_err() {
        return ExitCode::FAILURE;
    }
    let channel = Channel(UnixStream::from(socket));
    match outside(&channel) {
        Ok(Role::Guardian(init)) => {
            drop(channel);
            guard(init)
        }
        Ok(Role::Init) => match inside(&channel) {
            Ok(()) => ExitCode::SUCCESS,
            Err(fault) => tell(&channel, fault),
        },
        Err(fault) => tell(&channel, fault),
    }
}

fn tell(channel: &Channel, fault: InnerError) -> ExitCode {
    let InnerError { entering, what, errno } = fault;
    // If it cannot be told, the outer half sees the socket end.
    let _ = channel.send(&Message::Failed { entering, what, errno }.encode());
    ExitCode::FAILURE
}

enum Role {
    /// Waits for the first process of the sandbox.
    Guardian(rustix::process::Pid),
    /// Is it.
    Init,
}

/// Goes into the namespaces; the PID namespace begins with the child.
fn outside(channel: &Channel) -> Result<Role, InnerError> {
    die_with_parent()?;
    let hello = receive(channel)?;
    if hello.as_slice() == b"mapped" {
        sys::unshare(UnshareFlags::NEWUSER).entering("making a user namespace")?;
        say(channel, &Message::Unshared)?;
        if receive(channel)?.as_slice() != b"mapped" {
            return Err(protocol_error()).during(|| "waiting for ids".to_owned());
        }
    }
    become_root()?;
    // Changing ids forgets it.
    die_with_parent()?;
    let spaces = UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWCGROUP;
    sys::unshare(spaces).entering("making namespaces")?;
    match sys::fork().entering("starting the first process")? {
        ForkSide::Parent(init) => Ok(Role::Guardian(init)),
        ForkSide::Child => Ok(Role::Init),
    }
}

/// The first process of the sandbox, from the mounts to the last file that is read back.
fn inside(channel: &Channel) -> Result<(), InnerError> {
    die_with_parent()?;
    // The commands have fewer capabilities than this process, so they cannot look into it; this makes it sure.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).entering("hiding memory")?;
    rustix::system::sethostname(b"localhost").entering("naming the host")?;
    rustix::system::setdomainname(b"(none)").entering("naming the domain")?;
    sys::loopback_up().entering("turning on the loopback device")?;
    sys::mark_urandom_seeded().entering("making a segment of shared memory")?;
    let orders = receive(channel)?;
    let mut orders = WireReader(&orders);
    let unwell = || "reading the job".to_owned();
    let mapped = orders.u8().during(unwell)? != 0;
    let job = decode_job(&mut orders).during(unwell)?;
    let terminal: Vec<OwnedFd> = match job.on_failure {
        super::OnFailure::Shell => channel.receive_files().during(unwell)?,
        super::OnFailure::Stop => Vec::new(),
    };
    let mut mounts = mounts::enter(&job)?;
    let _ = rustix::stdio::dup2_stdin(&mounts.nothing);
    let planted = populate::plant(channel, &mut orders, &mounts)?;
    mounts.cover(mapped, &job.limits)?;
    let ended = steps::run(channel, &job, &mounts, &terminal)?;
    if ended == steps::Outcome::Well {
        mounts.uncover()?;
        scan::survey(channel, &job.keep, &mounts, &planted)?;
    }
    say(channel, &Message::Done)
}

fn die_with_parent() -> Result<(), InnerError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .entering("asking to end with this program")
}

/// Takes the ids of the sandbox's root.
fn become_root() -> Result<(), InnerError> {
    let (uid, gid) = (rustix::process::Uid::ROOT, rustix::process::Gid::ROOT);
    rustix::thread::set_thread_groups(&[]).entering("dropping groups")?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).entering("becoming root of the sandbox")?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).entering("becoming root of the sandbox")
}

/// Waits until the sandbox is no more.
fn guard(init: rustix::process::Pid) -> ExitCode {
    loop {
        match rustix::process::waitpid(Some(init), WaitOptions::empty()) {
            Ok(Some((_, status))) if status.exit_status() == Some(0) => return ExitCode::SUCCESS,
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            _ => return ExitCode::FAILURE,
        }
    }
}

fn receive(channel: &Channel) -> Result<Vec<u8>, InnerError> {
    channel.receive(&|| true).during(|| "listening to the outer half".to_owned())
}

fn say(channel: &Channel, what: &Message) -> Result<(), InnerError> {
    channel.send(&what.encode()).during(|| "telling the outer half".to_owned())
}

/// Sends batches of open files, of which the outer half acknowledges each.
struct FileBatches<'a> {
    channel: &'a Channel,
    numbers: Vec<u32>,
    files: Vec<OwnedFd>,
    unacknowledged: usize,
    say: fn(Vec<u32>) -> Message,
}

impl<'a> FileBatches<'a> {
    fn new(channel: &'a Channel, say: fn(Vec<u32>) -> Message) -> Self {
        Self { channel, numbers: Vec::new(), files: Vec::new(), unacknowledged: 0, say }
    }

    fn push(&mut self, number: u32, file: OwnedFd) -> Result<(), InnerError> {
        self.numbers.push(number);
        self.files.push(file);
        if self.files.len() == super::wire::BATCH { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> Result<(), InnerError> {
        if self.files.is_empty() {
            return Ok(());
        }
        while self.unacknowledged >= super::wire::UNACKNOWLEDGED_MAX {
            self.acknowledged()?;
        }
        let said = (self.say)(std::mem::take(&mut self.numbers)).encode();
        let sent = self.channel.send_with(&said, &self.files);
        sent.during(|| "handing over open files".to_owned())?;
        self.files.clear();
        self.unacknowledged += 1;
        Ok(())
    }

    fn acknowledged(&mut self) -> Result<(), InnerError> {
        receive(self.channel)?;
        self.unacknowledged -= 1;
        Ok(())
    }

    /// Sends the last and waits until all are done with.
    fn finish(mut self) -> Result<(), InnerError> {
        self.send()?;
        while self.unacknowledged > 0 {
            self.acknowledged()?;
        }
        Ok(())
    }
}
