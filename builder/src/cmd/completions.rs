//! `amiforge completions`: the completion script of a shell, generated from the command line.

use clap_complete::{Shell, generate};

use crate::outcome::{CommandResult, Outcome};
use crate::ui::Ui;

/// Print the completions of a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    amiforge completions bash > ~/.local/share/bash-completion/completions/amiforge\n  \
    amiforge completions zsh > ~/.zfunc/_amiforge        # with ~/.zfunc in fpath\n  \
    amiforge completions fish > ~/.config/fish/completions/amiforge.fish")]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the command.
pub(crate) fn run(args: &Args, mut program: clap::Command, ui: &Ui) -> CommandResult {
    let mut script = Vec::new();
    generate(args.shell, &mut program, "amiforge", &mut script);
    ui.line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Outcome::Success)
}
