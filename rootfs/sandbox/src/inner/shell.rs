//! A shell in the state that a failed command left. It runs on a terminal of the sandbox, relayed to and from the user's,
//! so that it has job control and Ctrl-C, and no process in it has the user's terminal open. Its output is filtered as a
//! guest's console is: it may use the screen, but no sequence may change settings of the user's terminal or make it
//! answer.
//!
//! `pty(7)`, `ioctl_tty(2)`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Command, Stdio};

use amiforge_formats::terminal::{Allow, TerminalFilter};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};
use rustix::pty::OpenptFlags;

use super::super::{SandboxJob, SandboxStep};
use super::error::{During, InnerError};
use super::supervisor::{CommandSession, Supervisor, TICK, reap, spawn};
use super::transfer::recv;

/// Bytes that are relayed at a time.
const BYTES: usize = 4096;

/// Waits for the answer of the outer half, runs a shell with the environment of a step, and waits until it has ended.
pub(super) fn open(
    supervisor: &Supervisor<'_>,
    job: &SandboxJob,
    step: &SandboxStep,
    terminal: &[OwnedFd],
) -> Result<(), InnerError> {
    let [input, output, errors] = terminal else { return Ok(()) };
    let term = String::from_utf8(recv(supervisor.channel)?).ok().filter(|term| !term.is_empty());
    let relay = term.as_ref().map(|_| Relay::begin(input, output)).transpose();
    let relay = relay.during(|| "making a terminal".to_owned())?;
    let standard = match &relay {
        Some(relay) => [&relay.theirs, &relay.theirs, &relay.theirs],
        None => [input, output, errors],
    };
    let own = |file: &OwnedFd| file.try_clone().map(Stdio::from).during(|| "starting a shell".to_owned());
    let bash = Path::new("/bin/bash");
    let mut command = Command::new(if bash.exists() { bash } else { Path::new("/bin/sh") });
    command.arg("-i").stdin(own(standard[0])?).stdout(own(standard[1])?).stderr(own(standard[2])?);
    // Not traced: the result of the shell is not captured, so it may see the real time and machine.
    match spawn(command, job, step, supervisor.mounts, None, &CommandSession::Interactive { term }) {
        Err(error) => {
            let message = format!("there is no shell in this state: {error}\r\n");
            let _ = rustix::io::write(errors, message.as_bytes());
            Ok(())
        }
        Ok(child) => match relay {
            Some(relay) => relay.run(supervisor, child),
            None => wait(supervisor, child),
        },
    }
}

/// Waits for a shell that runs on the user's standard files.
fn wait(supervisor: &Supervisor<'_>, child: Pid) -> Result<(), InnerError> {
    let ended = rustix::process::pidfd_open(child, PidfdFlags::empty());
    let ended = ended.during(|| "watching a shell".to_owned())?;
    while reap(child)?.is_none() {
        supervisor.wait(ended.as_fd())?;
    }
    Ok(())
}

/// Relays input to the terminal of the shell, and its output back.
struct Relay<'a> {
    input: &'a OwnedFd,
    output: &'a OwnedFd,
    /// The manager side of the terminal.
    ours: OwnedFd,
    /// The side of the shell; `pty(7)`.
    theirs: OwnedFd,
}

impl<'a> Relay<'a> {
    fn begin(input: &'a OwnedFd, output: &'a OwnedFd) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let ours = rustix::fs::open("/dev/pts/ptmx", flags, Mode::empty())?;
        rustix::pty::unlockpt(&ours)?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let theirs = rustix::pty::ioctl_tiocgptpeer(&ours, flags)?;
        Ok(Self { input, output, ours, theirs })
    }

    fn run(self, supervisor: &Supervisor<'_>, child: Pid) -> Result<(), InnerError> {
        let Self { input, output, ours, theirs } = self;
        let what = || "relaying the terminal".to_owned();
        // Open in the shell only, so that the terminal closes with it.
        drop(theirs);
        let ended = rustix::process::pidfd_open(child, PidfdFlags::empty()).during(what)?;
        let mut typed = Vec::new();
        let mut filter = TerminalFilter::new(Allow::Screen);
        loop {
            copy_size(input, &ours);
            let ended_now = reap(child)?.is_some();
            relay_output(&ours, output, &mut filter).during(what)?;
            if ended_now {
                return write_all(output, filter.end().as_bytes()).during(what);
            }
            if !relay_input(&mut typed, &ours).during(what)? {
                // The shell does not read at the moment; it may have output to relay.
                supervisor.wait(ended.as_fd())?;
                continue;
            }
            let ready = PollFlags::IN;
            let mut all = [
                PollFd::new(input, ready),
                PollFd::new(&ours, ready),
                PollFd::new(&ended, ready),
                PollFd::new(&supervisor.channel.0, ready | PollFlags::RDHUP),
            ];
            let timeout = Timespec::try_from(TICK).unwrap_or_default();
            match rustix::event::poll(&mut all, Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error).during(what),
            }
            if !all[3].revents().is_empty() {
                return Err(Errno::PIPE).during(what);
            }
            // The end of the user's terminal ends the shell.
            if !all[0].revents().is_empty() && !read(input, &mut typed).during(what)? {
                return Ok(());
            }
        }
    }
}

/// Sets the size of the shell's terminal to that of the user's; the kernel signals a change to the programs there.
fn copy_size(user: &OwnedFd, ours: &OwnedFd) {
    let sizes = (rustix::termios::tcgetwinsize(user), rustix::termios::tcgetwinsize(ours));
    let (Ok(new), Ok(old)) = sizes else { return };
    if (new.ws_row, new.ws_col) != (old.ws_row, old.ws_col) {
        let _ = rustix::termios::tcsetwinsize(ours, new);
    }
}

/// Reads typed bytes; false at the end of the terminal.
fn read(input: &OwnedFd, into: &mut Vec<u8>) -> io::Result<bool> {
    let mut bytes = [0; BYTES];
    match rustix::io::read(input, &mut bytes) {
        Ok(0) | Err(Errno::IO) => Ok(false),
        Ok(got) => {
            into.extend_from_slice(&bytes[..got]);
            Ok(true)
        }
        Err(Errno::INTR | Errno::AGAIN) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Writes typed bytes to the shell; whether all were taken.
fn relay_input(typed: &mut Vec<u8>, ours: &OwnedFd) -> io::Result<bool> {
    while !typed.is_empty() {
        match rustix::io::write(ours, typed) {
            Ok(put) => drop(typed.drain(..put)),
            Err(Errno::AGAIN) => return Ok(false),
            Err(Errno::INTR) => {}
            // The other side is closed.
            Err(Errno::IO) => typed.clear(),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

/// Relays the output of the shell so far.
fn relay_output(ours: &OwnedFd, output: &OwnedFd, filter: &mut TerminalFilter) -> io::Result<()> {
    let mut bytes = [0; BYTES];
    loop {
        match rustix::io::read(ours, &mut bytes) {
            // EIO is the end: the other side is closed.
            Ok(0) | Err(Errno::AGAIN | Errno::IO) => return Ok(()),
            Ok(got) => write_all(output, filter.push(&bytes[..got]).as_bytes())?,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn write_all(output: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(output, bytes) {
            Ok(put) => bytes = &bytes[put..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let mut ready = [PollFd::new(output, PollFlags::OUT)];
                rustix::event::poll(&mut ready, None)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
