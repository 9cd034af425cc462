//! The command line: the global options. The commands and their arguments are in [`crate::cmd`].

use clap::Parser;

use crate::cmd::Command;
use crate::ui::{OutputOptions, UseColor};

/// Build machine images offline and reproducibly, from a recipe, without privilege.
#[derive(Debug, Parser)]
#[command(name = "amiforge", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "Example:\n  amiforge new web && amiforge build web/recipe.toml -o out/web\n\n\
    Exit codes: 0 done, 1 failed, 2 a mistake in the usage or the recipe, 3 a verification found a difference, \
    or an image did not boot as requested.")]
pub(crate) struct Cli {
    /// Print the result as JSON on standard output
    #[arg(long, global = true)]
    json: bool,

    /// Show more: each step and how long it took
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,

    /// Show only the result, warnings and errors
    #[arg(short, long, global = true)]
    quiet: bool,

    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = UseColor::Auto)]
    color: UseColor,

    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// How results and messages are shown, by `--json`, `-v`, `-q` and `--color`.
    pub(crate) fn output_options(&self) -> OutputOptions {
        OutputOptions {
            json: self.json,
            verbosity: if self.quiet { -1 } else { i8::try_from(self.verbose).unwrap_or(i8::MAX) },
            color: self.color,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_visible_command_has_an_example_in_its_help() {
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let example = format!("amiforge {}", command.get_name());
            assert!(help.contains(&example), "`{example}` is not in the help: {help:?}");
        }
    }
}
