//! The `amiforge` program: parses the arguments, runs one command, returns its exit code. Everything else is in the
//! library.

mod cli;
mod cmd;
mod outcome;
mod signals;
mod ui;

use std::path::PathBuf;
use std::process::ExitCode;

use amiforge_machine::boot::{die_with_parent, imds};
use amiforge_sandbox::SUBCOMMAND;
use clap::{CommandFactory as _, Parser as _};

use crate::cli::Cli;
use crate::ui::Ui;

fn main() -> ExitCode {
    // The process inside a sandbox: before anything that might start a thread.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == SUBCOMMAND) {
        return amiforge_sandbox::enter();
    }
    // One connection of a guest to the metadata service of its launch.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == imds::SUBCOMMAND) {
        return imds::run(std::env::args_os().nth(2).map(PathBuf::from).as_deref());
    }
    // A program that must end with the launch that started it.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == die_with_parent::SUBCOMMAND) {
        return die_with_parent::run(std::env::args_os().skip(2));
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => return ui::show_usage(&usage),
    };
    let ui = Ui::new(cli.output_options());
    let outcome = cmd::run(cli.command, Cli::command, &ui);
    ui.finish(outcome)
}
