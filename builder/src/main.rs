//! The `amiforge` program: arguments in, one command, an exit code out. Everything else is in the library.

mod cli;
mod cmd;
mod ui;

use std::path::PathBuf;
use std::process::ExitCode;

use amiforge_machine::boot::{die_with_parent, imds};
use amiforge_sandbox::SUBCOMMAND;
use clap::Parser as _;

use crate::cli::Cli;
use crate::ui::Ui;

fn main() -> ExitCode {
    // The inside of a sandbox: before anything that might start a thread.
    if std::env::args_os().nth(1).is_some_and(|word| word == SUBCOMMAND) {
        return amiforge_sandbox::enter();
    }
    // One connection of a guest to the metadata service of its launch.
    if std::env::args_os().nth(1).is_some_and(|word| word == imds::SUBCOMMAND) {
        return imds::run(std::env::args_os().nth(2).map(PathBuf::from).as_deref());
    }
    // A program that is to end with the launch that started it.
    if std::env::args_os().nth(1).is_some_and(|word| word == die_with_parent::SUBCOMMAND) {
        return die_with_parent::run(std::env::args_os().skip(2));
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => return ui::show_usage(&usage),
    };
    let ui = Ui::new(cli.voice());
    let outcome = cmd::run(cli.command, &ui);
    ui.finish(outcome)
}
