//! A program that ends with whoever started it, even if that is killed: this program, started again, asks the kernel for
//! that and becomes the other (`PR_SET_PDEATHSIG(2const)`, which `execve(2)` keeps).

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// First argument of the program when it is to become another; the number of whoever starts it follows, and the other's
/// name and arguments.
pub const SUBCOMMAND: &str = "on-a-leash";

/// A command that ends with the thread that starts it.
///
/// # Errors
/// When the system does not say where this program lies.
pub(super) fn command(program: &str) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(SUBCOMMAND).arg(std::process::id().to_string()).arg(program);
    Ok(command)
}

/// What the hidden subcommand [`SUBCOMMAND`] does, given the words after it.
pub fn run(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let (Some(parent), Some(program)) = (arguments.next(), arguments.next()) else {
        return ExitCode::FAILURE;
    };
    if set_parent_process_death_signal(Some(Signal::TERM)).is_err() {
        return ExitCode::FAILURE;
    }
    // It may have ended before the kernel knew what to do then.
    if getppid().is_none_or(|pid| *pid.as_raw_nonzero().to_string() != *parent) {
        return ExitCode::FAILURE;
    }
    let error = Command::new(&program).args(arguments).exec();
    #[expect(clippy::print_stderr, reason = "whoever started it takes what it says for the other program's")]
    {
        eprintln!("starting {}: {error}", program.display());
    }
    ExitCode::FAILURE
}
