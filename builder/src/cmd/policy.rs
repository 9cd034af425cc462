//! `amiforge policy`: a policy in the form of other programs.

use std::path::PathBuf;

use amiforge_trust::sshsig::{BUNDLE, INPUTS};

use super::signed_by::Demand;
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::ui::Ui;

/// Show who may sign, in the form that other programs read
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, clap::Subcommand)]
enum PolicyCommand {
    AllowedSigners(AllowedSignersArgs),
}

/// Print the signers as the file `allowed_signers` of ssh-keygen
///
/// `verify.sh` in a bundle takes it, and so does `ssh-keygen -Y verify -n amiforge-bundle`. With `--name` it holds the
/// signers of the rule for images of that name, and says how many have to sign; without, every signer of the policy.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  amiforge policy allowed-signers policy.toml --name web > allowed_signers\n  \
    sh out/web/verify.sh allowed_signers"
)]
struct AllowedSignersArgs {
    /// The policy
    policy: PathBuf,

    /// Name of the image, which selects the rule
    #[arg(long, value_name = "IMAGE")]
    name: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let PolicyCommand::AllowedSigners(args) = &args.command;
    let demand = Demand::read(args.policy.clone())?;
    let text = demand.policy().allowed_signers(args.name.as_deref(), &[BUNDLE, INPUTS]);
    let Some(text) = text else {
        let name = args.name.as_deref().unwrap_or_default();
        let fact = anyhow::anyhow!("no rule of it is for images of the name `{name}`");
        let cannot = format!("cannot list the signers of `{}`", args.policy.display());
        return Err(Failure::usage(fact.context(cannot)));
    };
    if ui.json() {
        ui.object(&serde_json::json!({ "allowed_signers": text }))?;
    } else {
        ui.line(text.trim_end())?;
    }
    Ok(Outcome::Success)
}
