//! `amiforge unshare`: takes permissions back, or gives the account's own permission up.

use amiforge_lifecycle::sharing::{self, ImageSelector, UnshareFrom};
use amiforge_progress::Monitor;
use amiforge_publish::ami::AmiRegion;

use super::sharing_args::{self, SharingTarget};
use super::{call_plan, region, share};
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// Take back permissions to launch an AMI and to use its snapshots
///
/// With `--me`, an account gives up the permission that another one gave it. Machines that run already stay.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  amiforge unshare ami-0abc --from 111122223333 --region eu-west-1 --regions all\n  \
    amiforge unshare --name web-2026.10 --everyone\n  amiforge unshare ami-0abc --me --profile receiver"
)]
#[command(group = clap::ArgGroup::new("whose").required(true).args(["from", "everyone", "me"]))]
pub(crate) struct Args {
    #[command(flatten)]
    target: SharingTarget,

    /// Accounts, ARNs of organisations and organisational units, or `all`
    #[arg(long, value_name = "WHO", value_delimiter = ',')]
    from: Vec<String>,

    /// All that have a permission
    #[arg(long)]
    everyone: bool,

    /// This account itself, which does not own the AMI
    #[arg(long, conflicts_with_all = ["name", "regions"])]
    me: bool,

    /// Print the calls and the IAM policy that they need; makes no call
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    aws: region::Args,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cannot = format!("cannot stop sharing `{}`", args.target.text());
    let from = args.from(&cannot)?;
    if args.dry_run {
        return dry_run(args, from.as_ref(), ui);
    }
    let cancel = interrupt_on_signals()?;
    let connected = args.aws.connect(&cancel)?;
    let (services, monitor) = (connected.services(), Monitor::new(ui, &cancel));
    let failed = |error| sharing_args::failure(error, cannot.clone());
    let Some(from) = from else {
        let region =
            AmiRegion { name: &services.region, ec2: &*services.ec2, timer: &services.timer, monitor };
        let cancelled = connected.block_on(sharing::cancel(&region, args.target.text())).map_err(failed)?;
        return show_cancelled(&cancelled, ui);
    };
    let outcomes = connected
        .block_on(async {
            let regions = connected.config();
            let targets = sharing::find_targets(
                regions,
                connected.name(),
                &args.target.selector(),
                &args.target.scope(),
                (&services.timer, monitor),
            )
            .await?;
            Ok(sharing::unshare(regions, &targets, &from, (&services.timer, monitor)).await)
        })
        .map_err(failed)?;
    sharing_args::finish(outcomes, "no longer shared with", &cannot, ui)
}

impl Args {
    /// Whose permissions are taken back; `None` for the account's own.
    fn from(&self, cannot: &str) -> Result<Option<UnshareFrom>, Failure> {
        if self.me {
            return Ok(None);
        }
        if self.everyone {
            return Ok(Some(UnshareFrom::Everyone));
        }
        let mut who = Vec::new();
        for text in &self.from {
            who.push(share::parse(text).ok_or_else(|| share::unknown(text, cannot))?);
        }
        Ok(Some(UnshareFrom::These(who)))
    }
}

fn dry_run(args: &Args, from: Option<&UnshareFrom>, ui: &Ui) -> CommandResult {
    let region = call_plan::named_region(&args.aws)?;
    let (selector, scope) = (args.target.selector(), args.target.scope());
    let plan = match (from, &selector) {
        (Some(from), _) => sharing::plan::unshare(&region, &selector, &scope, from),
        (None, ImageSelector::Id(text) | ImageSelector::Name(text)) => sharing::plan::cancel(&region, text),
    };
    call_plan::show(&format!("stop sharing `{}` in {region}", args.target.text()), &plan, ui)
}

fn show_cancelled(cancelled: &sharing::Cancelled, ui: &Ui) -> CommandResult {
    let (region, image) = (&cancelled.region, &cancelled.image_id);
    if !cancelled.cancelled {
        ui.status(format_args!("{region}: {image} is not shared with this account"));
    }
    if cancelled.still_visible {
        ui.warn(format_args!(
            "{image} can be launched all the same: it is public, or shared with an organisation of this account"
        ));
    }
    if ui.json() {
        ui.object(cancelled)?;
    } else if cancelled.cancelled {
        ui.line(format_args!("{region} {image} no longer shared with this account"))?;
    }
    Ok(Outcome::Success)
}
