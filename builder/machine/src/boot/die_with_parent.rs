//! Runs a program that ends with its parent, even if the parent is killed: this program is started again, sets its
//! parent-death signal and executes the other program (`PR_SET_PDEATHSIG(2const)`, preserved by `execve(2)`).

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// First argument of the hidden subcommand. The process id of the parent follows, and the other program's name and
/// arguments.
pub const SUBCOMMAND: &str = "on-a-leash";

/// A command that ends with the thread that starts it.
///
/// # Errors
/// When the path of this program is not known.
pub(super) fn command(program: &str) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(SUBCOMMAND).arg(std::process::id().to_string()).arg(program);
    Ok(command)
}

/// Runs the hidden subcommand [`SUBCOMMAND`] with the arguments after it.
pub fn run(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let (Some(parent), Some(program)) = (arguments.next(), arguments.next()) else {
        return ExitCode::FAILURE;
    };
    if set_parent_process_death_signal(Some(Signal::TERM)).is_err() {
        return ExitCode::FAILURE;
    }
    // The parent may have ended before the signal was set.
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
