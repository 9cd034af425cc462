//! The inner half: this program, started again, with one thread. It enters new namespaces, becomes the first process of a
//! PID namespace, writes the tree into memory, runs the commands in order and sends the changed tree. When it ends, for
//! whatever reason, the kernel ends all processes beside it and frees the files.
//!
//! Two things end it with the outer half: the signal of the parent's death, and the end of the socket, which it polls
//! while commands run.

#[cfg(target_arch = "x86_64")]
mod attributes;
#[cfg(target_arch = "x86_64")]
mod clock_emulator;
mod confine;
mod error;
mod fs;
mod kernel;
mod mounts;
mod populate;
mod proc;
mod scan;
mod seccomp;
mod shell;
mod step_changes;
mod steps;
mod supervisor;
#[cfg(target_arch = "x86_64")]
mod tracer;
mod transfer;
mod usage;
#[cfg(target_arch = "x86_64")]
mod waits;
mod walk;

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use rustix::process::{DumpableBehavior, Signal, WaitOptions};
use rustix::thread::UnshareFlags;

use super::message::Message;
use super::protocol::decode_job;
use super::sys::{self, ForkSide};
use super::wire::{Channel, WireReader, protocol_error};
use error::{During as _, InnerError};
use transfer::{recv, send};

/// Runs the inner half of a sandbox, which is what the hidden subcommand [`super::SUBCOMMAND`] does. Must be called before
/// the program starts a second thread; the job comes over standard input, which is a socket.
pub fn enter() -> ExitCode {
    let Ok(socket) = rustix::io::fcntl_dupfd_cloexec(std::io::stdin().as_fd(), 3) else {
        return ExitCode::FAILURE;
    };
    // The socket must end with the first process of the sandbox, so no other process may have it open.
    if rustix::stdio::dup2_stdin(std::io::stdout()).is_err() {
        return ExitCode::FAILURE;
    }
    let channel = Channel(UnixStream::from(socket));
    match enter_namespaces(&channel) {
        Ok(Role::Parent(init)) => {
            drop(channel);
            wait_for_init(init)
        }
        Ok(Role::Init) => match run_job(&channel) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => send_error(&channel, error),
        },
        Err(error) => send_error(&channel, error),
    }
}

fn send_error(channel: &Channel, error: InnerError) -> ExitCode {
    let InnerError { entering, what, errno } = error;
    // If it cannot be sent, the outer half sees the end of the socket.
    let _ = channel.send(&Message::Failed { entering, what, errno }.encode());
    ExitCode::FAILURE
}

enum Role {
    /// The parent of the first process, for which it waits.
    Parent(rustix::process::Pid),
    /// The first process of the sandbox.
    Init,
}

/// Enters the namespaces; the child is the first process of the PID namespace.
fn enter_namespaces(channel: &Channel) -> Result<Role, InnerError> {
    die_with_parent()?;
    let hello = recv(channel)?;
    if hello.as_slice() == b"mapped" {
        sys::unshare(UnshareFlags::NEWUSER).entering("making a user namespace")?;
        send(channel, &Message::Unshared)?;
        if recv(channel)?.as_slice() != b"mapped" {
            return Err(protocol_error()).during(|| "waiting for ids".to_owned());
        }
    }
    become_root()?;
    // A change of ids clears it (prctl(2), PR_SET_PDEATHSIG).
    die_with_parent()?;
    let spaces = UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWCGROUP;
    sys::unshare(spaces).entering("making namespaces")?;
    match sys::fork().entering("starting the first process")? {
        ForkSide::Parent(init) => Ok(Role::Parent(init)),
        ForkSide::Child => Ok(Role::Init),
    }
}

/// Runs the job as the first process of the sandbox, from the mounts to the last captured file.
fn run_job(channel: &Channel) -> Result<(), InnerError> {
    die_with_parent()?;
    // Commands have fewer capabilities than this process, so they cannot read its memory; this is a second barrier.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).entering("hiding memory")?;
    rustix::system::sethostname(b"localhost").entering("naming the host")?;
    rustix::system::setdomainname(b"(none)").entering("naming the domain")?;
    sys::loopback_up().entering("turning on the loopback device")?;
    sys::mark_urandom_seeded().entering("making a segment of shared memory")?;
    let request = recv(channel)?;
    let mut request = WireReader(&request);
    let what = || "reading the job".to_owned();
    let mapped = request.u8().during(what)? != 0;
    let job = decode_job(&mut request).during(what)?;
    let terminal: Vec<OwnedFd> = match job.on_failure {
        super::OnFailure::Shell => channel.receive_files().during(what)?,
        super::OnFailure::Stop => Vec::new(),
    };
    let mut mounts = mounts::enter(&job)?;
    let _ = rustix::stdio::dup2_stdin(&mounts.null);
    let written = populate::populate(channel, &mut request, &mounts)?;
    mounts.mount_over(mapped, &job.limits)?;
    let mut recorder = job.records_steps().then(|| step_changes::StepRecorder::new(&written));
    let outcome = steps::run(channel, &job, &mounts, &terminal, &mut recorder)?;
    if outcome == steps::Outcome::Succeeded {
        mounts.unmount_all()?;
        let steps = recorder.map(step_changes::StepRecorder::finish).unwrap_or_default();
        scan::scan(channel, &job.keep, &mounts, &written, &steps)?;
    }
    send(channel, &Message::Done)
}

fn die_with_parent() -> Result<(), InnerError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .entering("asking to end with this program")
}

/// Sets the ids of this process to root of the sandbox.
fn become_root() -> Result<(), InnerError> {
    let (uid, gid) = (rustix::process::Uid::ROOT, rustix::process::Gid::ROOT);
    rustix::thread::set_thread_groups(&[]).entering("dropping groups")?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).entering("becoming root of the sandbox")?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).entering("becoming root of the sandbox")
}

/// Waits until the first process of the sandbox has ended.
fn wait_for_init(init: rustix::process::Pid) -> ExitCode {
    loop {
        match rustix::process::waitpid(Some(init), WaitOptions::empty()) {
            Ok(Some((_, status))) if status.exit_status() == Some(0) => return ExitCode::SUCCESS,
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            _ => return ExitCode::FAILURE,
        }
    }
}
