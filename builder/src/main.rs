//! The `amiforge` program: arguments in, one command, an exit code out. Everything else is in the library.

mod cli;
mod cmd;
mod ui;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::Cli;
use crate::ui::Ui;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => return ui::show_usage(&usage),
    };
    let ui = Ui::new(cli.voice());
    let outcome = cmd::run(cli.command, &ui);
    ui.finish(outcome)
}
