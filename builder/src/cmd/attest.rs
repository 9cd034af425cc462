//! `amiforge attest`: verifies attestation documents of NitroTPM, or shows what they say.

mod bytes;
mod expected;
mod input;
mod show;
mod verify;

use crate::outcome::CommandResult;
use crate::ui::Ui;

#[cfg(feature = "local-region")]
pub(crate) use self::bytes::{ByteValue, read_file};
#[cfg(feature = "local-region")]
pub(crate) use self::expected::{PcrValue, pcr_value};

/// Verify what a machine proves of itself: an attestation document of NitroTPM
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    amiforge attest verify document.bin --bundle out/web --nonce @nonce.bin\n  \
    amiforge attest show document.bin")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: AttestVerb,
}

/// The subcommands.
#[derive(Debug, clap::Subcommand)]
enum AttestVerb {
    Verify(Box<verify::Args>),
    Show(show::Args),
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    match &args.verb {
        AttestVerb::Verify(args) => verify::run(args, ui),
        AttestVerb::Show(args) => show::run(args, ui),
    }
}
