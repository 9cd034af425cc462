//! A shell in the state that a failed command left: on a terminal of the sandbox's own, whose bytes go to and from the
//! user's, so that it has job control and Ctrl-C, and nothing in it can reach the user's terminal itself. What it writes
//! passes a filter, as a guest's console does: it may use the screen, and no sequence makes the user's terminal act,
//! remember or answer.
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
use super::steps::{CommandSession, Supervisor, TICK, reap, spawn};
use super::{During, InnerError, receive};

/// Bytes that go from one terminal to the other at once.
const BYTES: usize = 4096;

/// Waits for the outer half's word, runs a shell with the variables of a step, and waits until it has ended.
pub(super) fn open(
    watch: &Supervisor<'_>,
    job: &SandboxJob,
    step: &SandboxStep,
    terminal: &[OwnedFd],
) -> Result<(), InnerError> {
    let [input, output, errors] = terminal else { return Ok(()) };
    let term = String::from_utf8(receive(watch.channel)?).ok().filter(|term| !term.is_empty());
    let relay = term.as_ref().map(|_| Relay::begin(input, output)).transpose();
    let relay = relay.during(|| "making a terminal".to_owned())?;
    let given = match &relay {
        Some(relay) => [&relay.theirs, &relay.theirs, &relay.theirs],
        None => [input, output, errors],
    };
    let own = |file: &OwnedFd| file.try_clone().map(Stdio::from).during(|| "starting a shell".to_owned());
    let bash = Path::new("/bin/bash");
    let mut command = Command::new(if bash.exists() { bash } else { Path::new("/bin/sh") });
    command.arg("-i").stdin(own(given[0])?).stdout(own(given[1])?).stderr(own(given[2])?);
    // Not traced: what a person does in the shell is not captured, so the real time and machine may be seen.
    match spawn(command, job, step, watch.mounts, None, &CommandSession::Interactive { term }) {
        Err(error) => {
            let words = format!("there is no shell in this state: {error}\r\n");
            let _ = rustix::io::write(errors, words.as_bytes());
            Ok(())
        }
        Ok(child) => match relay {
            Some(relay) => relay.run(watch, child),
            None => wait(watch, child),
        },
    }
}

/// Waits for a shell that has the user's files themselves.
fn wait(watch: &Supervisor<'_>, child: Pid) -> Result<(), InnerError> {
    let ended = rustix::process::pidfd_open(child, PidfdFlags::empty());
    let ended = ended.during(|| "watching a shell".to_owned())?;
    while reap(child)?.is_none() {
        watch.wait(ended.as_fd())?;
    }
    Ok(())
}

/// Carries what is typed into the shell's terminal, and what the shell writes out of it.
struct Relay<'a> {
    input: &'a OwnedFd,
    output: &'a OwnedFd,
    /// The side of the terminal that is ours.
    ours: OwnedFd,
    /// The side of the shell.
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

    fn run(self, watch: &Supervisor<'_>, child: Pid) -> Result<(), InnerError> {
        let Self { input, output, ours, theirs } = self;
        let what = || "passing on what is typed".to_owned();
        // Held by the shell alone, so that its end is the end of the terminal.
        drop(theirs);
        let ended = rustix::process::pidfd_open(child, PidfdFlags::empty()).during(what)?;
        let mut typed = Vec::new();
        let mut filter = TerminalFilter::new(Allow::Screen);
        loop {
            take_size(input, &ours);
            let over = reap(child)?.is_some();
            show(&ours, output, &mut filter).during(what)?;
            if over {
                return write_all(output, filter.end().as_bytes()).during(what);
            }
            if !pass(&mut typed, &ours).during(what)? {
                // The shell has stopped reading for now; it may have begun to write.
                watch.wait(ended.as_fd())?;
                continue;
            }
            let ready = PollFlags::IN;
            let mut all = [
                PollFd::new(input, ready),
                PollFd::new(&ours, ready),
                PollFd::new(&ended, ready),
                PollFd::new(&watch.channel.0, ready | PollFlags::RDHUP),
            ];
            let timeout = Timespec::try_from(TICK).unwrap_or_default();
            match rustix::event::poll(&mut all, Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error).during(what),
            }
            if !all[3].revents().is_empty() {
                return Err(Errno::PIPE).during(what);
            }
            // A user whose terminal went away has left the shell.
            if !all[0].revents().is_empty() && !read(input, &mut typed).during(what)? {
                return Ok(());
            }
        }
    }
}

/// Gives the shell's terminal the size of the user's; a change of it is told to the programs there.
fn take_size(user: &OwnedFd, ours: &OwnedFd) {
    let sizes = (rustix::termios::tcgetwinsize(user), rustix::termios::tcgetwinsize(ours));
    let (Ok(wanted), Ok(has)) = sizes else { return };
    if (wanted.ws_row, wanted.ws_col) != (has.ws_row, has.ws_col) {
        let _ = rustix::termios::tcsetwinsize(ours, wanted);
    }
}

/// Takes what is typed; false at the end.
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

/// Passes on what was typed; whether that is all of it.
fn pass(typed: &mut Vec<u8>, ours: &OwnedFd) -> io::Result<bool> {
    while !typed.is_empty() {
        match rustix::io::write(ours, typed) {
            Ok(put) => drop(typed.drain(..put)),
            Err(Errno::AGAIN) => return Ok(false),
            Err(Errno::INTR) => {}
            // Nobody is there any more to read it.
            Err(Errno::IO) => typed.clear(),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

/// Shows what the shell wrote so far.
fn show(ours: &OwnedFd, output: &OwnedFd, filter: &mut TerminalFilter) -> io::Result<()> {
    let mut bytes = [0; BYTES];
    loop {
        match rustix::io::read(ours, &mut bytes) {
            // An error of input is what the end of the other side looks like.
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
