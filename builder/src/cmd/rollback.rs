//! `amiforge rollback`: sets a channel back to an image that it held before, in all its regions.

use amiforge_lifecycle::channel::{self, ChangeKind, ChannelOptions, ChannelServices};
use amiforge_progress::Monitor;
use amiforge_publish::timer::Timer;

use super::{channel as shared, region};
use crate::outcome::{CommandResult, Failure};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// Set a channel back to what it held before, in all its regions
///
/// Without `--to` each region gets the image that it held before the present one; again, the one before that. A promotion
/// that is not finished is set back. All regions move together, as with `promote`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amiforge rollback --channel stable --name web --region eu-west-1\n  \
    amiforge rollback --channel stable --name web --to 2026.10 --region eu-west-1")]
pub(crate) struct Args {
    /// The channel, such as `stable`
    #[arg(long, value_name = "NAME")]
    channel: String,

    /// What to go back to: a version of the image, an AMI (in one region), a label, or the number of a version of the
    /// parameter
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,

    #[command(flatten)]
    parameters: shared::Args,

    #[command(flatten)]
    change: shared::ChangeArgs,

    #[command(flatten)]
    aws: region::Args,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cancel = interrupt_on_signals()?;
    if args.change.dry_run {
        let options = args.options(&shared::offline_region(&args.aws, &args.cannot())?)?;
        let plan = channel::plan(ChangeKind::Rollback, &options, false);
        return shared::show_plan(&plan.map_err(|error| args.failure(error))?, ui);
    }
    args.options(region::named_region(&args.aws).as_deref().unwrap_or("region"))?;
    let connected = args.aws.connect(&cancel)?;
    let options = args.options(connected.name())?;
    let timer = Timer::default();
    let monitor = Monitor::new(ui, &cancel);
    let services = ChannelServices { regions: connected.config(), timer: &timer, monitor };
    let work = channel::rollback(services, &options, args.to.as_deref());
    shared::show(&connected.block_on(work).map_err(|error| args.failure(error))?, ui)
}

impl Args {
    fn cannot(&self) -> String {
        format!("cannot roll `{}` back", self.channel)
    }

    fn failure(&self, error: channel::ChannelError) -> Failure {
        let nameless = matches!(error, channel::ChannelError::Name(channel::NameError::Empty(_)));
        let failure = shared::failure(error, self.cannot(), "amiforge rollback");
        if nameless { failure.hint("name the image with `--name`") } else { failure }
    }

    fn options(&self, home: &str) -> Result<ChannelOptions, Failure> {
        let parts = (&self.parameters, &self.change);
        shared::options(parts, &self.aws, &self.channel, home, &self.cannot())
    }
}
