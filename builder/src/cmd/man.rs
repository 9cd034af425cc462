//! `amiforge man`: the manual pages of the program and of each command, generated from the command line.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::outcome::{CommandResult, Outcome};
use crate::ui::Ui;

/// Write the manual pages into a folder
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge man ~/.local/share/man/man1 && man amiforge-build")]
pub(crate) struct Args {
    /// The folder, made if it does not exist
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Runs the command.
pub(crate) fn run(args: &Args, program: clap::Command, ui: &Ui) -> CommandResult {
    let cannot = || format!("cannot write manual pages into `{}`", args.folder.display());
    fs::create_dir_all(&args.folder).with_context(cannot)?;
    // Pagers wrap the lines of manual pages.
    let program = program.term_width(0).disable_help_subcommand(true);
    clap_mangen::generate_to(program, &args.folder).with_context(cannot)?;
    ui.status(format_args!(
        "wrote the manual pages; `man -l {}` shows one",
        args.folder.join("amiforge.1").display()
    ));
    Ok(Outcome::Success)
}
